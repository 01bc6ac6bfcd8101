"""The gate: which tokens need not be looked up in the store?"""

from collections.abc import Callable

import numpy as np

from ..datastore import kernel
from ..ty import Votes
from .mixing import Queries, p_final
from .settings import LOSSLESS, Settings


def gated(
    queries: Queries,
    corrections: Votes,
    settings: Settings,
    ask: Callable[[np.ndarray], Votes],
) -> tuple[np.ndarray, np.ndarray]:
    """p_final, where it is needed.

    queries (Queries): The tokens.
    corrections (Votes): Per token.
    settings (Settings): `gate`, `scores`, `decoding`, and those of the mixture.
    ask (Callable[[ndarray], Votes]): The store's votes per token, for the tokens that
        are asked, shape (n_tokens,), bool; the others have no neighbors.
    RETURNS (tuple[ndarray, ndarray]): Shape (n_tokens, n_tags), and which tokens were
        asked, shape (n_tokens,); of the others p only has the best tag.
    """
    asked = tokens_to_ask(queries.p_ner, corrections, settings)
    p = p_final(queries.p_ner, ask(asked), corrections, settings)
    if settings.decoding == "viterbi":
        invalid = queries.tag_set.invalid(p.argmax(axis=1), queries.lengths)
        of_doc = np.repeat(np.arange(len(queries.lengths)), queries.lengths)
        rest = np.isin(of_doc, invalid) & ~asked
        if rest.any():
            more = p_final(queries.p_ner, ask(rest), corrections, settings)
            p[rest] = more[rest]
            asked |= rest
    return p, asked


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
    trust = kernel.trust(
        corrections.nearest, settings.correction_weight, settings.radius
    )
    # What the mixture is without the store's part, whose mass is outstanding.
    outstanding = (1.0 - trust) * settings.weight
    known = (1.0 - trust - outstanding)[:, None] * p_ner
    known += trust[:, None] * corrections.p_knn
    unasked = known + outstanding[:, None] * p_ner  # p, if the store is not asked
    if settings.gate == LOSSLESS:
        asked = kernel.can_change(known, outstanding)
    else:
        asked = kernel.lead(unasked) <= float(settings.gate)
    if settings.scores:
        asked |= unasked.argmax(axis=1) > 0
    return asked
