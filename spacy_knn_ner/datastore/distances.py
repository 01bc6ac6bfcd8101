"""The three metrics, in float64, under SciPy's names.

`"euclidean"` is the d of equation 3 literally, `"sqeuclidean"` its RBF form,
and `"cosine"` (1 − cos) what the paper's published code computes. On unit
vectors they order neighbors alike, and d_sqeuclidean = 2 · d_cosine.
"""

from typing import Any

import numpy as np

# What is gathered at once, in elements of float64.
_GATHERED = 1 << 22

METRICS = ("cosine", "euclidean", "sqeuclidean")


def paired(queries: np.ndarray, keys: np.ndarray, metric: str) -> np.ndarray:
    """Compute distances from each query to its own keys.

    queries (ndarray): Shape (n, width).
    keys (ndarray): Shape (n, k, width).
    metric (str): One of `METRICS`.
    RETURNS (ndarray): Shape (n, k), float64. Equal keys get equal distances.
    """
    # In C order, so that every sum runs through its terms in the same way.
    queries = np.array(queries, dtype=np.float64, order="C")
    keys = np.array(keys, dtype=np.float64, order="C")
    if metric == "cosine":
        dot = np.einsum("nw,nkw->nk", queries, keys)
        norms = _norms(queries)[:, None] * np.sqrt(np.einsum("nkw,nkw->nk", keys, keys))
        return np.maximum(1.0 - dot / norms, 0.0)
    keys -= queries[:, None]
    squared = np.einsum("nkw,nkw->nk", keys, keys)
    return np.sqrt(squared) if metric == "euclidean" else squared


def all_pairs(queries: Any, keys: Any, metric: str) -> Any:
    """Compute distances from every query to every key, by matrix multiplication.

    queries (Tensor): Shape (n, width); of unit length for `"cosine"`.
    keys (Tensor): Shape (m, width); likewise.
    metric (str): One of `METRICS`.
    RETURNS (Tensor): Shape (n, m).
    """
    import torch

    if metric == "cosine":
        return torch.mm(queries, keys.T).neg_().add_(1.0).clamp_(min=0.0)
    scale = (queries**2).sum(1)[:, None] + (keys**2).sum(1)[None]
    squared = torch.addmm(scale, queries, keys.T, alpha=-2.0)
    # ‖q‖² + ‖k‖² − 2qk loses its digits where q and k nearly coincide.
    rows, columns = torch.nonzero(squared < 1e-6 * scale, as_tuple=True)
    step = max(1, _GATHERED // queries.shape[1])
    for i in range(0, len(rows), step):
        row, column = rows[i : i + step], columns[i : i + step]
        squared[row, column] = ((queries[row] - keys[column]) ** 2).sum(1)
    return squared.sqrt_() if metric == "euclidean" else squared


def to_search_space(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Transform vectors, so that squared L2 distance orders them as the metric does.

    vectors (ndarray): Shape (n, width), no zero vector among them.
    RETURNS (ndarray): Shape (n, width), float32: of unit length for `"cosine"`,
        otherwise unchanged.
    """
    if metric != "cosine":
        return np.ascontiguousarray(vectors, dtype=np.float32)
    found = np.array(vectors, dtype=np.float32, order="C")
    # Piece by piece: in float64 they take twice the memory.
    step = max(1, _GATHERED // found.shape[1])
    for i in range(0, len(found), step):
        part = found[i : i + step].astype(np.float64)
        found[i : i + step] = part / _norms(part)[:, None]
    return found


def to_search_distance(distances: np.ndarray, metric: str) -> np.ndarray:
    """The squared L2 distances in search space that belong to these."""
    if metric == "cosine":
        return 2.0 * distances
    return distances**2 if metric == "euclidean" else distances


def from_search_distance(squared: np.ndarray, metric: str) -> np.ndarray:
    """The distances that belong to squared L2 distances in search space."""
    squared = np.maximum(squared, 0.0)
    if metric == "cosine":
        return squared / 2.0
    return np.sqrt(squared) if metric == "euclidean" else squared


def _norms(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nw,nw->n", vectors, vectors))


def distinct(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the first of equal queries, and for each query its number among these."""
    seen: dict[bytes, int] = {}
    back = np.array([seen.setdefault(q.tobytes(), len(seen)) for q in queries], int)
    return np.unique(back, return_index=True)[1], back
