"""Which corrections speak to a token, and what they say.

A correction is about its words. So it is heard where the same words stand: those of
one of its entities, or those that would come out as an entity without it; and there the
more, the nearer the vectors are, for the same words can mean something else. Others
hear it within `other_words_radius` only, and where it is nearer than all of the store.
Beside it speaks what the store has with the same words, so that one odd annotation does
not outvote what was seen a hundred times.
"""

from dataclasses import dataclass, fields

import numpy as np

from ..datastore import distances as metrics
from ..datastore import kernel
from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.tier import ENTRY, Tier, distinct
from ..ty import Votes
from .mixing import Queries
from .same_words import (
    are_among,
    evenly,
    first_rows,
    nearest_to,
    pairs_of,
    places,
    spans_in,
)
from .settings import Settings

_AT_ONCE = 1 << 12  # pairs of vectors
_SLACK = 1e-9  # equal distances may differ in their last digits
_K = 32  # other words, where every entry of the store votes


@dataclass(frozen=True)
class Heard:
    """Pairs of a token and an entry that speaks to it.

    tokens (ndarray): Shape (n,).
    rows (ndarray): The entry, shape (n,).
    distances (ndarray): Between their vectors, shape (n,), float64.
    same (ndarray): Whether they have the same words, shape (n,), bool.
    stored (ndarray): Whether it is an entry of the store, shape (n,), bool.
    """

    tokens: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    same: np.ndarray
    stored: np.ndarray

    def relative(self, settings: Settings) -> np.ndarray:
        """Distances, as shares of the radius; from 1 on nothing is heard."""
        with np.errstate(divide="ignore", invalid="ignore"):
            others = self.distances / settings.other_words_radius
        others = np.where(settings.other_words_radius > 0, others, np.inf)
        return np.where(self.same, self.distances / settings.radius, others)

    def only(self, chosen: np.ndarray) -> "Heard":
        """Some of them.

        chosen (ndarray): Shape (n,), bool.
        """
        return Heard(*(getattr(self, f.name)[chosen] for f in fields(Heard)))

    def entries(self, datastore: Datastore) -> np.ndarray:
        """What they are, as `tier.ENTRY`s, shape (n,)."""
        found = np.zeros(len(self.rows), dtype=ENTRY)
        for tier, mine in ((CORRECTIONS, ~self.stored), (STORE, self.stored)):
            found[mine] = datastore.tiers[tier].entries.take(self.rows[mine])
        return found

    def sizes(self, datastore: Datastore, settings: Settings) -> np.ndarray:
        """How much each of them says, up to a factor per token; zero where no
        correction is near enough, shape (n,)."""
        relative = self.relative(settings)
        nearest = self._nearest(relative)
        corrected = np.isfinite(self._nearest(np.where(self.stored, np.inf, relative)))
        votes = np.where(self.stored, 1.0, settings.correction_votes)
        votes = votes * self.entries(datastore)["weight"]
        heard = (relative < 1) & corrected
        with np.errstate(invalid="ignore"):
            size = np.exp(-(relative - nearest) / settings.correction_temperature)
        return np.where(heard, votes * size, 0.0)

    def _nearest(self, relative: np.ndarray) -> np.ndarray:
        """Of those that the same token hears, shape (n,); inf beyond the radius."""
        least = np.full(self.tokens.max(initial=-1) + 1, np.inf)
        np.minimum.at(least, self.tokens, np.where(relative < 1, relative, np.inf))
        return least[self.tokens]


def hear(
    datastore: Datastore, queries: Queries, ids: np.ndarray, settings: Settings
) -> Heard:
    """Which corrections speak to which tokens, and what the store has with their words.

    datastore (Datastore): With corrections.
    queries (Queries): The tokens.
    ids (ndarray): Their tags without corrections, shape (n_tokens,).
    settings (Settings): `metric`, `k`, `other_words_radius`.
    RETURNS (Heard): The pairs.
    """
    corrections, phrases = datastore.tiers[CORRECTIONS], datastore.phrases(CORRECTIONS)
    spans = [
        (tokens, words, there)
        for words, tokens in spans_in(queries, ids, phrases).items()
        if len(there := places(corrections, phrases, words))
    ]
    pairs = pairs_of(
        (tokens, nearest_to(tokens, queries, there, corrections, settings.metric))
        for tokens, _, there in spans
    )
    found = _measured(corrections, queries, pairs, settings.metric, stored=False)
    if settings.other_words_radius > 0:
        near = _near(corrections, queries, settings)
        for tokens, _, there in spans:
            near = near.only(~are_among(near.tokens, near.rows, tokens, there))
        if datastore.size(STORE):
            store = datastore.tiers[STORE]
            near = _nearer_than_all(store, near, queries, settings)
        found = _both(found, near)
    if datastore.size(STORE) and spans:
        store, stored = datastore.tiers[STORE], datastore.phrases(STORE)
        others = pairs_of(
            (tokens, evenly(places(store, stored, words))) for tokens, words, _ in spans
        )
        seen = _measured(store, queries, others, settings.metric, stored=True)
        found = _both(found, seen)
    return found


