"""Nearer: corrections that apply where they are nearer than the whole store, and within
`corrections.other_words_radius`.
"""

import numpy as np

from ...datastore.datastore import Datastore
from ...datastore.distances import distinct
from ...datastore.distribution import normalized
from ...datastore.entries import EntryTable
from ...settings import Settings
from ...types import Corrections, CorrectionVotes, Matches, TokenBatch, TokenKeys

_SLACK = 1e-9  # equal distances may differ in their last digits
_K = 32  # neighbors, where every entry of the store votes


def nearer(datastore: Datastore, batch: TokenBatch, settings: Settings) -> Corrections:
    """Find the corrections that are near, and nearer than the store.

    datastore (Datastore): With corrections.
    batch (TokenBatch): The tokens.
    settings (Settings): Of the component.
    RETURNS (Corrections): Votes per token, and no spans.
    """
    given = settings.corrections
    table, radius = datastore.corrections, given.other_words_radius
    if radius == 0:
        return Corrections.none(batch)
    k = settings.k or _K
    tokens, rows, distances = near_corrections(table, batch.keys, settings, k)
    inside = distances < radius
    tokens, rows, distances = tokens[inside], rows[inside], distances[inside]
    nearer = distances < _store_distances(datastore, batch, tokens, settings) - _SLACK
    tokens, rows, distances = tokens[nearer], rows[nearer], distances[nearer]
    nearest = np.full(len(batch), np.inf)
    np.minimum.at(nearest, tokens, distances)
    sizes = np.exp(-(distances - nearest[tokens]) / (radius * given.temperature))
    no = np.zeros(len(tokens), dtype=bool)
    matches = Matches(tokens, rows, distances, sizes, no, no)
    p = np.zeros(batch.p_base.shape)
    columns = datastore.tag_set.columns_in(batch.tag_set)
    np.add.at(p, (tokens, columns[table.tags.take(rows)]), sizes)
    weight = given.weight * np.maximum(0.0, 1.0 - nearest / radius)
    return Corrections([], matches, CorrectionVotes(normalized(p), weight, nearest))


def near_corrections(
    table: EntryTable, keys: TokenKeys, settings: Settings, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the nearest corrections of every token.

    table (EntryTable): The corrections.
    keys (TokenKeys): Of the tokens.
    settings (Settings): Of the component.
    k (int): How many per key.
    RETURNS (tuple[ndarray, ndarray, ndarray]): Pairs, ordered by token: the token, the
        first row of the corrected token, and the distance.
    """
    first, back = distinct(keys.vectors)
    found = table.search(keys.vectors[first], k, metric=settings.metric)
    found_rows, found_distances = found.rows[back], found.distances[back]
    mask = found_rows >= 0
    tokens = keys.tokens[np.nonzero(mask)[0]]
    rows = _first_rows(found_rows[mask], table)
    order = np.lexsort((found_distances[mask], rows, tokens))
    tokens, rows = tokens[order], rows[order]
    # Once per token, though several of its word pieces may be near.
    new = np.ones(len(tokens), dtype=bool)
    new[1:] = (tokens[1:] != tokens[:-1]) | (rows[1:] != rows[:-1])
    return tokens[new], rows[new], found_distances[mask][order][new]


def _first_rows(rows: np.ndarray, table: EntryTable) -> np.ndarray:
    """The first entries of the same tokens: with a key per word piece, a token has
    several entries, one after the other."""
    entries, first = table.entries.take(rows), rows.copy()
    while True:
        before = table.entries.take(np.maximum(first - 1, 0))
        same = first > 0
        for name in ("example_id", "token"):
            same &= before[name] == entries[name]
        if not same.any():
            return first
        first -= same


def _store_distances(
    datastore: Datastore, batch: TokenBatch, tokens: np.ndarray, settings: Settings
) -> np.ndarray:
    """Distance of the nearest entry of the store from each of some tokens."""
    mask = np.zeros(len(batch), dtype=bool)
    mask[tokens] = True
    keys = batch.keys.of_tokens(mask)
    least = np.full(len(mask), np.inf)
    if len(keys) and len(datastore.store):
        first, back = distinct(keys.vectors)
        metric = settings.metric
        found = datastore.store.search(keys.vectors[first], 1, metric=metric)
        np.minimum.at(least, keys.tokens, found.distances[back, 0])
    return least[tokens]
