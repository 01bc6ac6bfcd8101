"""Entities of Docs ⇄ spans, tags and annotated texts: what reads and makes
`doc.ents`."""

from collections.abc import Iterable, Sequence

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..corpora.sentence import DOCUMENT
from ..errors import Errors, KnnNerError
from ..ml.contexts import on_docs
from ..tags import MISSING, OUTSIDE, SpanTuple, TagSet, split_tag, tags_to_spans
from ..types import AnnotatedText

# What a component that predicts entities is scored by in training: span F1.
SCORE_WEIGHTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
CLASSES = ("labels", "tags")  # that tokens can be contrasted by


def entity_spans(doc: Doc, tag_set: TagSet, ids: np.ndarray) -> list[Span]:
    """Convert tag ids to Spans; see `trimmed`.

    doc (Doc): The Doc.
    tag_set (TagSet): The meaning of the ids.
    ids (ndarray): Shape (n_tokens,).
    RETURNS (list[Span]): In order, not overlapping.
    """
    found = trimmed(doc, tag_set.spans(ids))
    return [Span(doc, start, end, label=label) for start, end, label in found]


def trimmed(doc: Doc, spans: Iterable[SpanTuple]) -> list[SpanTuple]:
    """Trim whitespace from entities.

    spaCy's own rule: an entity neither begins nor ends with a whitespace token, nor
    consists of them.
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
    """Read the annotation of a Doc.

    doc (Doc): With `doc.ents`, perhaps partial (`set_ents(default="missing")`).
    RETURNS (tuple[list[SpanTuple], list[int]]): The entities, and the tokens without
        annotation.
    """
    spans = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return spans, np.flatnonzero(doc.to_array("ENT_IOB") == 0).tolist()


def annotated_text(doc: Doc, name: str) -> AnnotatedText:
    """Convert an annotated Doc to its words and entities.

    doc (Doc): With `doc.ents`, perhaps partial, and perhaps with the name of its
        document in `doc.user_data["document"]`.
    name (str): The component, for messages.
    RETURNS (AnnotatedText): Words and entities.
    RAISES (KnnNerError): If it is no Doc.
    """
    if not isinstance(doc, Doc):
        raise KnnNerError(Errors.E049, name=name, found=type(doc).__name__)
    entities, missing = annotated_entities(doc)
    starts = None
    if doc.has_annotation("SENT_START", require_complete=True):
        starts = [token.i for token in doc if token.is_sent_start]
    return AnnotatedText(
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        entities=entities,
        missing=missing,
        sentence_starts=starts,
        document=doc.user_data.get(DOCUMENT),
        contexts=on_docs.read(doc),
    )


def make_doc(nlp: Language, text: AnnotatedText) -> Doc:
    """Make a Doc of the words alone, as the pipeline would.

    nlp (Language): The pipeline.
    text (AnnotatedText): If the tokenizer makes the same words, its Doc is used: it has
        norms, such as "not" for "n't", that encoders read.
    RETURNS (Doc): Without entities, with the sentence starts and contexts of the
        text.
    """
    doc = nlp.tokenizer(text.text)
    if [token.text for token in doc] != text.words:
        doc = Doc(nlp.vocab, words=text.words, spaces=text.spaces)
    if text.sentence_starts is not None:
        starts = set(text.sentence_starts)
        for token in doc:
            token.is_sent_start = token.i in starts
    if text.contexts is not None:
        on_docs.write(doc, text.contexts)
    return doc


def gold_tag_ids(example: Example, tag_set: TagSet) -> np.ndarray:
    """Encode the tags that an example's predicted Doc should get.

    RETURNS (ndarray): Ids, shape (n_tokens,); `MISSING` where the reference has no
        annotation or its tokens do not align.
    RAISES (KeyError): For a label outside the tag set.
    """
    biluo: Sequence[str | None] = example.get_aligned_ner()
    missing = [i for i, tag in enumerate(biluo) if tag is None or tag == "-"]
    spans = tags_to_spans("O" if tag in (None, "-") else str(tag) for tag in biluo)
    ids = tag_set.encode(len(biluo), spans)
    ids[missing] = MISSING
    return ids


def gold_classes(examples: Iterable[Example], classes: str) -> np.ndarray:
    """Encode the classes that tokens are contrasted by.

    examples (Iterable[Example]): A batch.
    classes (str): `"labels"`: one per entity type; `"tags"`: one per BILUO tag.
    RETURNS (ndarray): Of all tokens, one Doc after the other, shape (n_tokens,),
        int64: 0 outside of entities, negative without annotation. The numbers of
        classes hold for this batch.
    """
    numbers: dict[str, int] = {}
    found = []
    for example in examples:
        for tag in example.get_aligned_ner():
            if tag is None or tag == "-":
                found.append(MISSING)
            elif tag == OUTSIDE:
                found.append(0)
            else:
                name = split_tag(str(tag))[1] if classes == "labels" else str(tag)
                found.append(numbers.setdefault(name, len(numbers) + 1))
    return np.array(found, dtype=np.int64)


def gold_labels(examples: Iterable[Example]) -> list[str]:
    """List the labels of the references' entities, sorted."""
    labels = {ent.label_ for example in examples for ent in example.reference.ents}
    return sorted(labels)
