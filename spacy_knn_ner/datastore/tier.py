"""A tier of the datastore: entries, their keys, and exact search over them."""

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from ..ty import Neighbors, VectorIndex, Votes
from . import distances as metrics
from .blocks import Blocks
from .index import make_index
from .kernel import EveryEntryVotes, knn_distribution

# An entry is a token of an example. Its key is the row of the same number.
ENTRY = np.dtype(
    [("example_id", "<i8"), ("token", "<i4"), ("tag", "<u2"), ("forgotten", "?")]
)
# Bound of what is held in memory at once, in elements of float64.
_GATHERED = 1 << 23
# Distances between so many queries and keys stay in the processor's cache.
_QUERIES, _KEYS = 512, 1024


F = TypeVar("F", bound=Callable[..., Any])


def _locked(method: F) -> F:
    """One thread at a time; FAISS and BLAS use all cores by themselves."""

    @wraps(method)
    def holding(self: "Tier", *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return method(self, *args, **kwargs)

    return cast(F, holding)


class Tier:
    """Entries with keys, searched exactly.

    The neighbors of a query are the k entries with the smallest distance, in
    float64; where distances are equal, the entries that were added first. An
    index only proposes candidates; see `search`.
    """

    def __init__(
        self,
        width: int,
        *,
        dtype: str = "float32",
        keys: Blocks | None = None,
        entries: Blocks | None = None,
    ) -> None:
        """width (int): Of the keys.
        dtype (str): Keys are kept as `"float32"` (default) or `"float16"`.
        keys, entries (Blocks | None): What was saved.
        """
        self.keys = Blocks(dtype, width) if keys is None else keys
        self.entries = Blocks(ENTRY) if entries is None else entries
        self.width = width
        self._index: VectorIndex | None = None
        self._index_is: tuple[str, str] | None = None
        self._longest, self._measured = 0.0, 0
        # Counted once: how many entries there are is asked for every batch.
        self._forgotten = sum(int(block["forgotten"].sum()) for block in self.entries)
        # Held by whoever searches or changes the tier: rows move when it shrinks.
        self.lock = threading.RLock()

    def __len__(self) -> int:
        """Entries that are not forgotten."""
        return len(self.entries) - self._forgotten

    @_locked
    def add(
        self, keys: np.ndarray, example_ids: np.ndarray, tokens: np.ndarray, tags: Any
    ) -> None:
        """Add entries; they can be found at once.

        keys (ndarray): Shape (n, width), finite, no row of zeros.
        example_ids, tokens, tags (ndarray): Shape (n,).
        """
        rows = np.zeros(len(keys), dtype=ENTRY)
        rows["example_id"], rows["token"], rows["tag"] = example_ids, tokens, tags
        self.keys.append(keys.astype(self.keys.dtype, copy=False))
        self.entries.append(rows)

    @_locked
    def forget(self, example_ids: Iterable[int]) -> int:
        """Forget every entry of these examples.

        RETURNS (int): How many entries there were.
        """
        ids = np.fromiter(example_ids, dtype=np.int64)
        count = 0
        for block in self.entries:
            gone = np.isin(block["example_id"], ids) & ~block["forgotten"]
            block["forgotten"][gone] = True
            count += int(gone.sum())
        self._forgotten += count
        if 2 * len(self) < len(self.entries):
            self._compact()
        return count

    def _compact(self) -> None:
        """Give up the rows of forgotten entries, which searches still look at."""
        keep = ~self.entries.array()["forgotten"]
        keys, entries = Blocks(self.keys.dtype, self.width), Blocks(ENTRY)
        for part in self.keys.kept(keep):
            keys.append(part)
        for kept in self.entries.kept(keep):
            entries.append(kept)
        self.keys, self.entries, self._forgotten = keys, entries, 0
        self._index, self._longest, self._measured = None, 0.0, 0

    # --- search ------------------------------------------------------------

    @_locked
    def search(
        self, queries: np.ndarray, k: int, *, metric: str, index: str = "flat"
    ) -> Neighbors:
        """The k nearest entries of each query.

        The index works in float32, where nearly equal distances may change
        places. So it is asked for a few more than k; the candidates' distances
        are computed again in float64; and where an entry that was not proposed
        could still belong to the k nearest, it is asked for more.

        queries (ndarray): Shape (n, width), float32, finite, no row of zeros.
        k (int): How many, at least 1; fewer come back from a smaller tier.
        metric (str): `"cosine"`, `"euclidean"` or `"sqeuclidean"`.
        index (str): `"flat"` or `"torch"`.
        RETURNS (Neighbors): Shape (n, min(k, rows of the tier)).
        """
        n_rows = len(self.entries)
        k = min(k, n_rows)
        found = Neighbors(
            np.full((len(queries), k), np.inf),
            np.full((len(queries), k), -1, dtype=np.int64),
            np.zeros((len(queries), k), dtype=np.int64),
        )
        if k == 0 or len(queries) == 0:
            return found
        prepared = metrics.to_search_space(queries, metric)
        slack = self._slack(prepared, metric)
        pending = np.arange(len(queries))
        fetch = min(n_rows, k + max(8, k // 4))
        while len(pending):
            proposed = self._propose(prepared[pending], fetch, metric, index)
            certain = np.zeros(len(pending), dtype=bool)
            step = max(1, _GATHERED // (fetch * self.width))
            for i in range(0, len(pending), step):
                part = slice(i, i + step)
                rows = pending[part]
                far = proposed[0][part, -1] - slack[rows]
                certain[part] = self._rank(
                    queries[rows], proposed[1][part], far, metric, found, rows
                )
            pending = pending[~certain] if fetch < n_rows else pending[:0]
            fetch = min(n_rows, fetch * 2)
        return found

    def _propose(
        self, queries: np.ndarray, fetch: int, metric: str, index: str
    ) -> tuple[np.ndarray, np.ndarray]:
        if fetch == len(self.entries):
            rows = np.broadcast_to(np.arange(fetch), (len(queries), fetch))
            return np.zeros(rows.shape, dtype=np.float32), rows
        return self._searchable(metric, index).search(queries, fetch)

    def _rank(
        self,
        queries: np.ndarray,
        proposed: np.ndarray,
        far: np.ndarray,
        metric: str,
        found: Neighbors,
        at: np.ndarray,
    ) -> np.ndarray:
        """Write the nearest of the proposed entries into `found[at]`.

        far (ndarray): Squared search distance that no other entry falls below.
        RETURNS (ndarray): Whether the result is certain, shape (n,).
        """
        k = found.rows.shape[1]
        rows = np.sort(proposed, axis=1)  # so that a stable sort breaks ties by row
        exact = metrics.paired(queries, self.keys.take(rows), metric)
        entries = self.entries.take(rows)
        exact[entries["forgotten"]] = np.inf
        order = np.argsort(exact, axis=1, kind="stable")[:, :k]
        nearest = np.take_along_axis(exact, order, axis=1)
        there = np.isfinite(nearest)
        found.distances[at] = nearest
        found.rows[at] = np.where(there, np.take_along_axis(rows, order, axis=1), -1)
        tags = np.take_along_axis(entries["tag"], order, axis=1)
        found.tags[at] = np.where(there, tags, 0)
        return metrics.to_search_distance(nearest[:, -1], metric) < far

    def _searchable(self, metric: str, index: str) -> VectorIndex:
        """The index with every key in it."""
        if self._index is None or self._index_is != (metric, index):
            as_they_are = metric != "cosine" and self.keys.dtype == np.float32
            vectors = self.keys if as_they_are else Blocks("float32", self.width)
            self._index = make_index(index, vectors)
            self._index_is = (metric, index)
        for chunk in self.keys.chunks(1 << 14, start=len(self._index)):
            self._index.add(metrics.to_search_space(chunk, metric))
        return self._index

    def _slack(self, prepared: np.ndarray, metric: str) -> np.ndarray:
        """By how much the index's squared distances may err, per query.

        A float32 sum of n products errs by at most about n·u·‖x‖·‖y‖ with
        u = 2⁻²⁴; ‖x‖² + ‖y‖² − 2xy then by (n + 8)·u·(‖x‖ + ‖y‖)², the 8 for
        the additions and for rounding to unit length.
        """
        lengths = np.sqrt(np.einsum("nw,nw->n", prepared, prepared, dtype=np.float64))
        unit = 2.0**-24
        return (self.width + 8) * unit * (lengths + self._longest_key(metric)) ** 2

    def _longest_key(self, metric: str) -> float:
        if metric == "cosine":
            return 1.0
        for chunk in self.keys.chunks(1 << 14, start=self._measured):
            squared = np.einsum("nw,nw->n", chunk, chunk, dtype=np.float64)
            self._longest = max(self._longest, float(np.sqrt(squared.max())))
        self._measured = len(self.keys)
        return self._longest

    # --- votes -------------------------------------------------------------

    def vote(
        self,
        queries: np.ndarray,
        *,
        k: int | None,
        temperature: float,
        metric: str,
        n_tags: int,
        index: str = "flat",
    ) -> Votes:
        """Equation 3 for each query.

        queries (ndarray): As for `search`.
        k (int | None): How many neighbors vote; None: every entry.
        temperature (float): In units of the metric.
        metric, index (str): As for `search`.
        n_tags (int): Number of tags.
        RETURNS (Votes): p_kNN and the distance of the nearest entry.
        """
        if k is None:
            votes = self.count_all(queries, [temperature], metric, n_tags)
            return Votes(votes.distributions()[0], votes.nearest)
        found = self.search(queries, k, metric=metric, index=index)
        p = knn_distribution(found.distances, found.tags, temperature, n_tags)
        return Votes(p, found.distances.min(axis=1, initial=np.inf))

    @_locked
    def count_all(
        self,
        queries: np.ndarray,
        temperatures: Sequence[float],
        metric: str,
        n_tags: int,
        *,
        groups: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> EveryEntryVotes:
        """Let every entry vote, block by block; one pass serves all temperatures.

        queries, metric, n_tags: As for `vote`.
        temperatures (Sequence[float]): In units of the metric.
        groups (tuple[ndarray, ndarray] | None): A number per query, and one per row
            of the tier: an entry does not vote where the two are equal.
        RETURNS (EveryEntryVotes): The counted votes.
        """
        counted = EveryEntryVotes(len(queries), temperatures, n_tags)
        for start in range(0, len(queries), _QUERIES):
            some = slice(start, start + _QUERIES)
            votes = EveryEntryVotes(len(queries[some]), temperatures, n_tags)
            first = 0
            for keys, entries in zip(
                self.keys.chunks(_KEYS), self.entries.chunks(_KEYS), strict=True
            ):
                kept = ~entries["forgotten"]
                rows = first + np.flatnonzero(kept)
                first += len(keys)
                if not len(rows):
                    continue
                distances = metrics.all_pairs(queries[some], keys[kept], metric)
                if groups is not None:
                    same = groups[0][some, None] == groups[1][rows]
                    distances[same] = np.inf
                votes.add(distances, entries["tag"][kept])
            counted.nearest[some] = votes.nearest
            counted.votes[:, some] = votes.votes
        return counted

    def __getstate__(self) -> dict[str, Any]:
        """The index is made again where it is needed."""
        return {**self.__dict__, "_index": None, "_index_is": None, "lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, lock=threading.RLock())
