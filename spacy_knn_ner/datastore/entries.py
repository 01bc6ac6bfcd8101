"""Entries of a datastore: keys with their tags and tokens, and search over them."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from ..errors import Errors, KnnNerError, Notes, note
from ..locking import Lock
from ..types import Neighbors
from .blocks import Blocks
from .fork_safety import make_fork_safe
from .index.base import IndexFactory, StoredKeys, VectorIndex
from .index.exact import Exact
from .index.fidelity import Fidelity
from .index.rerank import search

logger = logging.getLogger("spacy_knn_ner")

# An entry is a token of an example, and counts as `weight` equal ones. Its tag and its
# key are the rows of the same number.
ENTRY = np.dtype([("example_id", "<i8"), ("token", "<i4"), ("weight", "<u2")])
TAG = np.dtype("<u2")
# One metric that orders keys alike, by whether vectors have unit length.
_METRIC = {True: "cosine", False: "sqeuclidean"}

F = TypeVar("F", bound=Callable[..., Any])


def _locked(method: F) -> F:
    """One thread at a time; FAISS and BLAS use all cores by themselves."""

    @wraps(method)
    def holding(self: "EntryTable", *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return method(self, *args, **kwargs)

    return cast(F, holding)


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
    ) -> None:
        """dtype (str): Keys are stored as `"float32"` (default) or `"float16"`.
        keys, entries, tags (Blocks | None): Rows that were saved.
        """
        self.keys = Blocks(dtype, 0) if keys is None else keys
        self.dtype = self.keys.dtype.name
        self.entries = Blocks(ENTRY) if entries is None else entries
        self.tags = Blocks(TAG) if tags is None else tags
        self.removed = np.zeros(len(self.entries), dtype=bool)
        self.version = 0  # changes when rows are renumbered
        self.index_factory: IndexFactory = Exact()
        # The index; what it was made by, and whether of unit vectors; keys in it.
        self.index: VectorIndex | None = None
        self.index_made_by: tuple[IndexFactory, bool] | None = None
        self.fidelity: Fidelity | None = None  # of an approximate index, if measured
        self._stored = StoredKeys(self.keys, "cosine")
        self._n_indexed = 0
        self._n_removed = 0
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
        return len(self.removed) - self._n_removed

    @property
    def n_rows(self) -> int:
        """Number of rows, removed ones included."""
        return len(self.removed)

    @property
    def width(self) -> int | None:
        """Width of the keys; None while there are none."""
        return self.keys.tail[0] or None

    # --- changing ----------------------------------------------------------

    @_locked
    def add(
        self, keys: np.ndarray, example_ids: np.ndarray, tokens: np.ndarray, tags: Any
    ) -> None:
        """Add entries; the next search finds them.

        keys (ndarray): Shape (n, width), finite, no row of zeros.
        example_ids, tokens, tags (ndarray): Shape (n,).
        """
        if self.width is None:
            self._reset(Blocks(self.dtype, keys.shape[1], on_disk=True))
        rows = np.zeros(len(keys), dtype=ENTRY)
        rows["example_id"], rows["token"], rows["weight"] = example_ids, tokens, 1
        self._append(keys, rows, np.asarray(tags).astype(TAG))

    def _append(self, keys: np.ndarray, rows: np.ndarray, tags: np.ndarray) -> None:
        self.keys.append(keys.astype(self.keys.dtype, copy=False))
        self.entries.append(rows)
        self.tags.append(tags)
        self.removed = np.append(self.removed, np.zeros(len(rows), dtype=bool))

    @_locked
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
        self.removed[rows] = True
        self.tags.assign(rows, 0)  # the label of theirs may be given up
        self._n_removed += len(rows)
        if self.index is not None:
            self.index.remove(rows[rows < self._n_indexed])
        if 2 * len(self) < self.n_rows:
            self.shrink(~self.removed, entries["weight"])
        return len(rows)

    @_locked
    def retag(self, ids: np.ndarray) -> None:
        """Give every entry another tag id.

        ids (ndarray): New ids by old ones.
        """
        for block in self.tags:
            block[:] = ids[block]

    @_locked
    def absorb(self, other: "EntryTable") -> None:
        """Add the entries of another table that are not removed, and empty that one."""
        with other.lock:
            keep = ~other.removed
            if self.width is None and other.width is not None:
                self._reset(Blocks(self.dtype, other.width, on_disk=True))
            rows, tags = other.entries.array()[keep], other.tags.array()[keep]
            start = 0
            for part in other.keys.kept(keep):
                here = slice(start, start + len(part))
                self._append(part, rows[here], tags[here])
                start += len(part)
            other.start_empty()

    @_locked
    def start_empty(self, dtype: str | None = None) -> None:
        """Remove everything.

        dtype (str | None): Of the keys from now on. Default: as before.
        """
        self._reset(Blocks(dtype or self.dtype, 0))

    @_locked
    def shrink(
        self, keep: np.ndarray, weights: np.ndarray, *, dtype: Any = None
    ) -> None:
        """Drop rows, and renumber the others.

        keep (ndarray): The rows that stay, shape (n_rows,), bool; no removed ones.
        weights (ndarray): Their new weights, shape (n_rows,).
        dtype (DTypeLike | None): Of the keys. Default: as before.
        RAISES (KnnNerError): If a key does not fit the dtype; nothing changes.
        """
        dtype = self.keys.dtype if dtype is None else dtype
        keys = Blocks(dtype, self.keys.tail[0], on_disk=True)
        for part in self.keys.kept(keep):
            with np.errstate(over="ignore"):  # noticed in the next line
                part = part.astype(dtype, copy=False)
            if not (np.isfinite(part).all(1) & part.any(1)).all():
                raise KnnNerError(Errors.E031, dtype=dtype)
            keys.append(part)
        entries, tags = self.entries.array()[keep], self.tags.array()[keep]
        entries["weight"] = weights[keep]
        stored, index = StoredKeys(keys, self._stored.metric), None
        if self.index is not None:
            index = self.index.emptied(stored)
        made_by = self.index_made_by
        self._reset(keys)
        self.entries.append(entries)
        self.tags.append(tags)
        self.removed = np.zeros(len(entries), dtype=bool)
        if index is not None:
            self.index, self.index_made_by, self._stored = index, made_by, stored

    def _reset(self, keys: Blocks) -> None:
        self.keys, self.entries, self.tags = keys, Blocks(ENTRY), Blocks(TAG)
        self.dtype = keys.dtype.name
        self.removed, self._n_removed = np.zeros(0, dtype=bool), 0
        self.index, self.index_made_by, self._n_indexed = None, None, 0
        self.version += 1

    # --- search ------------------------------------------------------------

    @_locked
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

    @_locked
    def make_index(self, metric: str) -> VectorIndex:
        """Make the index, unless it is made, and add the keys that are not in it.

        metric (str): What distances are to order. There must be keys.
        RETURNS (VectorIndex): The index.
        """
        unit = metric == "cosine"  # the other metrics order keys alike
        made_by = self.index_factory, unit
        if self.index is None or self.index_made_by != made_by:
            make_fork_safe()
            self._stored = StoredKeys(self.keys, _METRIC[unit])
            self.index = self.index_factory.create(self._stored)
            self.index_made_by, self._n_indexed = made_by, len(self.index)
            self.fidelity = None
            kind = self.index.info()["kind"]
            logger.info(note(Notes.I003, kind=kind, n=self.n_rows))
        if self._n_indexed < len(self.removed):
            for ids, vectors in self._stored.vectors(self._n_indexed):
                self.index.add(ids, vectors)
            self._n_indexed = len(self.removed)
        return self.index

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

    # --- saving and loading ------------------------------------------------

    @_locked
    def save_index(self, prefix: Path) -> dict[str, Any] | None:
        """Write the files of the index, over the entries that are not removed.

        prefix (Path): What the paths of files begin with.
        RETURNS (dict[str, Any] | None): For `load_index`, as JSON; None without index.
        """
        if self.index is None or self.index_made_by is None:
            return None
        factory, unit = self.index_made_by
        index = self.make_index(_METRIC[unit])
        return {
            "made_by": factory.identity(),
            "unit": unit,
            "info": index.info(),
            "search_param": index.search_param,
            "refine_factor": index.refine_factor,
            "fidelity": None if self.fidelity is None else asdict(self.fidelity),
            "state": index.save(prefix, ~self.removed),
        }

    def load_index(self, prefix: Path, saved: dict[str, Any]) -> None:
        """Use an index that was saved with these keys, if it was made by
        `index_factory`; otherwise a search makes another.

        prefix (Path), saved (dict[str, Any]): See `save_index`.
        RAISES (KnnNerError): If it is damaged.
        """
        if saved["made_by"] != self.index_factory.identity():
            return
        make_fork_safe()
        self._stored = StoredKeys(self.keys, _METRIC[saved["unit"]])
        index = self.index_factory.load(self._stored, prefix, saved["state"])
        index.search_param = saved["search_param"]
        index.refine_factor = saved["refine_factor"]
        if len(index) not in (0, len(self.keys)):
            reason = f"the index has {len(index)} keys"
            raise KnnNerError(Errors.E032, path=prefix.parent.parent, reason=reason)
        made_by = self.index_factory, saved["unit"]
        self.index, self.index_made_by = index, made_by
        self._n_indexed = len(index)
        if saved["fidelity"] is not None:
            self.fidelity = Fidelity(**saved["fidelity"])

    def nbytes(self) -> dict[str, int]:
        """Compute the size in bytes of `index`, `entries` and `keys`, in memory or
        mapped into it."""
        return {
            "index": 0 if self.index is None else self.index.nbytes,
            "entries": self.entries.nbytes + self.tags.nbytes,
            "keys": self.keys.nbytes,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # An index that is quickly filled again is copied empty.
        self._n_indexed = 0 if self.index is None else len(self.index)


def distinct(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the first of equal queries, and for each query its number among these."""
    seen: dict[bytes, int] = {}
    back = np.array([seen.setdefault(q.tobytes(), len(seen)) for q in queries], int)
    return np.unique(back, return_index=True)[1], back
