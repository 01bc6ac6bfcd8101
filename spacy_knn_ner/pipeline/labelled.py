"""Labelled Docs ⇄ what they say."""

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.sentence import DOCUMENT
from ..errors import Errors, KnnNerError
from ..ty import LabelledText
from .entities import annotated_entities


def labelled_text(doc: Doc, name: str) -> LabelledText:
    """What a labelled Doc says.

    doc (Doc): With `doc.ents`, perhaps partial, and perhaps with the name of its
        document in `doc.user_data["document"]`.
    name (str): The component that asks, for messages.
    RETURNS (LabelledText): Words and entities.
    RAISES (KnnNerError): If it is no Doc.
    """
    if not isinstance(doc, Doc):
        raise KnnNerError(Errors.E049, name=name, found=type(doc).__name__)
    entities, missing = annotated_entities(doc)
    starts = None
    if doc.has_annotation("SENT_START", require_complete=True):
        starts = [token.i for token in doc if token.is_sent_start]
    return LabelledText(
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        entities=entities,
        missing=missing,
        sentence_starts=starts,
        document=doc.user_data.get(DOCUMENT),
    )


def make_doc(nlp: Language, text: LabelledText) -> Doc:
    """A Doc of the words alone, as the pipeline would meet it.

    nlp (Language): The pipeline.
    text (LabelledText): If its tokenizer makes the same words, its Doc is taken:
        it knows norms, such as "not" for "n't", that encoders look at.
    RETURNS (Doc): Without entities, with the sentence starts of the text.
    """
    doc = nlp.tokenizer(text.text)
    if [token.text for token in doc] != text.words:
        doc = Doc(nlp.vocab, words=text.words, spaces=text.spaces)
    if text.sentence_starts is not None:
        starts = set(text.sentence_starts)
        for token in doc:
            token.is_sent_start = token.i in starts
    return doc
