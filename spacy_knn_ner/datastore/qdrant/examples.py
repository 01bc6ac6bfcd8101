"""The annotated texts of a datastore in Qdrant: a copy of them in SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...types import AnnotatedText, StoredExample
from ..examples.sqlite import ExampleStore

if TYPE_CHECKING:
    from ..datastore import Datastore


class MirroredExamples(ExampleStore):
    """Annotated texts as in Qdrant, which remember what was changed.

    changed (set[int]): The ids of examples that were added, changed or forgotten.
    shared (Datastore | None): That which they belong to.
    """

    shared: "Datastore | None" = None
    _is_copied = False

    def __init__(self) -> None:
        """Begin without examples."""
        super().__init__()
        self.changed: set[int] = set()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See `Examples.reading`: of the newest state."""
        if self.shared is not None and not self._is_copied:
            with self.shared.home.reading(self.shared):
                pass
        with super().reading() as db:
            yield db

    def take_over(self, examples: list[StoredExample], last_id: int) -> None:
        """Store examples that are in Qdrant.

        examples (list[StoredExample]): New ones, or as they are now.
        last_id (int): The next one follows this id.
        """
        super().fill(examples, last_id)
        self.changed.clear()

    def take_away(self, ids: Iterable[int]) -> None:
        """Forget examples that are not in Qdrant any more."""
        super().forget(ids)

    def fill(self, examples: Iterable[StoredExample], last_id: int) -> None:
        """See `Examples.fill`."""
        super().fill(examples, max(last_id, self.last_id))

    def add(
        self, texts: Iterable[AnnotatedText], part: str, source: str | None = None
    ) -> list[int]:
        """See `Examples.add`."""
        ids = super().add(texts, part, source)
        self.changed.update(ids)
        return ids

    def restore(self, example: StoredExample) -> None:
        """See `Examples.restore`."""
        super().restore(example)
        self.changed.add(example.example_id)

    def forget(self, example_ids: Iterable[int]) -> list[int]:
        """See `Examples.forget`."""
        gone = super().forget(example_ids)
        self.changed.update(gone)
        return gone

    def clear(self) -> None:
        """See `Examples.clear`."""
        self.changed.update(self.ids())
        super().clear()

    def replace(self, example_id: int, text: AnnotatedText) -> None:
        """See `Examples.replace`."""
        super().replace(example_id, text)
        self.changed.add(example_id)

    def move(self, example_ids: Iterable[int], part: str) -> None:
        """See `Examples.move`."""
        ids = [*example_ids]
        super().move(ids, part)
        self.changed.update(ids)

    def relabel(self, old_label: str, new_label: str) -> int:
        """See `Examples.relabel`."""
        with_label = [example.example_id for example in self._with_label(old_label)]
        self.changed.update(with_label)
        return super().relabel(old_label, new_label)

    # --- copies -----------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        # As they are here: entries, which are copied too, are of the same version.
        self._is_copied = True
        try:
            return {"saved": super().__getstate__(), "shared": self.shared}
        finally:
            self._is_copied = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state["saved"])
        self.changed, self.shared = set(), state["shared"]
