"""Re-ranking: candidates of an index → the k nearest keys, in float64."""

import numpy as np

from .. import distances as metrics
from .base import StoredKeys, VectorIndex, n_candidates

# What is ranked at once, in elements: so few stay in a processor's cache.
_GATHERED = 1 << 18


def search(
    index: VectorIndex,
    stored: StoredKeys,
    removed: np.ndarray,
    queries: np.ndarray,
    k: int,
    metric: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest keys of each query; where distances are equal, the lower ids.

    An exact index works in float32, where nearly equal distances may change places. So
    it proposes a few more than k; the candidates' distances are computed again in
    float64; and where an id that was not proposed could still belong to the k nearest,
    it proposes more. An approximate index proposes once.

    index (VectorIndex): Over all of the keys.
    stored (StoredKeys): The keys.
    removed (ndarray): Which ids are removed, shape (n_keys,), bool.
    queries (ndarray): Shape (n, width), float32, finite, no row of zeros.
    k (int): How many, at least 1.
    metric (str): One of `distances.METRICS`.
    RETURNS (tuple[ndarray, ndarray]): Distances and ids, each of shape (n, min(k,
        n_keys)); inf and −1 where there is none.
    """
    n_keys = len(removed)
    shape = (len(queries), min(k, n_keys))
    prepared = metrics.to_search_space(queries, metric)
    if index.true_distances:
        squared, ids = index.search(prepared, shape[1])
        return metrics.from_search_distance(squared.astype(np.float64), metric), ids
    distances, ids = np.full(shape, np.inf), np.full(shape, -1)
    slack = _slack(prepared, stored.longest())
    pending = np.arange(len(queries))
    fetch = min(n_keys, n_candidates(index, k))
    while len(pending):
        everything = fetch == n_keys
        if everything:
            candidates = np.broadcast_to(np.arange(fetch), (len(pending), fetch))
        else:
            squared, candidates = index.search(prepared[pending], fetch)
        step = max(1, _GATHERED // (fetch * queries.shape[1]))
        for i in range(0, len(pending), step):
            at = pending[i : i + step]
            distances[at], ids[at] = _rank(
                stored, removed, queries[at], candidates[i : i + step], k, metric
            )
        if everything or not index.exact:
            break
        # No id that was not proposed is nearer than this.
        limit = squared[:, -1] - slack[pending]
        last = metrics.to_search_distance(distances[pending, -1], metric)
        pending = pending[last >= limit]
        fetch = min(n_keys, fetch * 2)
    return distances, ids


def _rank(
    stored: StoredKeys,
    removed: np.ndarray,
    queries: np.ndarray,
    candidates: np.ndarray,
    k: int,
    metric: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of the candidates; −1 stands for none."""
    ids = np.sort(candidates, axis=1)  # so that a stable sort breaks ties by id
    at = np.maximum(ids, 0)
    distances = metrics.paired(queries, stored.keys.take(at), metric)
    distances = np.where(removed[at] | (ids < 0), np.inf, distances)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    distances = np.take_along_axis(distances, order, axis=1)
    ids = np.take_along_axis(ids, order, axis=1)
    return distances, np.where(np.isfinite(distances), ids, -1)


def _slack(prepared: np.ndarray, longest: float) -> np.ndarray:
    """By how much an index's squared distances may err, per query.

    A float32 sum of n products errs by at most about n·u·‖x‖·‖y‖ with
    u = 2⁻²⁴; ‖x‖² + ‖y‖² − 2xy then by (n + 8)·u·(‖x‖ + ‖y‖)², the 8 for
    the additions and for rounding to unit length.
    """
    lengths = np.sqrt(np.einsum("nw,nw->n", prepared, prepared, dtype=np.float64))
    return (prepared.shape[1] + 8) * 2.0**-24 * (lengths + longest) ** 2
