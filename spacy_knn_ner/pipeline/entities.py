"""Tags ⇄ a Doc's entities: the one place that reads and writes `doc.ents`."""

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..tags import MISSING, SpanTuple, TagSet, tags_to_spans

# What a component that finds entities is judged by in training: span F1.
SCORE_WEIGHTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}


def entity_spans(doc: Doc, tag_set: TagSet, ids: np.ndarray) -> list[Span]:
    """The entities that tag ids spell on a Doc; see `trimmed`.

    doc (Doc): The Doc.
    tag_set (TagSet): What the ids mean.
    ids (ndarray): Shape (n_tokens,).
    RETURNS (list[Span]): In order, not overlapping.
    """
    found = trimmed(doc, tag_set.spans(ids))
    return [Span(doc, start, end, label=label) for start, end, label in found]


def trimmed(doc: Doc, spans: Iterable[SpanTuple]) -> list[SpanTuple]:
    """Entities without whitespace at their ends.

    spaCy's own rule: an entity neither begins nor ends with a whitespace token,
    nor consists of them.
    """
    kept = []
    for start, end, label in spans:
        while start < end and doc[start].is_space:
            start += 1
        while start < end and doc[end - 1].is_space:
            end -= 1
        if start < end:
            kept.append((start, end, label))
    return kept


def annotated_entities(doc: Doc) -> tuple[list[SpanTuple], list[int]]:
    """What a labelled Doc says.

    doc (Doc): With `doc.ents`, perhaps partial (`set_ents(default="missing")`).
    RETURNS (tuple[list[SpanTuple], list[int]]): The entities, and the tokens
        nobody annotated.
    """
    spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return spans, [token.i for token in doc if token.ent_iob == 0]


def gold_tag_ids(example: Example, tag_set: TagSet) -> np.ndarray:
    """The tags an example's predicted Doc should get.

    RETURNS (ndarray): Ids, shape (n_tokens,); `MISSING` where the reference is
        silent or its tokens do not align.
    RAISES (KeyError): For a label outside the tag set.
    """
    biluo: Sequence[str | None] = example.get_aligned_ner()
    missing = [i for i, tag in enumerate(biluo) if tag is None or tag == "-"]
    spans = tags_to_spans("O" if tag in (None, "-") else str(tag) for tag in biluo)
    ids = tag_set.encode(len(biluo), spans)
    ids[missing] = MISSING
    return ids


def gold_labels(examples: Iterable[Example]) -> list[str]:
    """The labels of the references' entities, sorted."""
    labels = {ent.label_ for example in examples for ent in example.reference.ents}
    return sorted(labels)
