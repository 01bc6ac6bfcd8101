"""The gate: which tokens need not be looked up in the store?"""

from collections.abc import Callable

import numpy as np

from ..datastore import kernel
from ..tags import log_probabilities
from ..ty import Votes
from .mixing import Queries, p_final
from .settings import LOSSLESS, Settings


def gated(
    queries: Queries,
    corrections: Votes,
    settings: Settings,
    ask: Callable[[np.ndarray], Votes],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The tags, and p_final where it is needed for them.

    queries (Queries): The tokens.
    corrections (Votes): Per token.
    settings (Settings): `gate`, `scores`, `decoding`, and those of the mixture.
    ask (Callable[[ndarray], Votes]): The store's votes per token, for the tokens that
        are asked, shape (n_tokens,), bool; the others have no neighbors.
    RETURNS (tuple[ndarray, ndarray, ndarray]): The tags' ids, shape (n_tokens,); p,
        shape (n_tokens, n_tags); and which tokens were asked, shape (n_tokens,). Of the
        others p lacks the store's votes.
    """
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
    settings (Settings): `gate`, `scores`, `weight`, `correction_weight`, `radius`.
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
    trust = kernel.trust(
        corrections.nearest, settings.correction_weight, settings.radius
    )
    outstanding = (1.0 - trust) * kernel.store_weight(p_ner, settings.weight)
    known = (1.0 - trust - outstanding)[:, None] * p_ner
    return known + trust[:, None] * corrections.p_knn, outstanding
