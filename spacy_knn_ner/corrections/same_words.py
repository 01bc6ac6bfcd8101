"""Occurrences: where the words of a text occur in corrections, and in the store."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from ..datastore import distances as metrics
from ..datastore.entries import EntryTable
from ..datastore.index.flat import compare_all
from ..types import TokenBatch
from .phrase_index import PhraseIndex, visible_words

_MOST = 64  # occurrences of a phrase in a table that vote

Words = tuple[str, ...]


def candidate_spans(
    batch: TokenBatch, tags: np.ndarray, phrases: PhraseIndex
) -> dict[Words, np.ndarray]:
    """Find the spans that corrections may apply to: those with the words of a corrected
    entity, and those that are predicted as entities without corrections.

    batch (TokenBatch): The tokens.
    tags (ndarray): Their tags without corrections, shape (n_tokens,).
    phrases (PhraseIndex): Of the corrections.
    RETURNS (dict[tuple[str, ...], ndarray]): Words → their tokens in the batch, shape
        (n_occurrences, n_words).
    """
    found = defaultdict(list)
    start = 0
    for length in batch.lengths:
        text = batch.words[start : start + length]
        visible = visible_words(text)
        words = [text[i] for i in visible]
        spans = set(phrases.entities_in(words))
        of_doc = tags[start : start + length]
        if of_doc.any():
            for first, last, _ in batch.tag_set.spans(of_doc):
                spans.add((bisect_left(visible, first), bisect_left(visible, last)))
        for first, last in sorted(spans):
            if first < last:
                tokens = [start + i for i in visible[first:last]]
                found[tuple(words[first:last])].append(tokens)
        start += length
    return {words: np.array(tokens) for words, tokens in found.items()}


def occurrences(phrases: PhraseIndex, words: Words) -> np.ndarray:
    """Find where words occur in examples that are not removed.

    phrases (PhraseIndex): Of a table.
    words (tuple[str, ...]): In lower case.
    RETURNS (ndarray): `POSTING`s, shape (n, n_words).
    """
    postings = phrases.occurrences(words)
    return postings[~phrases.table.removed[postings["row"]].any(axis=1)]


def evenly(postings: np.ndarray) -> np.ndarray:
    """Take 64 of very many occurrences, evenly.

    postings (ndarray): From `occurrences`.
    RETURNS (ndarray): Shape (1, n, n_words), as for `token_pairs`.
    """
    if len(postings) > _MOST:
        postings = postings[np.linspace(0, len(postings) - 1, _MOST).astype(int)]
    return postings[None]


def nearest(
    tokens: np.ndarray,
    batch: TokenBatch,
    postings: np.ndarray,
    table: EntryTable,
    metric: str,
) -> np.ndarray:
    """Select the 64 nearest occurrences for each token: a frequent word may occur in
    thousands of corrections.

    tokens (ndarray): From `candidate_spans`, shape (n_occurrences, n_words).
    batch (TokenBatch): Their keys. Of several word pieces the first ones are compared.
    postings (ndarray): From `occurrences`.
    table (EntryTable): Of the postings.
    metric (str): One of `distances.METRICS`.
    RETURNS (ndarray): Shape (1 or n_occurrences, n, n_words), as for `token_pairs`.
    """
    if len(postings) <= _MOST:
        return postings[None]
    keys = batch.keys
    first = np.minimum(np.searchsorted(keys.tokens, tokens), len(keys) - 1)
    chosen = []
    for word in range(tokens.shape[1]):
        queries = metrics.to_search_space(keys.vectors[first[:, word]], metric)
        vectors = table.keys.take(postings["row"][:, word])
        blocks = [metrics.to_search_space(vectors, metric)]
        _, ids = compare_all(queries, blocks, _MOST)
        chosen.append(postings[ids, word])
    return np.stack(chosen, axis=-1)


def first_rows(rows: np.ndarray, table: EntryTable) -> np.ndarray:
    """Find the first entries of the same tokens, as in postings: with a key per word
    piece, a token has several entries, one after the other.

    rows (ndarray): Shape (n,).
    table (EntryTable): Of the rows.
    RETURNS (ndarray): Shape (n,).
    """
    entries, first = table.entries.take(rows), rows.copy()
    while True:
        before = table.entries.take(np.maximum(first - 1, 0))
        same = first > 0
        for name in ("example_id", "token"):
            same &= before[name] == entries[name]
        if not same.any():
            return first
        first -= same


def have_same_words(
    pair_tokens: np.ndarray, rows: np.ndarray, tokens: np.ndarray, postings: np.ndarray
) -> np.ndarray:
    """Find the pairs of a token and an entry that `token_pairs` has too.

    pair_tokens, rows (ndarray): The pairs, shape (n,) each.
    tokens (ndarray): From `candidate_spans`, shape (n_occurrences, n_words).
    postings (ndarray): From `occurrences`, shape (n_postings, n_words).
    RETURNS (ndarray): Shape (n,), bool.
    """
    mask = np.zeros(len(pair_tokens), dtype=bool)
    for word in range(tokens.shape[1]):
        mask |= np.isin(pair_tokens, tokens[:, word]) & np.isin(
            rows, postings["row"][:, word]
        )
    return mask


def token_pairs(spans: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Pair each token with every occurrence of its word, once.

    spans (Iterable[tuple[ndarray, ndarray]]): Tokens, shape (n_occurrences, n_words),
        and postings of their words, shape (1 or n_occurrences, n, n_words).
    RETURNS (ndarray): Shape (n_pairs, 3): token, first row, number of rows.
    """
    parts = [np.zeros((0, 3), dtype=np.int64)]
    for tokens, postings in spans:
        columns = np.broadcast_arrays(
            tokens[:, None], postings["row"], postings["n_rows"]
        )
        parts.append(np.stack(columns, axis=-1).reshape(-1, 3))
    return np.unique(np.concatenate(parts), axis=0)
