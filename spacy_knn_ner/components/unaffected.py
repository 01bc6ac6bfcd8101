"""Unaffected Docs: those whose entities nothing in the memory can change.

Without a store, and behind components that leave entities and no distribution (such as
an `ner`), only corrections of the same words can change a Doc. Most Docs have none, and
pass without being read.
"""

from collections.abc import Iterable

import numpy as np
from spacy.tokens import Doc, SpanGroup

from ..corrections.matching import CorrectionMatcher
from ..corrections.texts import visible_text
from ..reading import tagger_output
from .extensions import FACTORY


def affected(docs: Iterable[Doc], matcher: CorrectionMatcher) -> list[Doc]:
    """Select the Docs whose entities the memory may change.

    docs (Iterable[Doc]): After the components in front.
    matcher (CorrectionMatcher): With the present corrections.
    RETURNS (list[Doc]): In order.
    """
    by_words = matcher.only_same_words_decide
    return [doc for doc in docs if not by_words or _may_change(doc, matcher)]


def _may_change(doc: Doc, matcher: CorrectionMatcher) -> bool:
    if tagger_output.read_base(doc, use_saved=False) is not None:
        return True  # its entities are decoded anew
    text = visible_text([token.text for token in doc])
    entities = [(text.position(e.start), text.position(e.end)) for e in doc.ents]
    return matcher.may_apply(text.words, entities)


def pass_on(docs: list[Doc], changing: list[Doc], name: str) -> None:
    """Annotate the Docs whose entities stay: `doc.spans[name]` gets them, without
    scores.

    docs (list[Doc]): The Docs to modify.
    changing (list[Doc]): Some of them, which are left as they are.
    name (str): Of the component.
    """
    others = {id(doc) for doc in changing}
    for doc in docs:
        if id(doc) not in others:
            _pass_on(doc, name)


def _pass_on(doc: Doc, name: str) -> None:
    spans = list(doc.ents)
    if not doc.has_annotation("ENT_IOB", require_complete=True):
        doc.set_ents(spans)
    scores, unknown = np.full(len(spans), np.nan), [None] * len(spans)
    attrs = {"scores": scores, "unknown": unknown, **FACTORY}
    doc.spans[name] = SpanGroup(doc, name=name, spans=spans, attrs=attrs)
