"""The gate: which tokens need a search in the store, and the proof that others do not.

Votes of mass m add at most m to any tag, whatever they are. So a tag that leads by
strictly more than m without the votes keeps its lead with them. The mass is bounded by
`Interpolation.upper_bound`: for a smaller weight w the lead (1 − w) · L without the
votes is larger, and the votes' mass w is smaller.
"""

import logging
from functools import cache

import numpy as np

from ..datastore.distribution import lead
from ..errors import Notes, note
from ..settings import LookupSettings
from ..types import CorrectionVotes
from .decoding import log_probabilities
from .interpolation import vote_weight

logger = logging.getLogger("spacy_knn_ner")

# More than sums of a few rounded probabilities can be off.
_SLACK = 1e-9


def tokens_to_look_up(
    p_base: np.ndarray,
    upper_bound: float,
    corrections: CorrectionVotes,
    lookup: LookupSettings,
) -> np.ndarray:
    """Select the tokens to look up: those whose tag the store's votes could change,
    and with `score_entities` those of entities.

    A tag that cannot change is final. So a token that is passed over and whose best tag
    is `O` is in no entity, unless the tags of its sentence do not fit together: then
    Viterbi needs all of its probabilities; see `may_lose_best_tag`.

    p_base (ndarray): Shape (n_tokens, n_tags).
    upper_bound (float): Of the votes' weight; see `Interpolation.upper_bound`.
    corrections (CorrectionVotes): Per token.
    lookup (LookupSettings): `mode`, `margin` and `score_entities`.
    RETURNS (ndarray): Shape (n_tokens,), bool.
    """
    if lookup.mode == "all":
        return np.ones(len(p_base), dtype=bool)
    known, mass = without_votes(p_base, upper_bound, corrections)
    unchanged = known + mass[:, None] * p_base  # p, if the token is passed over
    if lookup.mode == "lossless":
        note_high_weight(upper_bound)
        mask = can_change(known, mass)
    else:
        mask = lead(unchanged) <= lookup.margin
    if lookup.score_entities:
        mask |= unchanged.argmax(axis=1) > 0
    return mask


@cache
def note_high_weight(upper_bound: float) -> None:
    """Log, once for each, that a weight leaves no token to pass over.

    upper_bound (float): Of the votes' weight.
    """
    if upper_bound >= 0.5:
        logger.info(note(Notes.I001, weight=upper_bound))


def may_lose_best_tag(
    tags: np.ndarray,
    p: np.ndarray,
    lengths: list[int],
    p_base: np.ndarray,
    upper_bound: float,
    corrections: CorrectionVotes,
) -> np.ndarray:
    """Find the tokens whose best tag Viterbi might not take, if they were looked up.

    Where the best tags of a sentence do not fit together, its sequence is less probable
    than they are by some factor. A sequence that leaves a token's best tag, and loses
    more by that alone, is no better.

    tags (ndarray): The decoded sequence, shape (n_tokens,).
    p (ndarray): The probabilities it was decoded from, shape (n_tokens, n_tags).
    lengths (list[int]): Tokens per sentence.
    p_base, upper_bound, corrections: As for `tokens_to_look_up`.
    RETURNS (ndarray): Shape (n_tokens,), bool.
    """
    best, taken = p.max(axis=1), p[np.arange(len(tags)), tags]
    losses = log_probabilities(best) - log_probabilities(taken)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    lost = np.bincount(sentence, weights=losses)[sentence]
    if not lost.any():
        return np.zeros(len(tags), dtype=bool)
    least = least_loss(*without_votes(p_base, upper_bound, corrections))
    return (lost > 0) & (least <= lost)


def without_votes(
    p_base: np.ndarray, upper_bound: float, corrections: CorrectionVotes
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mixture without the store's votes, and their greatest mass.

    Arguments as for `tokens_to_look_up`.
    RETURNS (tuple[ndarray, ndarray]): Shapes (n_tokens, n_tags) and (n_tokens,).
    """
    override = corrections.weight
    mass = (1.0 - override) * vote_weight(p_base, upper_bound)
    known = (1.0 - override - mass)[:, None] * p_base
    return known + override[:, None] * corrections.p, mass


def can_change(p: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Find the rows where further votes could change the best tag.

    p (ndarray): The mixture without these votes, shape (n, n_tags).
    mass (ndarray): The greatest mass of the votes, shape (n,).
    RETURNS (ndarray): Shape (n,), bool.
    """
    return lead(p) <= mass + _SLACK


def least_loss(p: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Bound from below what a tag sequence loses in log-probability by not taking a
    token's best tag, whatever further votes say.

    p (ndarray): The mixture without these votes, shape (n, n_tags), n_tags > 1.
    mass (ndarray): The greatest mass of the votes, shape (n,).
    RETURNS (ndarray): Shape (n,); negative where they may change the best tag.
    """
    second, best = np.partition(p, -2, axis=1)[:, -2:].T
    loss = log_probabilities(best) - log_probabilities(second + mass)
    return loss - _SLACK
