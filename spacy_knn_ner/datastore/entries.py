"""Entries of a datastore: keys with their tags and tokens, and search over them."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..errors import Notes, note
from ..locking import Lock, locked
from ..types import Neighbors
from .blocks import Blocks
from .fork_safety import make_fork_safe
from .index.base import IndexFactory, StoredKeys, VectorIndex
from .index.exact import Exact
from .index.fidelity import Fidelity
from .index.rerank import search
from .rows import ENTRY, TAG, Rows, RowsState

logger = logging.getLogger("spacy_knn_ner")

# One metric that orders keys alike, by whether vectors have unit length.
METRIC_OF = {True: "cosine", False: "sqeuclidean"}


class EntryTable:
    """Entries with keys.

    The neighbors of a query are the k entries with the smallest distance, in float64;
    where distances are equal, the entries that were added first. An approximate index
    may miss some.
    """

    def __init__(
        self,
        *,
        dtype: str = "float32",
        keys: Blocks | None = None,
        entries: Blocks | None = None,
        tags: Blocks | None = None,
        rows: Rows | None = None,
    ) -> None:
        """dtype (str): Keys are stored as `"float32"` (default) or `"float16"`.
        keys, entries, tags (Blocks | None): Rows that were saved.
        rows (Rows | None): In place of all these.
        """
        if rows is None:
            rows = Rows(Blocks(dtype, 0) if keys is None else keys, entries, tags)
        self.rows = rows
        self.index_factory: IndexFactory = Exact()
        # The index; what it was made by, and whether of unit vectors; keys in it.
        self.index: VectorIndex | None = None
        self.index_made_by: tuple[IndexFactory, bool] | None = None
        self.fidelity: Fidelity | None = None  # of an approximate index, if measured
        self._stored = StoredKeys(self.rows.unread_keys, "cosine")
        self._n_indexed = 0
        # Held while the table is searched or changed: rows move when it shrinks.
        self.lock = Lock()

    @classmethod
    def of_arrays(
        cls, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> "EntryTable":
        """Make a table of rows that are not copied: keys, `ENTRY` and `TAG`."""
        return cls(
            keys=Blocks(keys.dtype, keys.shape[1], keys),
            entries=Blocks(ENTRY, None, entries),
            tags=Blocks(TAG, None, tags),
        )

    def __len__(self) -> int:
        """Number of entries that are not removed."""
        return len(self.rows) - self.rows.n_removed

    @property
    def n_rows(self) -> int:
        """Number of rows, removed ones included."""
        return len(self.rows)

    @property
    def keys(self) -> Blocks:
        """See `Rows.keys`."""
        return self.rows.keys

    @property
    def entries(self) -> Blocks:
        """Rows of `ENTRY`."""
        return self.rows.entries

    @property
    def tags(self) -> Blocks:
        """Tag ids."""
        return self.rows.tags

    @property
    def removed(self) -> np.ndarray:
        """Which rows are removed, shape (n_rows,), bool."""
        return self.rows.removed

    @property
    def dtype(self) -> str:
        """Of the keys."""
        return self.rows.unread_keys.dtype.name

    @property
    def width(self) -> int | None:
        """Width of the keys; None while there are none."""
        return self.rows.unread_keys.tail[0] or None

    # --- changing ----------------------------------------------------------

    @locked
    def add(
        self, keys: np.ndarray, example_ids: np.ndarray, tokens: np.ndarray, tags: Any
    ) -> None:
        """Add entries; the next search finds them.

        keys (ndarray): Shape (n, width), finite, no row of zeros.
        example_ids, tokens, tags (ndarray): Shape (n,).
        """
        if self.width is None:
            self.start_with(keys.shape[1])
        entries = np.zeros(len(keys), dtype=ENTRY)
        entries["example_id"], entries["token"] = example_ids, tokens
        entries["weight"] = 1
        self.rows.append(keys, entries, np.asarray(tags).astype(TAG))

    @locked
    def remove(
        self, example_ids: Iterable[int], *, tokens: Sequence[int] | None = None
    ) -> int:
        """Remove the entries of examples.

        example_ids (Iterable[int]): The examples.
        tokens (Sequence[int] | None): Only those of these tokens. Default: all.
        RETURNS (int): How many entries were removed.
        """
        ids = np.fromiter(example_ids, dtype=np.int64)
        entries = self.entries.array()
        mask = np.isin(entries["example_id"], ids) & ~self.removed
        if tokens is not None:
            mask &= np.isin(entries["token"], tokens)
        rows = np.flatnonzero(mask)
        self.rows.remove(rows)
        self.removed_rows(rows)
        return len(rows)

    @locked
    def removed_rows(self, rows: np.ndarray) -> None:
        """Let the index know of rows that were removed, and shrink a table that has
        mostly such.

        rows (ndarray): Their numbers.
        """
        if self.index is not None:
            self.index.remove(rows[rows < self._n_indexed])
        if 2 * len(self) < self.n_rows:
            self.shrink(~self.removed, self.entries.array()["weight"])

    @locked
    def retag(self, ids: np.ndarray) -> None:
        """Give every entry another tag id.

        ids (ndarray): New ids by old ones.
        """
        self.rows.retag(ids)

    @locked
    def absorb(self, other: "EntryTable") -> None:
        """Add the entries of another table that are not removed, and empty that one."""
        with other.lock:
            keep = ~other.removed
            if self.width is None and other.width is not None:
                self.start_with(other.width)
            entries, tags = other.entries.array()[keep], other.tags.array()[keep]
            start = 0
            for part in other.keys.kept(keep):
                here = slice(start, start + len(part))
                self.rows.append(part, entries[here], tags[here])
                start += len(part)
            other.start_empty()

    @locked
    def start_empty(self, dtype: str | None = None) -> None:
        """Remove everything.

        dtype (str | None): Of the keys from now on. Default: as before.
        """
        self._start_empty(Blocks(dtype or self.dtype, 0))

    @locked
    def start_with(self, width: int) -> None:
        """Remove everything.

        width (int): Of the keys from now on.
        """
        self._start_empty(Blocks(self.dtype, width, on_disk=True))

    @locked
    def shrink(
        self, keep: np.ndarray, weights: np.ndarray, *, dtype: Any = None
    ) -> None:
        """Drop rows, and renumber the others; see `Rows.shrink`.

        keep, weights (ndarray): As there.
        dtype (DTypeLike | None): Of the keys. Default: as before.
        """
        index, made_by, metric = self.index, self.index_made_by, self._stored.metric
        self.rows.shrink(keep, weights, self.dtype if dtype is None else dtype)
        self.forget_index()
        stored = StoredKeys(self.rows.unread_keys, metric)
        index = None if index is None else index.emptied(stored)
        if index is not None:
            self.index, self.index_made_by, self._stored = index, made_by, stored

    def _start_empty(self, keys: Blocks) -> None:
        self.rows.start_empty(keys)
        self.forget_index()

    @locked
    def forget_index(self) -> None:
        """Let the next search make another index."""
        self.index, self.index_made_by, self._n_indexed = None, None, 0

    def state(self) -> RowsState:
        """Remember the rows, for `restore`."""
        return self.rows.state()

    @locked
    def restore(self, state: RowsState) -> None:
        """Go back to the rows that there were, after a change that failed halfway.

        state (RowsState): From `state`.
        """
        same = self.rows.unread_keys is state.keys
        same = same and self.rows.n_removed == state.n_removed
        if not same or self._n_indexed > len(state.removed):
            self.forget_index()
        self.rows.restore(state)

    # --- search ------------------------------------------------------------

    @locked
    def search(self, queries: np.ndarray, k: int, *, metric: str) -> Neighbors:
        """Find the k nearest entries of each query.

        queries (ndarray): Shape (n, width), float32, finite, no row of zeros.
        k (int): How many, at least 1; fewer are returned from a smaller table.
        metric (str): `"cosine"`, `"euclidean"` or `"sqeuclidean"`.
        RETURNS (Neighbors): Shape (n, min(k, rows of the table)).
        """
        n_rows = len(self.removed)
        if not n_rows or not len(queries):
            return Neighbors.empty(len(queries), min(k, n_rows))
        index = self.make_index(metric)
        distances, rows = search(index, self._stored, self.removed, queries, k, metric)
        at, valid = np.maximum(rows, 0), rows >= 0
        tags = np.where(valid, self.tags.take(at).astype(np.int64), 0)
        weights = np.where(valid, self.entries.take(at)["weight"].astype(np.int64), 0)
        return Neighbors(distances, rows, tags, weights)

    @locked
    def make_index(self, metric: str) -> VectorIndex:
        """Make the index, unless it is made, and add the keys that are not in it.

        metric (str): What distances are to order. There must be keys.
        RETURNS (VectorIndex): The index.
        """
        unit = metric == "cosine"  # the other metrics order keys alike
        made_by = self.index_factory, unit
        saved = self.rows.saved
        if saved is not None:
            saved.verify_before_use()
        index = self.index
        if index is None or self.index_made_by != made_by:
            if saved is not None:
                saved.index_state = None  # another one than the saved
            stored = self.stored_keys(unit)
            index = self.index_factory.create(stored)
            self.use_index(index, stored, unit)
            kind = index.info()["kind"]
            logger.info(note(Notes.I003, kind=kind, n=self.n_rows))
        if self._n_indexed < len(self.removed):
            if not index.is_remote:
                for ids, vectors in self._stored.vectors(self._n_indexed):
                    index.add(ids, vectors)
            self._n_indexed = len(self.removed)
        return index

    def stored_keys(self, unit: bool) -> StoredKeys:
        """The keys, as an index has them.

        unit (bool): Whether as vectors of unit length.
        """
        make_fork_safe()
        return StoredKeys(self.rows.unread_keys, METRIC_OF[unit])

    def use_index(self, index: VectorIndex, stored: StoredKeys, unit: bool) -> None:
        """Search with this index.

        index (VectorIndex): Over some of the first keys.
        stored (StoredKeys), unit (bool): See `stored_keys`.
        """
        self.index, self.index_made_by = index, (self.index_factory, unit)
        self._stored, self._n_indexed, self.fidelity = stored, len(index), None

    def index_info(self) -> dict[str, Any]:
        """Describe the index, as JSON; empty while there is none."""
        if self.index is None:
            return {}
        info = self.index.info()
        if self.index.exact:
            return info
        return {
            **info,
            "search_param": self.index.search_param,
            "refine_factor": self.index.refine_factor,
            "fidelity": None if self.fidelity is None else asdict(self.fidelity),
        }

    def nbytes(self) -> dict[str, int]:
        """Compute the size in bytes of `index`, `entries` and `keys`, in memory or
        mapped into it."""
        return {
            "index": 0 if self.index is None else self.index.nbytes,
            "entries": self.entries.nbytes + self.tags.nbytes,
            "keys": self.rows.unread_keys.nbytes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # An index that is quickly filled again is copied empty.
        self._n_indexed = 0 if self.index is None else len(self.index)
