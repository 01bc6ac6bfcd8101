"""The entities of a whole corpus as arrays, so that a thousand settings are scored in
the time of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from spacy.scorer import PRFScore
from spacy.tokens import Doc

from ..errors import Errors, KnnNerError
from ..reading.annotations import annotated_entities
from ..tags import SpanTuple, TagSet, split_tag


@dataclass(frozen=True)
class Spans:
    """Entities, in order. Tokens are counted through all Docs.

    starts, ends (ndarray): First token and the token after the last, shape (n,).
    labels (ndarray): Positions in the corpus's list of labels, shape (n,).
    """

    starts: np.ndarray
    ends: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def where(self, chosen: np.ndarray) -> "Spans":
        """Select entities.

        chosen (ndarray): Shape (n,), bool.
        """
        return Spans(self.starts[chosen], self.ends[chosen], self.labels[chosen])


class Corpus:
    """The gold entities of some Docs, for comparison with predicted ones.

    labels (list[str]): All labels.
    gold (Spans): The gold entities.
    doc_of (ndarray): The Doc of each token.
    unannotated (ndarray): Tokens without annotation, bool.
    """

    def __init__(self, docs: Sequence[Doc], tag_set: TagSet) -> None:
        """docs (Sequence[Doc]): With entities.
        tag_set (TagSet): The tags that can be predicted.
        RAISES (KnnNerError): If none of their tokens is annotated.
        """
        self.docs = docs
        self.lengths = np.array([len(doc) for doc in docs], dtype=np.int64)
        self.offsets = np.cumsum(self.lengths) - self.lengths
        self.doc_of = np.repeat(np.arange(len(docs)), self.lengths)
        annotations = [annotated_entities(doc) for doc in docs]
        found = {label for spans, _ in annotations for _, _, label in spans}
        self.labels = [*tag_set.labels, *sorted(found - set(tag_set.labels))]
        ids = {label: i for i, label in enumerate(self.labels)}
        rows = [
            (offset + start, offset + end, ids[label])
            for (spans, _), offset in zip(annotations, self.offsets, strict=True)
            for start, end, label in spans
        ]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self.gold = Spans(*table.T)
        n = int(self.lengths.sum())
        self.unannotated = np.zeros(n, dtype=bool)
        for (_, missing), offset in zip(annotations, self.offsets, strict=True):
            self.unannotated[[offset + i for i in missing]] = True
        if self.unannotated.all():
            raise KnnNerError(Errors.E067)
        self._unannotated_before = np.append(0, np.cumsum(self.unannotated))
        visible = np.array([not token.is_space for doc in docs for token in doc], bool)
        # The first visible token from here on, and the last one up to here.
        places = np.arange(n)
        later = np.where(visible, places, n)
        self._next = np.minimum.accumulate(later[::-1])[::-1]
        self._last = np.maximum.accumulate(np.where(visible, places, -1))
        self._gold_codes = np.sort(self.code(self.gold))

    def spans(self, ids: np.ndarray, tag_set: TagSet) -> Spans:
        """Decode entities from tags, without whitespace at their ends and without those
        on tokens without annotation.

        ids (ndarray): From `decode`.
        tag_set (TagSet): Their meaning; its labels come first in `self.labels`.
        """
        opens, closes, goes_on, labels = _parts(tag_set)
        starts = np.flatnonzero(opens[ids])
        is_last = closes[ids]
        if tag_set.scheme == "BIO":
            is_last[:-1] &= ~goes_on[ids[1:]]
        ends = self._last[np.flatnonzero(is_last)] + 1
        found = Spans(self._next[starts], ends, labels[ids[starts]])
        found = found.where(found.starts < found.ends)
        before = self._unannotated_before
        return found.where(before[found.starts] == before[found.ends])

    def overlapping(self, spans: Spans, start: int, end: int) -> list[SpanTuple]:
        """List the entities that overlap a range of tokens.

        spans (Spans): All entities.
        start, end (int): First token of the range, and the token after its last,
            counted through all Docs.
        RETURNS (list[SpanTuple]): With tokens counted in the Doc.
        """
        offset = int(self.offsets[self.doc_of[start]])
        there = spans.where((spans.starts < end) & (spans.ends > start))
        rows = zip(there.starts, there.ends, there.labels, strict=True)
        return [(int(a) - offset, int(b) - offset, self.labels[x]) for a, b, x in rows]

    def code(self, spans: Spans) -> np.ndarray:
        """Encode each entity as a number, equal for equal ones."""
        n = len(self.doc_of) + 1
        return (spans.starts * n + spans.ends) * len(self.labels) + spans.labels

    def is_correct(self, spans: Spans) -> np.ndarray:
        """Find the predicted entities that are gold entities, shape (n,), bool."""
        return np.isin(self.code(spans), self._gold_codes, assume_unique=True)

    def score(self, spans: Spans) -> PRFScore:
        """Compute precision, recall and F1 of predicted entities, as `span_prf`
        does."""
        tp = int(self.is_correct(spans).sum())
        return PRFScore(tp=tp, fp=len(spans) - tp, fn=len(self.gold) - tp)

    def boundaries_correct(self, spans: Spans) -> np.ndarray:
        """Find the predicted entities with the boundaries of a gold one, whatever their
        label."""
        n = len(self.doc_of) + 1
        gold = self.gold.starts * n + self.gold.ends
        return np.isin(spans.starts * n + spans.ends, gold)

    def per_doc(self, spans: Spans, chosen: np.ndarray | None = None) -> np.ndarray:
        """Count entities per Doc, shape (n_docs,).

        spans (Spans): Predicted or gold ones.
        chosen (ndarray | None): Count only these, shape (n,), bool.
        """
        docs = self.doc_of[spans.starts if chosen is None else spans.starts[chosen]]
        return np.bincount(docs, minlength=len(self.docs))


@lru_cache(maxsize=16)
def _parts(tag_set: TagSet) -> tuple[np.ndarray, ...]:
    """Of every tag: whether it opens an entity, whether it can be its last one,
    whether it goes on with one; and the number of its label."""
    split = [split_tag(tag) for tag in tag_set.tags]
    prefixes = np.array([prefix for prefix, _ in split])
    ids = {label: i for i, label in enumerate(tag_set.labels)}
    labels = np.array([ids.get(label, -1) for _, label in split])
    last = ("L", "U") if tag_set.scheme == "BILUO" else ("B", "I")
    goes_on = np.isin(prefixes, ["I", "L"])
    return np.isin(prefixes, ["B", "U"]), np.isin(prefixes, last), goes_on, labels
