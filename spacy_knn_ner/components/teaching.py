"""Teaching: corrections are read, encoded and added, and their texts predicted before
and after."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from spacy.tokens import Doc, Span

from ..corrections.outcome import Added, outcome_of
from ..errors import Errors, KnnNerError
from ..reading.annotations import annotated_text
from ..reading.given import given_docs
from ..reading.rulers import ruler_entities, upstream_rulers
from ..tags import SpanTuple
from ..types import check_unicode
from .annotating import entities_of

if TYPE_CHECKING:
    from .knn_ner import KnnNer


def add(
    knn: "KnnNer", examples: Any, source: str | None, allow_duplicates: bool
) -> Added:
    """Add corrections; see `KnnNer.add`."""
    if source is not None and (not isinstance(source, str) or not source):
        raise KnnNerError(Errors.E057, found=source)
    check_unicode(source or "")
    given = given_docs(knn.nlp, examples, knn.name)
    encoder = knn.memory.encoder
    texts = encoder.with_contexts([annotated_text(doc, knn.name) for doc in given])
    docs = encoder.docs(texts)
    rulers = upstream_rulers(knn.nlp, knn)[0]
    preserved = [ruler_entities(doc, rulers) for doc in docs]
    with knn.memory.lock:
        before = _entities(knn, docs, preserved)
        added = knn.memory.add(
            texts, docs, source=source, allow_duplicates=allow_duplicates
        )
        after = _entities(knn, docs, preserved)
        of_rulers = list(map(_tuples, preserved))
        columns = zip(added, texts, before, after, of_rulers, strict=True)
        return Added([outcome_of(*row, knn.matcher) for row in columns])


def _entities(
    knn: "KnnNer", docs: list[Doc], preserved: list[list[Span]]
) -> list[list[SpanTuple]]:
    """The entities that Docs would get."""
    columns = zip(docs, knn.predict(docs), preserved, strict=True)
    return [_tuples(entities_of(*row)) for row in columns]


def _tuples(spans: list[Span]) -> list[SpanTuple]:
    return [(span.start, span.end, span.label_) for span in spans]


def forget(knn: "KnnNer", examples: Any, source: str | None, text: str | None) -> int:
    """Remove examples; see `KnnNer.forget`."""
    if isinstance(examples, str) and text is None:
        examples, text = None, examples
    if isinstance(examples, int | np.integer):
        examples = [examples]
    if isinstance(examples, str | bytes | Doc | Span) or not isinstance(
        examples, Iterable | None
    ):
        found = type(examples).__name__
        raise KnnNerError(Errors.E056, name=knn.name, found=found)
    if isinstance(examples, Added):
        examples = examples.new_ids
    return knn.memory.forget(examples, source=source, text=text)
