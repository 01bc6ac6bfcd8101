"""Corrections that apply to other words than their own, for new entity types.

nearer.py       where a correction is nearer than the whole store, within a radius
few_shot.py     in texts of the corrections' domain
domain.py       which texts those are
transitions.py  how parts of entities follow each other
"""

import numpy as np

from ...datastore.datastore import Datastore
from ...settings import Settings
from ...types import Corrections, CorrectionVotes, Matches, TokenBatch
from .few_shot import few_shot
from .nearer import nearer


def other_words(
    datastore: Datastore, batch: TokenBatch, settings: Settings
) -> Corrections:
    """Find the corrections that apply, whatever their words.

    datastore (Datastore): With the corrections.
    batch (TokenBatch): The tokens.
    settings (Settings): Of the component: `corrections.other_words_radius` and
        `few_shot.share`, both 0 by default.
    RETURNS (Corrections): Votes per token, and no spans.
    """
    table = datastore.corrections
    # Keys of one number are of words alone, and all the same.
    if not len(table) or not len(batch.keys) or table.keys.tail == (1,):
        return Corrections.none(batch)
    near = nearer(datastore, batch, settings)
    few = few_shot(datastore, batch, settings)
    if not len(few.matches):
        return near
    decided = few.votes.weight > 0
    others = near.matches.where(~decided[near.matches.tokens])
    votes = CorrectionVotes(
        np.where(decided[:, None], few.votes.p, near.votes.p),
        np.where(decided, few.votes.weight, near.votes.weight),
        np.where(decided, few.votes.nearest, near.votes.nearest),
    )
    return Corrections([], Matches.concatenate([others, few.matches]), votes)
