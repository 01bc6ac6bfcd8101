"""What a ruler in front has put into `doc.ents` stays there."""

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..tags import SpanTuple

FACTORIES = ("entity_ruler", "future_entity_ruler", "span_ruler")


def rulers_before(nlp: Language, component: Any) -> tuple[list[Any], bool]:
    """The rulers that run before a component and set entities.

    nlp (Language): The pipeline.
    component (Any): One of its components; otherwise there are none.
    RETURNS (tuple[list[Any], bool]): The rulers, and whether nothing else before it is
        known to set entities.
    """
    found: list[Any] = []
    alone = True
    other: Any
    for name, other in nlp.pipeline:
        if other is component:
            return found, alone
        meta = nlp.get_pipe_meta(name)
        if meta.factory in FACTORIES:
            if len(other) and getattr(other, "annotate_ents", True):
                found.append(other)
        elif "doc.ents" in meta.assigns:
            alone = False
    return [], False


def ruled(doc: Doc, rulers: Iterable[Any]) -> list[Span]:
    """The entities of a Doc that rulers have set.

    doc (Doc): After the rulers.
    rulers (Iterable[Any]): See `rulers_before`.
    """
    found = {_said(doc, ruler, match) for ruler in rulers for match in ruler.match(doc)}
    return [ent for ent in doc.ents if (ent.start, ent.end, ent.label_) in found]


def with_ruled(doc: Doc, spans: Iterable[Span], fixed: list[Span]) -> list[Span]:
    """Entities, beside those that rulers have set, which come first.

    doc (Doc): With the entities that were there before.
    spans (Iterable[Span]): Entities that were found otherwise.
    fixed (list[Span]): From `ruled`.
    RETURNS (list[Span]): In order, not overlapping. An entity that was there before
        is the same Span, with its ids.
    """
    there = {(ent.start, ent.end, ent.label): ent for ent in doc.ents}
    taken = {i for ent in fixed for i in range(ent.start, ent.end)}
    free = [span for span in spans if taken.isdisjoint(range(span.start, span.end))]
    found = [there.get((s.start, s.end, s.label), s) for s in free]
    return filter_spans(fixed + found)


def _said(doc: Doc, ruler: Any, match: Any) -> SpanTuple:
    """A match, which is a Span, or an id with bounds."""
    if isinstance(match, Span):
        return match.start, match.end, match.label_
    name, start, end = match
    return start, end, doc.vocab.strings[name].split(ruler.ent_id_sep)[0]
