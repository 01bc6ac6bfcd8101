"""Entities that a ruler in front has set into `doc.ents` stay there."""

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..tags import SpanTuple

FACTORIES = ("entity_ruler", "future_entity_ruler", "span_ruler")


def upstream_rulers(nlp: Language, component: Any) -> tuple[list[Any], bool]:
    """Find the rulers that run before a component and set entities.

    nlp (Language): The pipeline.
    component (Any): One of its components; otherwise there are none.
    RETURNS (tuple[list[Any], bool]): The rulers, and whether nothing else before the
        component is known to set entities.
    """
    rulers: list[Any] = []
    alone = True
    for name, other in nlp.pipeline:
        if other is component:
            return rulers, alone
        meta = nlp.get_pipe_meta(name)
        if meta.factory in FACTORIES:
            ruler: Any = other
            if len(ruler) and getattr(ruler, "annotate_ents", True):
                rulers.append(ruler)
        elif "doc.ents" in meta.assigns:
            alone = False
    return [], False


def ruler_entities(doc: Doc, rulers: Iterable[Any]) -> list[Span]:
    """Find the entities of a Doc that rulers have set.

    doc (Doc): After the rulers.
    rulers (Iterable[Any]): See `upstream_rulers`.
    """
    spans = {
        _span_of(doc, ruler, match) for ruler in rulers for match in ruler.match(doc)
    }
    return [ent for ent in doc.ents if (ent.start, ent.end, ent.label_) in spans]


def merge_spans(doc: Doc, spans: Iterable[Span], preserved: list[Span]) -> list[Span]:
    """Merge predicted entities with those that rulers have set, which come first.

    doc (Doc): With the entities that were there before.
    spans (Iterable[Span]): The predicted entities.
    preserved (list[Span]): From `ruler_entities`.
    RETURNS (list[Span]): In order, not overlapping. An entity that was there before is
        the same Span, with its ids.
    """
    before = {(ent.start, ent.end, ent.label): ent for ent in doc.ents}
    taken = {i for ent in preserved for i in range(ent.start, ent.end)}
    free = [span for span in spans if taken.isdisjoint(range(span.start, span.end))]
    kept = [before.get((s.start, s.end, s.label), s) for s in free]
    return filter_spans(preserved + kept)


def _span_of(doc: Doc, ruler: Any, match: Any) -> SpanTuple:
    """A match is a Span, or an id with bounds."""
    if isinstance(match, Span):
        return match.start, match.end, match.label_
    name, start, end = match
    return start, end, doc.vocab.strings[name].split(ruler.ent_id_sep)[0]
