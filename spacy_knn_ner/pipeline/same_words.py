"""Where the words of a text stand in corrections, and in the store: the places that may
speak to its tokens."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from ..datastore import distances as metrics
from ..datastore.exhaustive import compare_all
from ..datastore.phrases import Phrases, visible_words
from ..datastore.tier import Tier
from .mixing import Queries

_MOST = 64  # places of a phrase in a tier that are heard

Words = tuple[str, ...]


def spans_in(
    queries: Queries, ids: np.ndarray, phrases: Phrases
) -> dict[Words, np.ndarray]:
    """Where corrections may speak: where the words of their entities stand, and where
    an entity would be found without them.

    queries (Queries): The tokens.
    ids (ndarray): Their tags without corrections, shape (n_tokens,).
    phrases (Phrases): Of the corrections.
    RETURNS (dict[tuple[str, ...], ndarray]): Words → the tokens, each time that they
        stand there, shape (n_times, n_words).
    """
    found = defaultdict(list)
    start = 0
    for length in queries.lengths:
        text = queries.words[start : start + length]
        visible = visible_words(text)
        words = [text[i] for i in visible]
        spans = set(phrases.entities_in(words))
        tags = ids[start : start + length]
        if tags.any():
            for first, last, _ in queries.tag_set.spans(tags):
                spans.add((bisect_left(visible, first), bisect_left(visible, last)))
        for first, last in sorted(spans):
            if first < last:
                tokens = [start + i for i in visible[first:last]]
                found[tuple(words[first:last])].append(tokens)
        start += length
    return {words: np.array(tokens) for words, tokens in found.items()}


def places(tier: Tier, phrases: Phrases, words: Words) -> np.ndarray:
    """Where words stand in examples that are not forgotten.

    tier (Tier): Whose examples.
    phrases (Phrases): Of the tier.
    words (tuple[str, ...]): In lower case.
    RETURNS (ndarray): `phrases.PLACE`s, shape (n, n_words).
    """
    found = phrases.occurrences(words)
    return found[~tier.entries.take(found["row"])["forgotten"].any(axis=1)]


def evenly(there: np.ndarray) -> np.ndarray:
    """64 of very many places, taken evenly.

    there (ndarray): From `places`.
    RETURNS (ndarray): Shape (1, n, n_words), as for `pairs_of`.
    """
    if len(there) > _MOST:
        there = there[np.linspace(0, len(there) - 1, _MOST).astype(int)]
    return there[None]


def nearest_to(
    tokens: np.ndarray, queries: Queries, there: np.ndarray, tier: Tier, metric: str
) -> np.ndarray:
    """64 of very many places, for every token the nearest: "the" may stand in thousands
    of corrections, and one of these is about its very sentence.

    tokens (ndarray): From `spans_in`, shape (n_times, n_words).
    queries (Queries): Their keys. Of several word pieces the first ones are compared.
    there (ndarray): From `places`.
    tier (Tier): Where that is.
    metric (str): One of `distances.METRICS`.
    RETURNS (ndarray): Shape (1 or n_times, n, n_words), as for `pairs_of`.
    """
    if len(there) <= _MOST:
        return there[None]
    keys = queries.keys
    first = np.minimum(np.searchsorted(keys.tokens, tokens), len(keys) - 1)
    found = []
    for word in range(tokens.shape[1]):
        asked = metrics.to_search_space(keys.vectors[first[:, word]], metric)
        vectors = tier.keys.take(there["row"][:, word])
        blocks = [metrics.to_search_space(vectors, metric)]
        _, nearest = compare_all(asked, blocks, _MOST)
        found.append(there[nearest, word])
    return np.stack(found, axis=-1)


def first_rows(rows: np.ndarray, tier: Tier) -> np.ndarray:
    """The first entries of the same tokens, which is what a place names: with a key per
    word piece, a token has several, one after the other.

    rows (ndarray): Shape (n,).
    tier (Tier): Where they are.
    RETURNS (ndarray): Shape (n,).
    """
    about, first = tier.entries.take(rows), rows.copy()
    while True:
        before = tier.entries.take(np.maximum(first - 1, 0))
        same = first > 0
        for name in ("example_id", "token"):
            same &= before[name] == about[name]
        if not same.any():
            return first
        first -= same


def are_among(
    asked: np.ndarray, rows: np.ndarray, tokens: np.ndarray, there: np.ndarray
) -> np.ndarray:
    """Which pairs of a token and a row are a token with a place of its word.

    asked, rows (ndarray): The pairs, shape (n,) each.
    tokens (ndarray): From `spans_in`, shape (n_times, n_words).
    there (ndarray): From `places`, shape (n_places, n_words).
    RETURNS (ndarray): Shape (n,), bool.
    """
    found = np.zeros(len(asked), dtype=bool)
    for word in range(tokens.shape[1]):
        found |= np.isin(asked, tokens[:, word]) & np.isin(rows, there["row"][:, word])
    return found


def pairs_of(found: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Each token with every place of its word, once.

    found (Iterable[tuple[ndarray, ndarray]]): Tokens, shape (n_times, n_words), and
        places of their words, shape (1 or n_times, n, n_words).
    RETURNS (ndarray): Shape (n_pairs, 3): token, first row, number of rows.
    """
    parts = [np.zeros((0, 3), dtype=np.int64)]
    for tokens, there in found:
        columns = np.broadcast_arrays(tokens[:, None], there["row"], there["n_rows"])
        parts.append(np.stack(columns, axis=-1).reshape(-1, 3))
    return np.unique(np.concatenate(parts), axis=0)
