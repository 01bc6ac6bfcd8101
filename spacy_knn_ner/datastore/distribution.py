"""Equation 3: distances of neighbors → p_kNN.

p_kNN(y) ∝ Σ over the neighbors of 1[tag = y] · exp(−d / T), kNN-NER (Wang et al. 2022).
In float64: at low temperatures float32 distances show in the fourth digit. Equation 4
is in inference/interpolation.py.
"""

import numpy as np

from ..types import Neighbors


def knn_distribution(
    distances: np.ndarray,
    tags: np.ndarray,
    temperature: float,
    n_tags: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Compute p_kNN, equation 3.

    distances (ndarray): Shape (n, k), ascending; inf where there is no neighbor.
    tags (ndarray): Tag ids of the neighbors, shape (n, k).
    temperature (float): T > 0, in units of the distance.
    n_tags (int): Number of tags.
    weights (ndarray | None): How many neighbors each of them counts as, shape (n, k).
        Default: one.
    RETURNS (ndarray): Shape (n, n_tags). A row of zeros, which is no distribution,
        where there are no neighbors.
    """
    sizes = vote_sizes(distances, temperature)
    if weights is not None:
        sizes = sizes * weights
    p = np.zeros((len(distances), n_tags))
    np.add.at(p, (np.arange(len(p))[:, None], tags), sizes)
    return normalized(p)


def neighbor_distribution(
    neighbors: Neighbors, temperature: float, n_tags: int
) -> np.ndarray:
    """Compute p_kNN of neighbors; arguments as for `knn_distribution`."""
    return knn_distribution(
        neighbors.distances, neighbors.tags, temperature, n_tags, neighbors.weights
    )


def vote_sizes(distances: np.ndarray, temperature: float) -> np.ndarray:
    """Compute exp(−d / T) up to a factor per row: the nearest neighbor's vote is one.

    The factor cancels out in equation 3, and keeps exp() away from underflow.

    distances (ndarray): Shape (n, k), ascending; inf where there is no neighbor.
    temperature (float): T > 0, in units of the distance.
    RETURNS (ndarray): Shape (n, k); zero where there is no neighbor.
    """
    valid = np.isfinite(distances)
    nearest = np.where(valid[:, :1], distances[:, :1], 0.0)
    return np.where(valid, np.exp(-(distances - nearest) / temperature), 0.0)


def normalized(votes: np.ndarray) -> np.ndarray:
    """Scale rows so that they sum to one; rows of zeros stay as they are."""
    total = votes.sum(axis=-1, keepdims=True)
    return votes / np.where(total > 0, total, 1.0)


def lead(p: np.ndarray) -> np.ndarray:
    """Compute by how much the best tag is above the second, shape (n,); inf without a
    second one.

    p (ndarray): Shape (n, n_tags).
    """
    if p.shape[1] == 1:
        return np.full(len(p), np.inf)
    ranked = np.partition(p, -2, axis=1)
    return ranked[:, -1] - ranked[:, -2]
