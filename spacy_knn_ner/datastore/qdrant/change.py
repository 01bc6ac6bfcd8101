"""What a change writes to Qdrant, for the next version of the datastore."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..examples.base import STORE
from ..examples.rows import dump
from .about import About, AboutPoint
from .examples import MirroredExamples
from .points import Points, condition, present
from .server import Server

if TYPE_CHECKING:
    from ..datastore import Datastore

_CHUNK = 1000  # points that are marked at once


@dataclass
class Change:
    """Writes the points of one change after the other.

    server (Server): The connection.
    point (AboutPoint): The state, which is locked meanwhile.
    about (About): What the next state is as yet; or the one that is read.
    visible (int): The version that is searched: also of a change that is being made.
    is_made (bool): Whether a change is being made.
    n_written (int): How often something was written.
    """

    server: Server
    point: AboutPoint
    about: About = field(default_factory=About)
    visible: int = 0
    is_made: bool = False
    n_written: int = 0
    _datastore: Any = None
    _names: tuple[str, ...] = ()  # of the tags before they are renamed

    @property
    def collection(self) -> str:
        """The name of the collection with entries."""
        return f"{self.server.name}.entries.{self.about.generation}"

    @property
    def longest(self) -> float:
        """The length of the longest key."""
        return self.about.longest

    @property
    def entries(self) -> Points:
        """The entries."""
        return Points(self.server, self.collection)

    @property
    def examples(self) -> Points:
        """The examples."""
        return Points(self.server, f"{self.server.name}.examples")

    def see(self, about: About) -> None:
        """Read a state from now on.

        about (About): The state.
        """
        self.about, self.visible = about, about.version

    def begin(self, datastore: "Datastore") -> None:
        """Begin a change.

        datastore (Datastore): As in the state that is seen.
        """
        self.visible = self.about.version + 1
        self._datastore, self._names = datastore, datastore.tag_set.tags
        self.is_made = True

    def ends(self) -> None:
        """End a change."""
        self.is_made, self._datastore = False, None

    # --- entries ----------------------------------------------------------------------

    def add_entries(
        self, part: str, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> np.ndarray:
        """Add entries.

        part (str): `"store"` or `"corrections"`.
        keys, entries, tags (ndarray): As for `Rows.append`.
        RETURNS (ndarray): Their ids, ascending.
        """
        self._check()
        self.point.renew()
        first, n = self.about.next_id, len(keys)
        ids = np.arange(first, first + n)
        names = ("example_id", "token", "weight")
        columns = [entries[name].tolist() for name in names]
        payloads = [
            {"part": part, "version": self.visible, "tag": tag, **dict(row)}
            for tag, *values in zip(self._raw(tags), *columns, strict=True)
            for row in [zip(names, values, strict=True)]
        ]
        self.entries.add(ids.tolist(), payloads, keys)
        squared = np.einsum("nw,nw->n", keys, keys, dtype=np.float64)
        longest = max(self.about.longest, float(np.sqrt(squared.max(initial=0))))
        self.about = replace(self.about, next_id=first + n, longest=longest)
        return ids

    def remove_entries(self, ids: np.ndarray) -> None:
        """Remove entries.

        ids (ndarray): Their ids.
        """
        self._check()
        for i in range(0, len(ids), _CHUNK):
            some = ids[i : i + _CHUNK].tolist()
            self.entries.set({"removed": self.visible}, some)

    def restart(self, dtype: str, width: int) -> None:
        """Make a collection for keys of another kind, where they are. What there was is
        still read by other processes, and deleted before the next change.

        dtype (str), width (int): Of the keys; width 0: none are known yet.
        """
        self._check()
        self.about = about = replace(self.about, reread=self.visible)
        is_same = about.generation and (about.width, about.dtype) == (width, dtype)
        if width and not is_same:
            number = about.generation + 1
            new = replace(about, generation=number, width=width, dtype=dtype)
            self.about = new
            self.entries.create(width, dtype)

    def retag(self, part: str, ids: np.ndarray) -> None:
        """Give every entry another tag: the tags of both parts get other names.

        part (str): One of the two parts.
        ids (ndarray): New ids by old ones.
        """
        self._check()
        if part == STORE:  # and so are those of the other part
            new = self._datastore.tag_set.tags
            old = {name: i for i, name in enumerate(self._names)}
            names = (new[ids[old[n]]] if n in old else n for n in self.about.tags)
            self.about = replace(self.about, tags=tuple(names), reread=self.visible)
            self._names = new

    def _raw(self, tags: np.ndarray) -> list[int]:
        """The tags as they are written: places in a list that only grows."""
        self._names, before = self._datastore.tag_set.tags, self.about.tags
        known = {name: i for i, name in reversed([*enumerate(before)])}
        names = [self._names[tag] for tag in np.unique(tags)]
        new = [name for name in names if name not in known]
        known |= {name: i for i, name in enumerate(new, start=len(before))}
        self.about = replace(self.about, tags=(*before, *new))
        return [known[self._names[tag]] for tag in tags.tolist()]

    def _check(self) -> None:
        assert self.is_made, "only within a transaction"
        self.n_written += 1

    # --- examples and the state ------------------------------------------------------

    def write_examples(self, examples: MirroredExamples) -> None:
        """Write the examples that were changed.

        examples (MirroredExamples): With their ids.
        """
        ids = sorted(examples.changed)
        for i in range(0, len(ids), _CHUNK):
            self._remove_examples(ids[i : i + _CHUNK])
            self._add_examples(examples, examples.present(ids[i : i + _CHUNK]))
        self.about = replace(self.about, last_example_id=examples.last_id)

    def _remove_examples(self, ids: list[int]) -> None:
        from qdrant_client import models

        chosen = condition("example_id", match=models.MatchAny(any=ids))
        before = present(self.visible - 1, chosen)
        self.examples.set({"removed": self.visible}, before)

    def _add_examples(self, examples: MirroredExamples, ids: Iterable[int]) -> None:
        payloads = []
        for i in ids:
            example = examples.get(i)
            payloads.append(
                {
                    "example_id": i,
                    "part": example.part,
                    "annotation": dump(example.annotated),
                    "source": example.source,
                    "version": self.visible,
                }
            )
        first = self.about.next_id
        self.examples.add([*range(first, first + len(payloads))], payloads)
        self.about = replace(self.about, next_id=first + len(payloads))
