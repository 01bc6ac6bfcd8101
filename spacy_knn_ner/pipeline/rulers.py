"""What a ruler in front has put into `doc.ents` stays there."""

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.util import filter_spans

FACTORIES = ("entity_ruler", "future_entity_ruler", "span_ruler")


def rulers_before(nlp: Language, component: Any) -> list[Any]:
    """The rulers that run before a component.

    nlp (Language): The pipeline.
    component (Any): One of its components; otherwise there are none.
    """
    found: list[Any] = []
    other: Any
    for name, other in nlp.pipeline:
        if other is component:
            return found
        if nlp.get_pipe_meta(name).factory in FACTORIES and len(other):
            found.append(other)
    return []


def with_rulers(doc: Doc, spans: Iterable[Span], rulers: Iterable[Any]) -> list[Span]:
    """Entities, beside those that rulers have set, which come first.

    doc (Doc): With the rulers' entities, as far as nobody replaced them.
    spans (Iterable[Span]): Entities that were found otherwise.
    rulers (Iterable[Any]): See `rulers_before`.
    RETURNS (list[Span]): In order, not overlapping. An entity that was there before
        is the same Span, with its ids.
    """
    there = {(ent.start, ent.end, ent.label): ent for ent in doc.ents}
    bounds = {_bounds(match) for ruler in rulers for match in ruler.match(doc)}
    fixed = [ent for ent in doc.ents if (ent.start, ent.end) in bounds]
    taken = {i for ent in fixed for i in range(ent.start, ent.end)}
    free = [span for span in spans if taken.isdisjoint(range(span.start, span.end))]
    found = [there.get((s.start, s.end, s.label), s) for s in free]
    return filter_spans(fixed + found)


def _bounds(match: Any) -> tuple[int, int]:
    """Of a Span, or of (id, start, end)."""
    return match[1:] if isinstance(match, tuple) else (match.start, match.end)
