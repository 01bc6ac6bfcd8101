"""The gate: which tokens need not be looked up in the store?"""

import numpy as np

from ..datastore import kernel
from ..ty import Votes
from .settings import LOSSLESS, Settings


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
    if settings.gate == LOSSLESS:
        asked = kernel.can_change(known, outstanding)
    else:
        asked = kernel.lead(known) <= float(settings.gate) * (1.0 - outstanding)
    if settings.scores:
        asked |= known.argmax(axis=1) > 0
    return asked
