"""The arithmetic: distances → p_kNN → p_final.

Equations 3 and 4 of kNN-NER (Wang et al. 2022), and the corrections on top.
All in float64: at low temperatures float32 distances show in the fourth digit.
"""

import numpy as np

from ..tags import log_probabilities
from ..ty import Neighbors

# More than sums of a few rounded probabilities can be off.
_SLACK = 1e-9


def knn_distribution(
    distances: np.ndarray,
    tags: np.ndarray,
    temperature: float,
    n_tags: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Equation 3: p_kNN(y) ∝ Σ over the neighbors of 1[tag = y] · exp(−d/T).

    distances (ndarray): Shape (n, k), ascending; inf where there is no neighbor.
    tags (ndarray): Ids of the neighbors' tags, shape (n, k).
    temperature (float): T > 0, in units of the distance.
    n_tags (int): Number of tags.
    weights (ndarray | None): How many neighbors each of them is, shape (n, k); None:
        one.
    RETURNS (ndarray): Shape (n, n_tags). A row of zeros, which is no
        distribution, where there are no neighbors.
    """
    sizes = vote_sizes(distances, temperature)
    if weights is not None:
        sizes = sizes * weights
    p = np.zeros((len(distances), n_tags))
    np.add.at(p, (np.arange(len(p))[:, None], tags), sizes)
    return normalized(p)


def found_distribution(found: Neighbors, temperature: float, n_tags: int) -> np.ndarray:
    """Equation 3 for what was found; arguments as for `knn_distribution`."""
    return knn_distribution(
        found.distances, found.tags, temperature, n_tags, found.weights
    )


def vote_sizes(distances: np.ndarray, temperature: float) -> np.ndarray:
    """exp(−d/T) up to a factor per row: the nearest neighbor's vote has size one.

    The factor cancels out in equation 3, and keeps exp() away from underflow.

    distances (ndarray): Shape (n, k), ascending; inf where there is no neighbor.
    temperature (float): T > 0, in units of the distance.
    RETURNS (ndarray): Shape (n, k); zero where there is no neighbor.
    """
    found = np.isfinite(distances)
    nearest = np.where(found[:, :1], distances[:, :1], 0.0)
    return np.where(found, np.exp(-(distances - nearest) / temperature), 0.0)


def normalized(votes: np.ndarray) -> np.ndarray:
    """Rows that sum to one; rows of zeros stay as they are."""
    total = votes.sum(axis=-1, keepdims=True)
    return votes / np.where(total > 0, total, 1.0)


def interpolate(
    p_ner: np.ndarray, p_knn: np.ndarray, weight: float | np.ndarray
) -> np.ndarray:
    """Equation 4: p_final = (1 − weight) · p_NER + weight · p_kNN.

    The paper's λ is 1 − weight. Where p_kNN is undefined (a row of zeros, no
    neighbors), the result is p_NER; where p_NER is (no tagger has been there), p_kNN.

    p_ner, p_knn (ndarray): Shape (n, n_tags).
    weight (float | ndarray): In [0, 1], one for all or one per row.
    RETURNS (ndarray): Shape (n, n_tags).
    """
    weights = np.where(p_knn.any(axis=1), store_weight(p_ner, weight), 0.0)[:, None]
    return (1.0 - weights) * p_ner + weights * p_knn


def store_weight(p_ner: np.ndarray, weight: float | np.ndarray) -> np.ndarray:
    """The weight of p_kNN in each row: all of it where p_NER is undefined.

    p_ner (ndarray), weight (float | ndarray): As for `interpolate`.
    RETURNS (ndarray): Shape (n,).
    """
    return np.where(p_ner.any(axis=1), weight, 1.0)


def trust(nearest: np.ndarray, correction_weight: float) -> np.ndarray:
    """How much a token heeds the corrections: w_c = correction_weight ·
    max(0, 1 − d_nearest / radius).

    nearest (ndarray): Distance of the nearest correction as a share of the radius,
        shape (n,); inf if none.
    correction_weight (float): The weight at distance zero.
    RETURNS (ndarray): Shape (n,). The corrected distribution is
        `interpolate(p, p_knn_of_corrections, trust(...))`.
    """
    return correction_weight * np.maximum(0.0, 1.0 - nearest)


def can_change(p: np.ndarray, outstanding: np.ndarray) -> np.ndarray:
    """The gate: where could votes that are not known yet change the best tag?

    Whatever they say, they add at most their mass to any tag. So a tag that leads by
    strictly more keeps its lead, and nobody need ask.

    p (ndarray): The mixture without these votes, shape (n, n_tags).
    outstanding (ndarray): Their mass, shape (n,).
    RETURNS (ndarray): Shape (n,), bool.
    """
    return lead(p) <= outstanding + _SLACK


def least_loss(p: np.ndarray, outstanding: np.ndarray) -> np.ndarray:
    """What a tag sequence loses in log-probability by not taking a token's best tag:
    at least this, whatever the votes that are not known yet say.

    p (ndarray): The mixture without these votes, shape (n, n_tags), n_tags > 1.
    outstanding (ndarray): Their mass, shape (n,).
    RETURNS (ndarray): Shape (n,); negative where they may change the best tag.
    """
    second, best = np.partition(p, -2, axis=1)[:, -2:].T
    loss = log_probabilities(best) - log_probabilities(second + outstanding)
    return loss - _SLACK


def lead(p: np.ndarray) -> np.ndarray:
    """By how much the best tag is above the second, shape (n,); inf without one.

    p (ndarray): Shape (n, n_tags).
    """
    if p.shape[1] == 1:
        return np.full(len(p), np.inf)
    ranked = np.partition(p, -2, axis=1)
    return ranked[:, -1] - ranked[:, -2]
