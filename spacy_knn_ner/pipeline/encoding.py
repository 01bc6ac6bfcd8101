"""Labelled Docs → what they say, and what the pipeline's encoder makes of them."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..errors import Errors, KnnNerError
from ..ty import LabelledText
from . import handover
from .entities import annotated_entities


def labelled_text(doc: Doc, name: str) -> LabelledText:
    """What a labelled Doc says.

    doc (Doc): With `doc.ents`, perhaps partial.
    name (str): The component that asks, for messages.
    RETURNS (LabelledText): Words and entities.
    RAISES (KnnNerError): If it is no Doc.
    """
    if not isinstance(doc, Doc):
        raise KnnNerError(Errors.E049, name=name, found=type(doc).__name__)
    entities, missing = annotated_entities(doc)
    starts = None
    if doc.has_annotation("SENT_START"):
        starts = [token.i for token in doc if token.is_sent_start]
    return LabelledText(
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        entities=entities,
        missing=missing,
        sentence_starts=starts,
    )


def make_doc(nlp: Language, text: LabelledText) -> Doc:
    """A Doc of the words alone, as the pipeline would meet it."""
    starts = text.sentence_starts
    marks: list[bool | int | None] | None = None
    if starts is not None:
        marks = [i in set(starts) for i in range(len(text.words))]
    return Doc(nlp.vocab, words=text.words, spaces=text.spaces, sent_starts=marks)


def encode(
    nlp: Language, component: Any, texts: list[LabelledText], scheme: str
) -> tuple[str, list[Doc]]:
    """Run the components in front of this one.

    nlp (Language): The pipeline.
    component (Pipe): This component.
    texts (list[LabelledText]): The labels are not shown to the pipeline.
    scheme (str): The tag scheme where no `ner_tagger` says otherwise.
    RETURNS (tuple[str, list[Doc]]): The tagger's scheme, and one Doc per text.
    RAISES (KnnNerError): If the component stands in no pipeline, or one in front
        merges or splits tokens.
    """
    names = [name for name, _ in nlp.pipeline]
    at = next((i for i, (_, c) in enumerate(nlp.pipeline) if c is component), None)
    if at is None:
        raise KnnNerError(Errors.E048, name=component.name)
    clean = [make_doc(nlp, text) for text in texts]
    docs = list(nlp.pipe(clean, disable=names[at:]))
    for text, doc in zip(texts, docs, strict=True):
        if len(doc) != len(text.words):
            raise KnnNerError(
                Errors.E045,
                name=component.name,
                expected=len(text.words),
                found=len(doc),
            )
        value = handover.read(doc)
        scheme = scheme if value is None else value["scheme"]
    return scheme, docs


def progress(docs: Iterable[Doc], show: bool) -> Iterator[Doc]:
    """The Docs, with a progress bar while they are consumed."""
    total = len(docs) if isinstance(docs, Sized) else None
    yield from tqdm(docs, total=total, desc="Building", unit="doc", disable=not show)
