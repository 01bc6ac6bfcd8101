"""Span F1, as conlleval counts it."""

from collections.abc import Iterable, Sequence

from spacy.scorer import PRFScore
from spacy.tokens import Doc

from ..pipeline.entities import annotated_entities
from ..tags import SpanTuple


def span_prf(golds: Iterable[Doc], found: Iterable[Sequence[SpanTuple]]) -> PRFScore:
    """Micro-averaged precision, recall and F1 over exact, labelled spans.

    As spaCy's scorer does, predictions on tokens that nobody annotated are left
    out, being neither right nor wrong.

    golds (Iterable[Doc]): With entities.
    found (Iterable[Sequence[SpanTuple]]): Predicted entities, per Doc.
    RETURNS (PRFScore): With `.precision`, `.recall`, `.fscore` from 0 to 1.
    """
    score = PRFScore()
    for gold, spans in zip(golds, found, strict=True):
        entities, missing = annotated_entities(gold)
        silent = set(missing)
        judged = {span for span in spans if silent.isdisjoint(range(*span[:2]))}
        score.score_set(judged, set(entities))
    return score


def percent(share: float | None, digits: int = 2) -> str:
    """0.4168 → "41.68"; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def entities(doc: Doc) -> list[SpanTuple]:
    """The entities of a Doc as tuples."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]