def votes(
    heard: Heard, datastore: Datastore, queries: Queries, settings: Settings
) -> Votes:
    """What the corrections say: equation 3 with distances as shares of the radius, for
    the corrections and the store's entries with the same words.

    heard (Heard), datastore (Datastore), queries (Queries): As for `hear`.
    settings (Settings): `radius`, `other_words_radius`, `correction_temperature`,
        `correction_votes`.
    RETURNS (Votes): Per token, over the queries' tags; `nearest` is a share of the
        radius, of the nearest correction. Whoever hears none has no neighbors.
    """
    n_tokens, n_tags = queries.p_ner.shape
    relative = heard.relative(settings)
    there = (relative < 1) & ~heard.stored
    nearest = np.full(n_tokens, np.inf)
    np.minimum.at(nearest, heard.tokens[there], relative[there])
    distances = np.full(n_tokens, np.inf)
    np.minimum.at(distances, heard.tokens[there], heard.distances[there])
    p = np.zeros((n_tokens, n_tags))
    columns = np.array([queries.tag_set.ids[tag] for tag in datastore.tag_set.tags])
    tags = columns[heard.entries(datastore)["tag"]]
    np.add.at(p, (heard.tokens, tags), heard.sizes(datastore, settings))
    return Votes(kernel.normalized(p), nearest, distances)


def _measured(
    tier: Tier, queries: Queries, pairs: np.ndarray, metric: str, *, stored: bool
) -> Heard:
    """The distances of pairs, as near as any two of their keys are.

    pairs (ndarray): Shape (n, 3): token, first row, number of rows.
    """
    keys = queries.keys.tokens
    first = np.searchsorted(keys, pairs[:, 0])
    n_keys = np.searchsorted(keys, pairs[:, 0], side="right") - first
    alive = ~tier.entries.take(pairs[:, 1])["forgotten"] & (n_keys > 0)
    pairs, first, n_keys = pairs[alive], first[alive], n_keys[alive]
    n = n_keys * pairs[:, 2]
    starts = np.cumsum(n) - n
    of = np.repeat(np.arange(len(pairs)), n)
    i = np.arange(len(of)) - starts[of]
    asked = queries.keys.vectors[first[of] + i // pairs[of, 2]]
    rows = pairs[of, 1] + i % pairs[of, 2]
    distances = np.empty(len(of))
    for j in range(0, len(of), _AT_ONCE):
        part = slice(j, j + _AT_ONCE)
        there = tier.keys.take(rows[part])[:, None]
        distances[part] = metrics.paired(asked[part], there, metric)[:, 0]
    nearest = np.minimum.reduceat(distances, starts) if len(of) else distances
    same, of_store = np.full(len(pairs), True), np.full(len(pairs), stored)
    return Heard(pairs[:, 0], pairs[:, 1], nearest, same, of_store)


def _near(tier: Tier, queries: Queries, settings: Settings) -> Heard:
    """The nearest entries of every token, whatever their words."""
    keys = queries.keys
    k, index = settings.k or _K, settings.tier_index(CORRECTIONS)
    first, back = distinct(keys.vectors)
    found = tier.search(keys.vectors[first], k, metric=settings.metric, index=index)
    found_rows, found_distances = found.rows[back], found.distances[back]
    there = (found_rows >= 0) & (found_distances < settings.other_words_radius)
    tokens = keys.tokens[np.nonzero(there)[0]]
    rows = first_rows(found_rows[there], tier)
    order = np.lexsort((found_distances[there], rows, tokens))
    tokens, rows = tokens[order], rows[order]
    # Once per token, though several of its word pieces may be near.
    new = np.ones(len(tokens), dtype=bool)
    new[1:] = (tokens[1:] != tokens[:-1]) | (rows[1:] != rows[:-1])
    distances = found_distances[there][order][new]
    no = np.zeros(len(distances), dtype=bool)
    return Heard(tokens[new], rows[new], distances, no, no)


def _nearer_than_all(
    tier: Tier, others: Heard, queries: Queries, settings: Settings
) -> Heard:
    """Those that are nearer to their token than every entry of the store."""
    asked = np.zeros(len(queries.p_ner), dtype=bool)
    asked[others.tokens] = True
    keys = queries.of(asked).keys
    metric, index = settings.metric, settings.index
    least = np.full(len(asked), np.inf)
    if len(keys):
        first, back = distinct(keys.vectors)
        found = tier.search(keys.vectors[first], 1, metric=metric, index=index)
        np.minimum.at(least, keys.tokens, found.distances[back, 0])
    return others.only(others.distances < least[others.tokens] - _SLACK)


def _both(one: Heard, other: Heard) -> Heard:
    parts = ([getattr(heard, f.name) for heard in (one, other)] for f in fields(Heard))
    return Heard(*map(np.concatenate, parts))
