"""Few-shot: in texts of the corrections' domain (domain.py), corrections vote for all
words, among themselves: the store, where nearly every token is `O`, does not.

    all      p(y) ∝ Σ over corrected tokens of 1[tag = y] · exp(−d/T) / √n_y
    nearest  p(y) ∝ exp(−d_y/T), d_y the distance of the nearest one with y (NNShot,
             Yang and Katiyar 2020)

n_y is the number of corrected tokens with y. Then the votes are smoothed, so that parts
of entities follow each other as in the store (transitions.py). A token gets these votes
if the best of its tags is one of an entity, so that known types elsewhere stay what
they are.
"""

import numpy as np

from ...datastore.datastore import Datastore
from ...datastore.distribution import normalized
from ...settings import Settings
from ...types import Corrections, CorrectionVotes, Matches, TokenBatch
from .domain import in_domain
from .nearer import near_corrections
from .transitions import abstract_transitions, smoothed

_MOST = 256  # corrected tokens that vote on a token


def few_shot(
    datastore: Datastore, batch: TokenBatch, settings: Settings
) -> Corrections:
    """Count the votes of corrections in texts of their domain.

    datastore (Datastore): With corrections; without a store there is no other domain to
        tell theirs from, and no votes.
    batch (TokenBatch): The tokens.
    settings (Settings): Of the component: `few_shot`, `temperature`, and
        `corrections.weight`.
    RETURNS (Corrections): Votes per token, and no spans.
    """
    given, table = settings.few_shot, datastore.corrections
    if given.share == 0 or not len(datastore.store):
        return Corrections.none(batch)
    metric, tag_set = settings.metric, datastore.tag_set
    mask = in_domain(datastore.store, table, batch, metric, given.share)
    keys = batch.keys.of_tokens(mask)
    if not len(keys):
        return Corrections.none(batch)
    tokens, rows, distances = near_corrections(table, keys, settings, _MOST)
    nearest = np.full(len(batch), np.inf)
    np.minimum.at(nearest, tokens, distances)
    tags = table.tags.array().astype(np.int64)
    counts = np.bincount(tags[~table.removed], minlength=len(tag_set))
    tags = tags[rows]
    sizes = np.exp(-(distances - nearest[tokens]) / settings.temperature)
    found = np.zeros((len(batch), len(tag_set)))
    if given.votes == "nearest":
        np.maximum.at(found, (tokens, tags), sizes)
    else:
        sizes /= np.sqrt(np.maximum(counts[tags], 1))
        np.add.at(found, (tokens, tags), sizes)
    found = normalized(found)
    if given.transitions:
        has = np.asarray(found.any(axis=1))
        lengths = [int(part.sum()) for part in batch.per_doc(has) if part.any()]
        of_states = abstract_transitions(datastore)
        found[has] = smoothed(
            found[has], lengths, tag_set, of_states, given.transitions
        )
    p = np.zeros(batch.p_base.shape)
    p[:, tag_set.columns_in(batch.tag_set)] = found
    voted = p.argmax(axis=1) > 0
    p[~voted] = 0.0
    votes = voted[tokens]
    no = np.zeros(int(votes.sum()), dtype=bool)
    matches = Matches(
        tokens[votes], rows[votes], distances[votes], sizes[votes], no, no
    )
    weight = np.where(voted, settings.corrections.weight, 0.0)
    nearest = np.where(voted, nearest, np.inf)
    return Corrections([], matches, CorrectionVotes(p, weight, nearest))
