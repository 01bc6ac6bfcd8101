"""Which corrections speak to a token, and what they say.

A correction is about its words. So it is heard where the same words stand: those of
one of its entities, or those that would come out as an entity without it; and there the
more, the nearer the vectors are, for the same words can mean something else. Others
hear it within `other_words_radius` only.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..datastore import distances as metrics
from ..datastore import kernel
from ..datastore.datastore import CORRECTIONS
from ..datastore.phrases import Phrases, visible_words
from ..datastore.tier import Tier, distinct
from ..tags import TagSet
from ..ty import Votes
from .mixing import Queries
from .settings import Settings

_AT_ONCE = 1 << 12  # pairs of vectors
_K = 32  # other words, where every entry of the store votes


@dataclass(frozen=True)
class Heard:
    """Pairs of a token and an entry of the corrections that speaks to it.

    tokens (ndarray): Shape (n,), ascending.
    rows (ndarray): The entry, shape (n,).
    distances (ndarray): Between their vectors, shape (n,), float64.
    same (ndarray): Whether they have the same words, shape (n,), bool.
    """

    tokens: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    same: np.ndarray

    def relative(self, settings: Settings) -> np.ndarray:
        """Distances, as shares of the radius; from 1 on nothing is heard."""
        with np.errstate(divide="ignore", invalid="ignore"):
            others = self.distances / settings.other_words_radius
        others = np.where(settings.other_words_radius > 0, others, np.inf)
        return np.where(self.same, self.distances / settings.radius, others)


def hear(
    tier: Tier, phrases: Phrases, queries: Queries, ids: np.ndarray, settings: Settings
) -> Heard:
    """Which corrections speak to which tokens.

    tier (Tier): The corrections.
    phrases (Phrases): Their words.
    queries (Queries): The tokens.
    ids (ndarray): Their tags without corrections, shape (n_tokens,).
    settings (Settings): `metric`, `k`, `other_words_radius`.
    RETURNS (Heard): The pairs.
    """
    pairs = np.array(
        sorted(set(_same_words(phrases, queries, ids))), dtype=np.int64
    ).reshape(-1, 3)
    found = _measured(tier, queries, pairs, settings.metric)
    if settings.other_words_radius > 0:
        found = _joined(found, _near(tier, queries, settings))
    return found


def votes(
    heard: Heard, tier: Tier, known: TagSet, queries: Queries, settings: Settings
) -> Votes:
    """What the corrections say: equation 3 with distances as shares of the radius.

    heard (Heard), tier (Tier), queries (Queries): As for `hear`.
    known (TagSet): The tags of the entries.
    settings (Settings): `radius`, `other_words_radius`, `correction_temperature`.
    RETURNS (Votes): Per token, over the queries' tags; `nearest` is a share of the
        radius. Whoever hears nothing has no neighbors.
    """
    n_tokens, n_tags = queries.p_ner.shape
    relative = heard.relative(settings)
    there = relative < 1
    tokens, rows, relative = heard.tokens[there], heard.rows[there], relative[there]
    nearest = np.full(n_tokens, np.inf)
    np.minimum.at(nearest, tokens, relative)
    entries = tier.entries.take(rows)
    size = np.exp(-(relative - nearest[tokens]) / settings.correction_temperature)
    p = np.zeros((n_tokens, n_tags))
    columns = np.array([queries.tag_set.ids[tag] for tag in known.tags])
    np.add.at(p, (tokens, columns[entries["tag"]]), size * entries["weight"])
    return Votes(kernel.normalized(p), nearest)


def _same_words(
    phrases: Phrases, queries: Queries, ids: np.ndarray
) -> Iterator[tuple[int, int, int]]:
    """A token, and the first row and number of rows of a place with its word."""
    found: dict[tuple[int, ...], np.ndarray] = {}
    start = 0
    for length in queries.lengths:
        text = queries.words[start : start + length]
        visible = visible_words(text)
        numbers = phrases.numbers([text[i] for i in visible])
        spans = set(phrases.entities_in(numbers))
        tags = ids[start : start + length]
        if tags.any():
            for first, last, _ in queries.tag_set.spans(tags):
                spans.add((bisect_left(visible, first), bisect_left(visible, last)))
        for first, last in spans:
            words = tuple(numbers[first:last])
            if not words or -1 in words:
                continue
            if words not in found:
                found[words] = phrases.occurrences(words)
            for place in found[words]:
                for i in range(last - first):
                    row, n_rows = int(place[i]["row"]), int(place[i]["n_rows"])
                    yield start + visible[first + i], row, n_rows
        start += length


def _measured(tier: Tier, queries: Queries, pairs: np.ndarray, metric: str) -> Heard:
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
    return Heard(pairs[:, 0], pairs[:, 1], nearest, np.ones(len(pairs), dtype=bool))


def _near(tier: Tier, queries: Queries, settings: Settings) -> Heard:
    """The nearest entries of every token, whatever their words."""
    keys = queries.keys
    k, index = settings.k or _K, settings.tier_index(CORRECTIONS)
    first, back = distinct(keys.vectors)
    found = tier.search(keys.vectors[first], k, metric=settings.metric, index=index)
    found_rows, found_distances = found.rows[back], found.distances[back]
    there = (found_rows >= 0) & (found_distances < settings.other_words_radius)
    tokens, rows = keys.tokens[np.nonzero(there)[0]], found_rows[there]
    order = np.lexsort((found_distances[there], rows, tokens))
    tokens, rows = tokens[order], rows[order]
    # Once per token, though several of its word pieces may be near.
    new = np.ones(len(tokens), dtype=bool)
    new[1:] = (tokens[1:] != tokens[:-1]) | (rows[1:] != rows[:-1])
    distances = found_distances[there][order][new]
    return Heard(tokens[new], rows[new], distances, np.zeros(len(distances), bool))


def _joined(same: Heard, others: Heard) -> Heard:
    """Both; a pair that is in both has the same words."""
    known = set(zip(same.tokens.tolist(), same.rows.tolist(), strict=True))
    pairs = zip(others.tokens.tolist(), others.rows.tolist(), strict=True)
    new = np.array([pair not in known for pair in pairs], dtype=bool)
    parts = [
        np.concatenate([getattr(same, name), getattr(others, name)[new]])
        for name in ("tokens", "rows", "distances", "same")
    ]
    order = np.argsort(parts[0], kind="stable")
    return Heard(*(part[order] for part in parts))
