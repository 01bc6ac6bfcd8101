"""Equation 4: the base distribution and p_kNN → p_final.

p_final = (1 − weight) · p_base + weight · p_kNN, kNN-NER (Wang et al. 2022); the
paper's λ is 1 − weight. Registered as `knn_interpolations`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ..errors import Errors, KnnNerError
from ..types import CorrectionVotes, Votes


class Interpolation(ABC):
    """Decides how much the store's votes count, per token."""

    @property
    @abstractmethod
    def upper_bound(self) -> float:
        """The largest weight that any token can get, 0 to 1. The gate passes over the
        tokens whose tag no vote of this weight can change."""

    @abstractmethod
    def weights(self, p_base: np.ndarray, votes: Votes) -> np.ndarray:
        """Compute the weight of p_kNN.

        p_base (ndarray): Shape (n_tokens, n_tags).
        votes (Votes): The store's votes for these tokens.
        RETURNS (ndarray): Shape (n_tokens,), 0 to `upper_bound`.
        """


@dataclass(frozen=True)
class Constant(Interpolation):
    """The paper's interpolation: one weight for all tokens.

    weight (float): Of p_kNN, 0 to 1; the paper's λ is 1 − weight.
    RAISES (KnnNerError): For a weight that is not between 0 and 1.
    """

    weight: float = 0.3

    def __post_init__(self) -> None:
        is_number = isinstance(self.weight, int | float)
        if not is_number or isinstance(self.weight, bool) or not 0 <= self.weight <= 1:
            raise KnnNerError(Errors.E086, value=self.weight)

    @property
    def upper_bound(self) -> float:
        """The weight."""
        return self.weight

    def weights(self, p_base: np.ndarray, votes: Votes) -> np.ndarray:
        """Give every token the same weight; see `Interpolation.weights`."""
        return np.full(len(p_base), self.weight)


def constant(weight: float = 0.3) -> Constant:
    """Make the paper's interpolation, `spacy_knn_ner.Constant.v1`.

    weight (float): Of p_kNN, 0 to 1. Default: 0.3.
    """
    return Constant(weight)


def interpolate(
    p_base: np.ndarray, p_knn: np.ndarray, weight: float | np.ndarray
) -> np.ndarray:
    """Compute p_final, equation 4.

    Where p_kNN is undefined (a row of zeros, no neighbors), the result is p_base;
    where p_base is (no tagger), the result is p_kNN.

    p_base, p_knn (ndarray): Shape (n, n_tags).
    weight (float | ndarray): In [0, 1], one for all or one per row.
    RETURNS (ndarray): Shape (n, n_tags).
    """
    weights = np.where(p_knn.any(axis=1), vote_weight(p_base, weight), 0.0)[:, None]
    return (1.0 - weights) * p_base + weights * p_knn


def vote_weight(p_base: np.ndarray, weight: float | np.ndarray) -> np.ndarray:
    """Compute the weight of p_kNN in each row: 1 where p_base is undefined.

    p_base (ndarray), weight (float | ndarray): As for `interpolate`.
    RETURNS (ndarray): Shape (n,).
    """
    return np.where(p_base.any(axis=1), weight, 1.0)


def mix(
    p_base: np.ndarray,
    votes: Votes,
    weight: float | np.ndarray,
    corrections: CorrectionVotes,
) -> np.ndarray:
    """Compute p_final: equation 4 with the store's votes, then the corrections on top.

    p_base (ndarray): Shape (n_tokens, n_tags).
    votes (Votes): The store's, per token.
    weight (float | ndarray): Of the store's votes, from an `Interpolation`.
    corrections (CorrectionVotes): Per token. Without them the result is the paper's
        p_final to the letter.
    RETURNS (ndarray): Shape (n_tokens, n_tags).
    """
    p = interpolate(p_base, votes.p_knn, weight)
    p[~p.any(axis=1), 0] = 1.0  # neither a base nor neighbors: O
    return interpolate(p, corrections.p, corrections.weight)
