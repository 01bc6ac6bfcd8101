"""Conflicts: which of two contradicting statements counts.

Between corrections of one sentence, when they are added: the later one. What it
contradicts in an earlier one is taken away, entities as a whole (`without_conflicts`;
see revising.py).

Between spans that overlap, when a text is predicted (`without_overlaps`):

1. a correction of this very sentence over those of others; of more of it over less
2. the longer span over the shorter one, where they are of other sentences
3. the later correction over the earlier one

Between a corrected span and a predicted entity that overlaps it and is not the same
(`override`): the correction. The entity gives way as a whole. Entities that rulers in
front have set stay; see reading/rulers.py.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..tags import MISSING, SpanTuple, TagSet
from ..types import (
    AnnotatedText,
    CorrectedSpan,
    Corrections,
    CorrectionVotes,
)

# --- when a text is predicted ----------------------------------------------------


def without_overlaps(spans: Iterable[CorrectedSpan]) -> list[CorrectedSpan]:
    """Choose among overlapping spans.

    spans (Iterable[CorrectedSpan]): Of a batch.
    RETURNS (list[CorrectedSpan]): In order.
    """

    def rank(span: CorrectedSpan) -> tuple[int, int, int, int]:
        length = 0 if span.own_words else span.end - span.start
        return span.own_words, length, span.example_id, -span.start

    taken: set[int] = set()
    chosen = []
    for span in sorted(spans, key=rank, reverse=True):
        tokens = range(span.start, span.end)
        if taken.isdisjoint(tokens):
            taken.update(tokens)
            chosen.append(span)
    return sorted(chosen, key=lambda span: span.start)


def override(
    tags: np.ndarray,
    entities: Iterable[SpanTuple],
    corrections: Corrections,
    tag_set: TagSet,
) -> tuple[np.ndarray, CorrectionVotes]:
    """Set corrected spans, in place of the predicted entities that contradict them.

    tags (ndarray): Predicted without corrections, shape (n_tokens,).
    entities (Iterable[SpanTuple]): The same as entities.
    corrections (Corrections): With spans that do not overlap.
    tag_set (TagSet): The meaning of the tags.
    RETURNS (tuple[ndarray, CorrectionVotes]): The tags with corrections; and the votes
        of all tokens that corrections decide about.
    """
    tags, votes = tags.copy(), corrections.votes
    p, weight, nearest = votes.p.copy(), votes.weight.copy(), votes.nearest.copy()
    span_of = {
        i: span for span in corrections.spans for i in range(span.start, span.end)
    }
    for start, end, _ in entities:
        touched = [span_of[i] for i in range(start, end) if i in span_of]
        for i in range(start, end) if touched else ():
            if i not in span_of:
                tags[i] = 0
                p[i, 0], weight[i] = 1.0, touched[0].weight
                nearest[i] = touched[0].nearest
    for span in corrections.spans:
        length = span.end - span.start
        entity = [(0, length, span.label)] if span.label else []
        tags[span.start : span.end] = tag_set.encode(length, entity)
        for i in range(span.start, span.end):
            if not p[i].any():  # without an entry, as whitespace
                p[i, tags[i]] = 1.0
    return tags, CorrectionVotes(p, weight, nearest)


# --- when corrections are added ----------------------------------------------------


def without_conflicts(earlier: AnnotatedText, later: AnnotatedText) -> AnnotatedText:
    """Take away the annotation that a later correction contradicts: of single tokens,
    and of entities as a whole.

    earlier, later (AnnotatedText): Of the same words.
    RETURNS (AnnotatedText): The earlier one, with more tokens without annotation.
    """
    old, new = _tags(earlier, later)
    wrong = (old != new) & (old != MISSING) & (new != MISSING)
    kept = [e for e in earlier.entities if not wrong[e[0] : e[1]].any()]
    for start, end, _ in earlier.entities:
        wrong[start:end] |= wrong[start:end].any()
    missing = sorted({*earlier.missing, *np.flatnonzero(wrong).tolist()})
    return replace(earlier, entities=kept, missing=missing)


def is_same(earlier: AnnotatedText, later: AnnotatedText) -> bool:
    """Check whether two corrections annotate the same tokens, and alike.

    earlier, later (AnnotatedText): Of the same words.
    """
    old, new = _tags(earlier, later)
    return bool(np.array_equal(old, new))


def _tags(*texts: AnnotatedText) -> list[np.ndarray]:
    tag_set = TagSet("BILUO")
    for text in texts:
        tag_set = tag_set.union([label for _, _, label in text.entities])
    return [tag_set.encode(len(t.words), t.entities, t.missing) for t in texts]
