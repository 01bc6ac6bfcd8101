"""The gate: which tokens need not be looked up in the store?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..datastore import kernel
from ..tags import log_probabilities
from ..ty import Votes
from .mixing import Hear, Queries, nearest_of, p_final, silent
from .settings import LOSSLESS, Settings

Ask = Callable[[np.ndarray], Votes]


@dataclass(frozen=True)
class Gated:
    """What comes of asking no more than is needed.

    ids (ndarray): The tags, shape (n_tokens,).
    p (ndarray): p_final, shape (n_tokens, n_tags); of tokens that were not asked it
        lacks the store's votes.
    asked (ndarray): Which tokens were asked, shape (n_tokens,), bool.
    nearest (ndarray): Distance of the nearest entry that speaks to each of them, shape
        (n_tokens,); inf if none does.
    """

    ids: np.ndarray
    p: np.ndarray
    asked: np.ndarray
    nearest: np.ndarray


def gated(queries: Queries, hear: Hear, settings: Settings, ask: Ask) -> Gated:
    """The tags, and p_final where it is needed for them.

    queries (Queries): The tokens.
    hear (Hear): What the corrections say.
    settings (Settings): `gate`, `scores`, `decoding`, and those of the mixture.
    ask (Ask): The store's votes per token, for the tokens that are asked, shape
        (n_tokens,), bool; the others have no neighbors. None is asked twice.
    RETURNS (Gated): Tags, p_final, and who was asked.
    """
    store = _Once(ask, silent(queries))
    found = _gated(queries, silent(queries), settings, store)
    corrections = hear(found[0])
    if corrections.p_knn.any():
        found = _gated(queries, corrections, settings, store)
    nearest = nearest_of(queries, store(found[2]), corrections)
    return Gated(*found, nearest)


class _Once:
    """The store's votes, remembered."""

    def __init__(self, ask: Ask, silent: Votes) -> None:
        self._ask, self._votes = ask, silent
        self._known = np.zeros(len(silent.nearest), dtype=bool)

    def __call__(self, asked: np.ndarray) -> Votes:
        p, nearest = self._votes.p_knn, self._votes.nearest
        new = asked & ~self._known
        if new.any():
            votes = self._ask(new)
            p[new], nearest[new] = votes.p_knn[new], votes.nearest[new]
            self._known |= new
        return Votes(p * asked[:, None], np.where(asked, nearest, np.inf))


def _gated(
    queries: Queries, corrections: Votes, settings: Settings, ask: Ask
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, when it is known what the corrections say."""
    asked = tokens_to_ask(queries.p_ner, corrections, settings)
    p = p_final(queries.p_ner, ask(asked), corrections, settings)
    while True:
        ids = queries.tag_set.decode(p, settings.decoding, queries.lengths)
        if settings.decoding != "viterbi" or asked.all():
            return ids, p, asked
        rest = ~asked & _may_be_left(ids, p, queries, corrections, settings)
        if not rest.any():
            return ids, p, asked
        more = p_final(queries.p_ner, ask(rest), corrections, settings)
        p[rest] = more[rest]
        asked |= rest


def _may_be_left(
    ids: np.ndarray,
    p: np.ndarray,
    queries: Queries,
    corrections: Votes,
    settings: Settings,
) -> np.ndarray:
    """The tokens whose best tag Viterbi might not take, if the store were asked.

    Where the best tags of a sentence do not fit together, its sequence is less probable
    than they are by some factor. A sequence that leaves a token's best tag, and loses
    more by that alone, is no better.
    """
    best, taken = p.max(axis=1), p[np.arange(len(ids)), ids]
    losses = log_probabilities(best) - log_probabilities(taken)
    of_doc = np.repeat(np.arange(len(queries.lengths)), queries.lengths)
    lost = np.bincount(of_doc, weights=losses)[of_doc]
    if not lost.any():
        return np.zeros(len(ids), dtype=bool)
    least = kernel.least_loss(*_known(queries.p_ner, corrections, settings))
    return (lost > 0) & (least <= lost)


def tokens_to_ask(
    p_ner: np.ndarray, corrections: Votes, settings: Settings
) -> np.ndarray:
    """The tokens whose tag the store's votes could change, and those of entities where
    scores are wanted.

    A tag that cannot change is final. So a token that is not asked and whose best tag
    is `O` is in no entity, unless the tags of its sentence do not fit together:
    then Viterbi needs all of its probabilities, which is not known here.

    p_ner (ndarray): Shape (n_tokens, n_tags).
    corrections (Votes): Per token.
    settings (Settings): `gate`, `scores`, `weight`, `correction_weight`.
    RETURNS (ndarray): Shape (n_tokens,), bool.
    """
    if settings.gate is None:
        return np.ones(len(p_ner), dtype=bool)
    known, outstanding = _known(p_ner, corrections, settings)
    unasked = known + outstanding[:, None] * p_ner  # p, if the store is not asked
    if settings.gate == LOSSLESS:
        asked = kernel.can_change(known, outstanding)
    else:
        asked = kernel.lead(unasked) <= float(settings.gate)
    if settings.scores:
        asked |= unasked.argmax(axis=1) > 0
    return asked


def _known(
    p_ner: np.ndarray, corrections: Votes, settings: Settings
) -> tuple[np.ndarray, np.ndarray]:
    """What the mixture is without the store's votes, and the mass of those."""
    trust = kernel.trust(corrections.nearest, settings.correction_weight)
    outstanding = (1.0 - trust) * kernel.store_weight(p_ner, settings.weight)
    known = (1.0 - trust - outstanding)[:, None] * p_ner
    return known + trust[:, None] * corrections.p_knn, outstanding
