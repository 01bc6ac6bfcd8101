"""What a change writes to Qdrant, for the next version of the datastore."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..examples.base import STORE
from ..examples.rows import dump
from .about import About, AboutPoint
from .examples import MirroredExamples
from .points import Points, Visible, condition
from .server import Server

if TYPE_CHECKING:
    from ..datastore import Datastore

_CHUNK = 1000  # points that are written at once
_IDS = 32  # bits of an id, below those of the version


@dataclass
class Change:
    """Writes the points of one change after the other.

    server (Server): The connection.
    point (AboutPoint): The state, which is locked meanwhile.
    about (About): What the next state is as yet; or the one that is read.
    version (int): Of the change that is being made; 0 if none is.
    n_written (int): How often something was written.
    """

    server: Server
    point: AboutPoint
    about: About = field(default_factory=About)
    version: int = 0
    n_written: int = 0
    _next_id: int = 0
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

    @property
    def visible(self) -> Visible:
        """The points that are searched: also those of a change that is being made."""
        about = self.about
        return Visible(max(self.version, about.version), about.aborted)

    def begin(self, datastore: "Datastore", version: int) -> None:
        """Begin a change.

        datastore (Datastore): As in the state that is seen.
        version (int): Of the change.
        """
        self.version, self.n_written = version, 0
        # Of two changes, no two points have the same id.
        self._next_id = version << _IDS
        self._datastore, self._names = datastore, datastore.tag_set.tags

    def ends(self) -> None:
        """End a change."""
        self.version, self._datastore = 0, None

    # --- entries ----------------------------------------------------------------------

    def add_entries(
        self, part: str, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> np.ndarray:
        """Add entries.

        part (str): `"store"` or `"corrections"`.
        keys, entries, tags (ndarray): As for `Rows.append`.
        RETURNS (ndarray): Their ids, ascending.
        """
        ids = self._new_ids(len(keys))
        names = ("example_id", "token", "weight")
        columns = [entries[name].tolist() for name in names]
        payloads = [
            {"part": part, "version": self.version, "tag": tag, **dict(row)}
            for tag, *values in zip(self._raw(tags), *columns, strict=True)
            for row in [zip(names, values, strict=True)]
        ]
        for i in range(0, len(ids), _CHUNK):
            self._check()
            some = slice(i, i + _CHUNK)
            self.entries.add(ids[some].tolist(), payloads[some], keys[some])
        squared = np.einsum("nw,nw->n", keys, keys, dtype=np.float64)
        longest = max(self.about.longest, float(np.sqrt(squared.max(initial=0))))
        self.about = replace(self.about, longest=longest)
        return ids

    def remove_entries(self, ids: np.ndarray) -> None:
        """Remove entries.

        ids (ndarray): Their ids.
        """
        from qdrant_client import models

        for i in range(0, len(ids), _CHUNK):
            self._check()
            chosen = models.HasIdCondition(has_id=ids[i : i + _CHUNK].tolist())
            there = self.visible.removable(chosen)
            self.entries.set({"removed": self.version}, there)

    def restart(self, dtype: str, width: int) -> None:
        """Make a collection for keys of another kind, where they are. What there was is
        still read by other processes, and deleted before the next change.

        dtype (str), width (int): Of the keys; width 0: none are known yet.
        """
        self._check()
        self.about = about = replace(self.about, reread=self.version)
        is_same = about.generation and (about.width, about.dtype) == (width, dtype)
        if width and not is_same:
            self.about = replace(
                about,
                width=width,
                dtype=dtype,
                generation=self.version,
                replaced_at=time.time(),
            )
            if self.entries.exists():  # of another kind, by this change
                self.entries.drop()
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
            self.about = replace(self.about, tags=tuple(names), reread=self.version)
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
        assert self.version, "only within a transaction"
        self.n_written += 1
        self.point.renew()

    def _new_ids(self, n: int) -> np.ndarray:
        first = self._next_id
        self._next_id += n
        return np.arange(first, first + n)

    # --- examples and the state ------------------------------------------------------

    def write_examples(self, examples: MirroredExamples) -> None:
        """Write the examples that were changed.

        examples (MirroredExamples): With their ids.
        """
        ids = sorted(examples.changed)
        for i in range(0, len(ids), _CHUNK):
            self._check()
            self._remove_examples(ids[i : i + _CHUNK])
            self._add_examples(examples, examples.present(ids[i : i + _CHUNK]))
        self.about = replace(self.about, last_example_id=examples.last_id)

    def _remove_examples(self, ids: list[int]) -> None:
        from qdrant_client import models

        chosen = condition("example_id", match=models.MatchAny(any=ids))
        there = self.visible.removable(chosen)
        self.examples.set({"removed": self.version}, there)

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
                    "version": self.version,
                }
            )
        self.examples.add(self._new_ids(len(payloads)).tolist(), payloads)
