"""Confidence: the score of an entity, and whether it is unlike anything stored."""

from dataclasses import dataclass

import numpy as np

from ..datastore.distribution import normalized


@dataclass(frozen=True)
class Calibration:
    """What `spacy knn tune` has fitted; saved with the component.

    score_temperature (float): Scores are of p_final^(1/T), so that of entities with a
        score of 0.8 four in five are correct. Default: 1.
    unknown_distance (float | None): An entity is unknown if one of its tokens is
        farther than this from every entry; None (default): not fitted.
    correction_radius (float | None): Corrections do not apply beyond this distance,
        where `corrections.radius` is null; None (default): there is no limit.
    """

    score_temperature: float = 1.0
    unknown_distance: float | None = None
    correction_radius: float | None = None


def span_scores(
    spans: list[tuple[int, int]],
    tags: np.ndarray,
    p: np.ndarray,
    temperature: float = 1.0,
) -> np.ndarray:
    """Compute the score of spans: the mean of p over a span's decoded tags.

    spans (list[tuple[int, int]]): First token and the token after the last.
    tags (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): Shape (n_tokens, n_tags).
    temperature (float): See `scaled`. Default: 1.
    RETURNS (ndarray): Shape (n_spans,); NaN where p is.
    """
    of_tag = scaled(p, temperature)[np.arange(len(tags)), tags]
    return np.array([of_tag[start:end].mean() for start, end in spans])


def scaled(p: np.ndarray, temperature: float) -> np.ndarray:
    """Scale a distribution: p^(1/T), normalized; temperature scaling (Guo et al. 2017).

    p (ndarray): Shape (n_tokens, n_tags).
    temperature (float): T > 0; above 1 probabilities become more equal, and the order
        of tags stays the same.
    RETURNS (ndarray): Shape (n_tokens, n_tags).
    """
    if temperature == 1:
        return p
    return normalized(p ** (1.0 / temperature))


def span_distances(spans: list[tuple[int, int]], nearest: np.ndarray) -> np.ndarray:
    """Compute how far spans are from everything stored: as far as the farthest token.

    spans (list[tuple[int, int]]): As for `span_scores`.
    nearest (ndarray): Per token, shape (n_tokens,).
    RETURNS (ndarray): Shape (n_spans,).
    """
    return np.array([nearest[start:end].max() for start, end in spans])
