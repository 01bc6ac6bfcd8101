"""Occurrences: the spans of a text that corrections may apply to, and how far their
words are from the same words elsewhere."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import itemgetter

import numpy as np

from ..datastore import distances as metrics
from ..datastore.entries import EntryTable
from ..datastore.index.flat import compare_all
from ..tags import SpanTuple
from ..types import TokenBatch
from .phrase_index import PhraseIndex
from .taught import WordIds
from .texts import VisibleText

_AT_ONCE = 4096  # pairs of vectors that are compared
_SURE = 0.9  # probability of every token's tag
_MOST = 64  # occurrences of a phrase in a table that vote


@dataclass(frozen=True)
class Candidate:
    """A span that corrections may apply to.

    text (list[str]): The words of its line, without whitespace.
    start, end (int): Its words there.
    tokens (ndarray): Their tokens in the batch, shape (n_words,).
    entity (SpanTuple | None): What is predicted here: these words, or these and more,
        and the label.
    is_sure (bool): Whether the components in front are sure of that entity.
    """

    text: list[str]
    start: int
    end: int
    tokens: np.ndarray
    entity: SpanTuple | None = None
    is_sure: bool = False

    @cached_property
    def lower(self) -> tuple[str, ...]:
        """Its words in lower case."""
        return tuple(word.lower() for word in self.text[self.start : self.end])


def candidates(
    texts: Iterable[tuple[VisibleText, WordIds]],
    batch: TokenBatch,
    tags: np.ndarray,
    phrases: PhraseIndex,
) -> Iterator[Candidate]:
    """Find the spans that corrections may apply to: those with the words of a phrase
    that was taught, and those that are predicted as entities without corrections.

    texts (Iterable[tuple[VisibleText, WordIds]]): Of the batch, with their words' ids.
    batch (TokenBatch): The tokens.
    tags (ndarray): Their tags without corrections, shape (n_tokens,).
    phrases (PhraseIndex): Of the corrections.
    YIELDS (Candidate): Each span once.
    """
    starts = np.cumsum([0, *batch.lengths]).tolist()
    for (start, end), (text, ids) in zip(pairwise(starts), texts, strict=True):
        spans = set(phrases.taught.phrases_in(ids, phrases.table.removed))
        predicted = []
        of_doc = tags[start:end]
        for first, last, label in batch.tag_set.spans(of_doc) if of_doc.any() else ():
            place = text.position(start + first), text.position(start + last)
            predicted.append((*place, label))
            if phrases.may_have(ids[slice(*place)]):
                spans.add(place)
        for first, last in sorted(spans):
            if first < last:
                entity = _entity_with(predicted, first, last)
                is_sure = False
                if entity and entity[:2] != (first, last):
                    inside = text.tokens[entity[0] : entity[1]]
                    is_sure = bool((batch.p_base[inside, tags[inside]] >= _SURE).all())
                yield _candidate(text, first, last, entity, is_sure)


def _candidate(
    text: VisibleText,
    first: int,
    last: int,
    entity: SpanTuple | None,
    is_sure: bool,
) -> Candidate:
    tokens = np.array(text.tokens[first:last], dtype=np.int64)
    start, end = text.line(*(entity[:2] if entity else (first, last)))
    if entity:
        entity = entity[0] - start, entity[1] - start, entity[2]
    words, first, last = text.words[start:end], first - start, last - start
    return Candidate(words, first, last, tokens, entity, is_sure)


def _entity_with(entities: list[SpanTuple], first: int, last: int) -> SpanTuple | None:
    """The one that has these words, of entities in order."""
    i = bisect_right(entities, first, key=itemgetter(0)) - 1
    return entities[i] if i >= 0 and entities[i][1] >= last else None


def nearest_occurrences(
    postings: np.ndarray,
    table: EntryTable,
    batch: TokenBatch,
    tokens: np.ndarray,
    metric: str,
) -> np.ndarray:
    """Select the 64 occurrences whose first word is nearest: a frequent word may occur
    thousands of times.

    postings (ndarray): From `PhraseIndex.occurrences`, shape (n, n_words).
    table (EntryTable): Of the postings.
    batch (TokenBatch): With the keys of the tokens.
    tokens (ndarray): Of a candidate, shape (n_words,).
    metric (str): One of `distances.METRICS`.
    RETURNS (ndarray): Shape (at most 64, n_words).
    """
    first = int(np.searchsorted(batch.keys.tokens, tokens[0]))
    if len(postings) <= _MOST or first == len(batch.keys):
        return postings[:_MOST]
    query = metrics.to_search_space(batch.keys.vectors[first : first + 1], metric)
    vectors = metrics.to_search_space(table.keys.take(postings["row"][:, 0]), metric)
    _, chosen = compare_all(query, [vectors], _MOST)
    return postings[np.sort(chosen[0])]


def token_distances(
    postings: np.ndarray,
    table: EntryTable,
    batch: TokenBatch,
    tokens: np.ndarray,
    metric: str,
) -> np.ndarray:
    """Compute the distances between words and their occurrences: of the nearest two of
    their keys.

    postings, table, batch, metric: As for `nearest_occurrences`.
    tokens (ndarray): The tokens that they are compared with, shape (n, n_words).
    RETURNS (ndarray): Shape (n, n_words), float64; NaN for a word without a key.
    """
    distances = np.full(postings.size, np.nan)
    first = np.searchsorted(batch.keys.tokens, tokens.ravel())
    n_keys = np.searchsorted(batch.keys.tokens, tokens.ravel(), side="right") - first
    rows, n_rows = postings["row"].ravel(), postings["n_rows"].ravel()
    # Every key of a word with every entry of its occurrence, in pieces.
    n_pairs = n_keys * n_rows
    ends = np.cumsum(n_pairs)
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _AT_ONCE, "right")))
        words = start + np.flatnonzero(n_pairs[start:stop])
        sizes = n_pairs[words]
        if len(words):
            of = np.repeat(words, sizes)
            starts = np.cumsum(sizes) - sizes
            key, row = np.divmod(
                np.arange(len(of)) - np.repeat(starts, sizes), n_rows[of]
            )
            queries = batch.keys.vectors[first[of] + key]
            vectors = table.keys.take(rows[of] + row)
            found = metrics.paired(queries, vectors[:, None], metric)[:, 0]
            distances[words] = np.minimum.reduceat(found, starts)
        start = stop
    return distances.reshape(postings.shape)
