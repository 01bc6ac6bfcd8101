"""Few-shot: in texts of the corrections' domain (domain.py), corrections vote for all
words, among themselves: the store, where nearly every token is `O`, does not.

p(y) ∝ Σ over corrected tokens of 1[tag = y] · exp(−d/T) / √(number of tokens with y)

A token gets these votes if the best of its tags is one of an entity. The known types
of other tokens stay what they are.
"""

import numpy as np

from ...datastore.datastore import Datastore
from ...datastore.distribution import normalized
from ...settings import Settings
from ...types import Corrections, CorrectionVotes, Matches, TokenBatch
from .domain import in_domain
from .nearer import near_corrections

_MOST = 256  # corrected tokens that vote on a token


def few_shot(
    datastore: Datastore, batch: TokenBatch, settings: Settings
) -> Corrections:
    """Count the votes of corrections in texts of their domain.

    datastore (Datastore): With corrections; without a store there is no other domain to
        tell theirs from, and no votes.
    batch (TokenBatch): The tokens.
    settings (Settings): Of the component: `corrections.few_shot` and `temperature`.
    RETURNS (Corrections): Votes per token, and no spans.
    """
    given, table = settings.corrections, datastore.corrections
    if given.few_shot == 0 or not len(datastore.store):
        return Corrections.none(batch)
    metric, share = settings.metric, given.few_shot
    mask = in_domain(datastore.store, table, batch, metric, share)
    keys = batch.keys.of_tokens(mask)
    if not len(keys):
        return Corrections.none(batch)
    tokens, rows, distances = near_corrections(table, keys, settings, _MOST)
    nearest = np.full(len(batch), np.inf)
    np.minimum.at(nearest, tokens, distances)
    n_tags = len(datastore.tag_set)
    tags = table.tags.array().astype(np.int64)
    counts = np.bincount(tags[~table.removed], minlength=n_tags)
    tags = tags[rows]
    sizes = np.exp(-(distances - nearest[tokens]) / settings.temperature)
    sizes /= np.sqrt(np.maximum(counts[tags], 1))
    p = np.zeros(batch.p_base.shape)
    columns = datastore.tag_set.columns_in(batch.tag_set)
    np.add.at(p, (tokens, columns[tags]), sizes)
    voted = p.argmax(axis=1) > 0
    p[~voted] = 0.0
    votes = voted[tokens]
    no = np.zeros(int(votes.sum()), dtype=bool)
    matches = Matches(
        tokens[votes], rows[votes], distances[votes], sizes[votes], no, no
    )
    weight = np.where(voted, given.weight, 0.0)
    nearest = np.where(voted, nearest, np.inf)
    return Corrections([], matches, CorrectionVotes(normalized(p), weight, nearest))
