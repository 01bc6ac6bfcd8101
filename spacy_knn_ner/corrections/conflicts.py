"""Conflicts: which of two corrections of the same words counts. The later one does."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..datastore.datastore import CORRECTIONS, Datastore
from ..tags import MISSING, TagSet
from ..types import AnnotatedText, TokenKeys


def add_corrections(
    datastore: Datastore,
    texts: Sequence[AnnotatedText],
    keys: Sequence[TokenKeys],
    *,
    source: str | None = None,
) -> list[int]:
    """Add corrections, each of them once.

    A correction that exists already is not added again. Earlier ones of the same words
    lose the annotation that it contradicts, and are forgotten if none is left.

    datastore (Datastore): Is changed.
    texts, keys, source: As for `Datastore.add`.
    RETURNS (list[int]): The examples' ids, in order.
    RAISES (KnnNerError): As for `Datastore.add`; then nothing is changed.
    """
    datastore.checked(texts, keys)
    ids: list[int] = []
    for text, key in zip(texts, keys, strict=True):
        new, forgotten = None, []
        for earlier in datastore.examples.corrections_of(text):
            if is_same(earlier.annotated, text):
                new = earlier.example_id if new is None else new
            elif not _revise(datastore, earlier.example_id, earlier.annotated, text):
                forgotten.append(earlier.example_id)
        if new is None:
            new = datastore.add([text], [key], part=CORRECTIONS, source=source)[0]
        ids = [new if i in forgotten else i for i in ids] + [new]
    return ids


def _revise(
    datastore: Datastore, example_id: int, earlier: AnnotatedText, later: AnnotatedText
) -> bool:
    """Take away what a later correction contradicts. Returns whether anything is
    left."""
    left = without_conflicts(earlier, later)
    if left.missing == earlier.missing:
        return True
    if len(left.missing) == len(left.words):
        datastore.forget([example_id])
        return False
    datastore.replace_annotation(example_id, left)
    return True


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
