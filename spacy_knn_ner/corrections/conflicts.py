"""Conflicts: which of two contradicting statements counts.

Between corrections of one sentence, when they are added: the later one. What it
contradicts in an earlier one is taken away, entities as a whole.

Between spans that overlap, when a text is predicted (`without_overlaps`):

1. a correction of this very sentence over those of others; of more of it over less
2. the longer span over the shorter one, where they are of other sentences
3. the later correction over the earlier one

Between a corrected span and a predicted entity that overlaps it and is not the same
(`override`): the correction. The entity gives way as a whole. Entities that rulers in
front have set stay; see reading/rulers.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..datastore.datastore import CORRECTIONS, Datastore
from ..tags import MISSING, SpanTuple, TagSet
from ..types import (
    AnnotatedText,
    CorrectedSpan,
    Corrections,
    CorrectionVotes,
    StoredExample,
    TokenKeys,
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


@dataclass(frozen=True)
class Addition:
    """A correction that was added.

    example_id (int): Its id.
    is_new (bool): Whether it was added; otherwise it existed already.
    revised (tuple[StoredExample, ...]): Earlier corrections that lost annotation, as
        they were.
    """

    example_id: int
    is_new: bool
    revised: tuple[StoredExample, ...] = ()


def add_corrections(
    datastore: Datastore,
    texts: Sequence[AnnotatedText],
    keys: Sequence[TokenKeys],
    *,
    source: str | None = None,
) -> list[Addition]:
    """Add corrections, each of them once.

    A correction that exists already is not added again. Earlier ones of the same words
    lose the annotation that it contradicts, and are forgotten if none is left.

    datastore (Datastore): Is changed.
    texts, keys, source: As for `Datastore.add`.
    RETURNS (list[Addition]): What was added, in order.
    RAISES (KnnNerError): As for `Datastore.add`; then nothing is changed.
    """
    datastore.checked(texts, keys)
    additions: list[Addition] = []
    for text, key in zip(texts, keys, strict=True):
        same, revised, forgotten = None, [], set[int]()
        for earlier in datastore.examples.corrections_of(text):
            if is_same(earlier.annotated, text):
                same = earlier.example_id if same is None else same
                continue
            left = without_conflicts(earlier.annotated, text)
            if left.missing == earlier.annotated.missing:
                continue
            revised.append(earlier)
            if len(left.missing) == len(left.words):
                datastore.forget([earlier.example_id])
                forgotten.add(earlier.example_id)
            else:
                datastore.replace_annotation(earlier.example_id, left)
        new = same
        if new is None:
            new = datastore.add([text], [key], part=CORRECTIONS, source=source)[0]
        additions = [
            replace(a, example_id=new) if a.example_id in forgotten else a
            for a in additions
        ]
        additions.append(Addition(new, same is None, tuple(revised)))
    return additions


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
