"""Plain texts → Docs that a pipeline has read."""

from collections.abc import Sequence

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, KnnNerError
from ..types import check_unicode


def check_text(nlp: Language, text: str) -> str:
    """Check that a pipeline can read a text.

    nlp (Language): The pipeline.
    text (str): The text.
    RETURNS (str): The same.
    RAISES (KnnNerError): If it is too long, or no Unicode.
    """
    check_unicode(text)
    if len(text) > nlp.max_length:
        raise KnnNerError(Errors.E115, found=len(text), most=nlp.max_length)
    return text


def pipe_texts(nlp: Language, texts: Sequence[str]) -> list[Doc]:
    """Read texts with a pipeline.

    nlp (Language): The pipeline.
    texts (Sequence[str]): The texts.
    RETURNS (list[Doc]): One per text.
    RAISES (KnnNerError): If an error handler of the pipeline has dropped some: it is
        not known which ones are left.
    """
    docs = list(nlp.pipe(texts))
    if len(docs) != len(texts):
        n, total = len(texts) - len(docs), len(texts)
        raise KnnNerError(Errors.E129, n=n, total=total)
    return docs
