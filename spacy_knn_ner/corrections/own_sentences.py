"""Own sentences: where the sentence of a correction itself occurs, everything that was
annotated in it holds."""

from collections.abc import Iterable, Iterator

import numpy as np

from ..datastore import distances as metrics
from ..datastore.datastore import Datastore
from ..settings import Settings
from ..types import AnnotatedText, CorrectedSpan, Matches, TokenBatch
from .capitals import ends_sentence
from .phrase_index import PhraseIndex
from .taught import Sentence, WordIds
from .texts import VisibleText, visible_text


def own_sentences(
    texts: Iterable[tuple[VisibleText, WordIds]],
    batch: TokenBatch,
    datastore: Datastore,
    phrases: PhraseIndex,
    settings: Settings,
) -> Iterator[tuple[CorrectedSpan, Matches]]:
    """Find the spans that were annotated in the sentences of a batch: entities, and
    single tokens that are none.

    A sentence may be a part of a Doc, if it stands by itself there: "York" that was
    taught says nothing of "New York", nor "Washington was tall." of "George Washington
    was tall."

    texts (Iterable[tuple[VisibleText, WordIds]]): Of the batch, with their words' ids.
    batch (TokenBatch): The tokens.
    datastore (Datastore): With the corrections.
    phrases (PhraseIndex): Of the corrections.
    settings (Settings): Of the component.
    YIELDS (tuple[CorrectedSpan, Matches]): The spans, and the entries of their tokens.
    """
    for text, ids in texts:
        removed = phrases.table.removed
        for first, sentence in phrases.taught.sentences_in(ids, removed):
            given = datastore.example(sentence.example_id).annotated
            own = visible_text(given.words)
            last = first + len(own)
            same = text.words[first:last] == own.words
            if same and _is_by_itself(text, first, last):
                here = text.tokens[first:last]
                token_of = dict(zip(own.tokens, here, strict=True))
                yield from _spans(given, sentence, token_of, batch, phrases, settings)


def _is_by_itself(text: VisibleText, first: int, last: int) -> bool:
    """Whether words begin and end where a sentence or a line does."""
    start, end = text.line(first, last)
    words = text.words
    begins = first == start or ends_sentence(words[first - 1])
    return begins and (last == end or ends_sentence(words[last - 1]))


def _spans(
    text: AnnotatedText,
    sentence: Sentence,
    token_of: dict[int, int],
    batch: TokenBatch,
    phrases: PhraseIndex,
    settings: Settings,
) -> Iterator[tuple[CorrectedSpan, Matches]]:
    """What is annotated in a sentence that occurs in a batch."""
    others = {i for start, end, _ in text.entities for i in range(start, end)}
    others.update(text.missing)
    outside = [i for i in token_of if i not in others]
    for start, end, label in [*text.entities, *((i, i + 1, "") for i in outside)]:
        own = [i for i in range(start, end) if i in token_of]
        if own:
            rows = {
                token_of[i]: sentence.row_of[i] for i in own if i in sentence.row_of
            }
            matches = _matches(rows, batch, phrases, settings.metric)
            span = CorrectedSpan(
                start=token_of[own[0]],
                end=token_of[own[-1]] + 1,
                label=label,
                weight=settings.corrections.weight,
                nearest=float(matches.distances.mean()) if rows else 0.0,
                example_id=sentence.example_id,
                own_words=len(token_of),
            )
            yield span, matches


def _matches(
    rows: dict[int, int], batch: TokenBatch, phrases: PhraseIndex, metric: str
) -> Matches:
    """Pairs of tokens with their own entries; by the first of a token's keys."""
    tokens = np.array([*rows], dtype=np.int64)
    entries = np.array([*rows.values()], dtype=np.int64)
    distances = np.zeros(len(rows))
    first = np.searchsorted(batch.keys.tokens, tokens)
    has_key = first < np.searchsorted(batch.keys.tokens, tokens, side="right")
    if has_key.any():
        queries = batch.keys.vectors[first[has_key]]
        keys = phrases.table.keys.take(entries[has_key])
        found = metrics.paired(queries, keys[:, None, :], metric)
        distances[has_key] = found[:, 0]
    same, in_store = np.ones(len(rows), bool), np.zeros(len(rows), bool)
    return Matches(tokens, entries, distances, np.ones(len(rows)), same, in_store)
