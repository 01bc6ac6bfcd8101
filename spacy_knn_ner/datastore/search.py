"""The k nearest keys, in float64, of what an index proposes."""

import numpy as np

from ..ty import Neighbors, VectorIndex
from . import distances as metrics
from .blocks import Blocks

# What is ranked at once, in elements: so few stay in a processor's cache.
_GATHERED = 1 << 18


def nearest(
    keys: Blocks,
    entries: Blocks,
    index: VectorIndex,
    queries: np.ndarray,
    k: int,
    metric: str,
    longest: float,
) -> Neighbors:
    """The k nearest entries of each query.

    An exact index works in float32, where nearly equal distances may change places.
    So it is asked for a few more than k; the candidates' distances are computed again
    in float64; and where an entry that was not proposed could still belong to the k
    nearest, it is asked for more. An approximate index is asked once.

    keys, entries (Blocks): What is searched.
    index (VectorIndex): Over all of the keys.
    queries (ndarray): Shape (n, width), float32, finite, no row of zeros.
    k (int): How many, at least 1; fewer come back of fewer rows.
    metric (str): One of `metrics.METRICS`.
    longest (float): Length of the longest key in search space.
    RETURNS (Neighbors): Shape (n, min(k, rows)). Of these `first(k)` vote.
    """
    n_rows = len(entries)
    shape = (len(queries), min(k, n_rows))
    none = np.zeros(shape, dtype=np.int64)
    found = Neighbors(np.full(shape, np.inf), none - 1, none.copy(), none.copy())
    prepared = metrics.to_search_space(queries, metric)
    slack = _slack(prepared, longest)
    pending = np.arange(len(queries))
    fetch = min(n_rows, index.proposes(k))
    while len(pending):
        everything = fetch == n_rows
        if everything:
            rows = np.broadcast_to(np.arange(fetch), (len(pending), fetch))
        else:
            squared, rows = index.search(prepared[pending], fetch)
        step = max(1, _GATHERED // (fetch * queries.shape[1]))
        for i in range(0, len(pending), step):
            at = pending[i : i + step]
            ranked = _rank(keys, entries, queries[at], rows[i : i + step], k, metric)
            for name in ("distances", "rows", "tags", "weights"):
                getattr(found, name)[at] = getattr(ranked, name)
        if everything or not index.exact:
            break
        # No entry that was not proposed is nearer than this.
        limit = squared[:, -1] - slack[pending]
        last = metrics.to_search_distance(found.distances[pending, -1], metric)
        pending = pending[last >= limit]
        fetch = min(n_rows, fetch * 2)
    return found


def _rank(
    keys: Blocks,
    entries: Blocks,
    queries: np.ndarray,
    proposed: np.ndarray,
    k: int,
    metric: str,
) -> Neighbors:
    """The k nearest of the proposed entries; −1 stands for none."""
    rows = np.sort(proposed, axis=1)  # so that a stable sort breaks ties by row
    there = np.maximum(rows, 0)
    distances = metrics.paired(queries, keys.take(there), metric)
    about = entries.take(there)
    gone = about["forgotten"] | (rows < 0)
    tags, weights = (about[name].astype(np.int64) for name in ("tag", "weight"))
    return Neighbors(distances, rows, tags, weights).without(gone, k)


def _slack(prepared: np.ndarray, longest: float) -> np.ndarray:
    """By how much an index's squared distances may err, per query.

    A float32 sum of n products errs by at most about n·u·‖x‖·‖y‖ with
    u = 2⁻²⁴; ‖x‖² + ‖y‖² − 2xy then by (n + 8)·u·(‖x‖ + ‖y‖)², the 8 for
    the additions and for rounding to unit length.
    """
    lengths = np.sqrt(np.einsum("nw,nw->n", prepared, prepared, dtype=np.float64))
    return (prepared.shape[1] + 8) * 2.0**-24 * (lengths + longest) ** 2
