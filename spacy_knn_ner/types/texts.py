"""Texts, independent of any vocab: their annotation and their contexts."""

from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

from ..errors import Errors, KnnNerError
from ..tags import SpanTuple

# Where a context is: behind a separator, or next to the sentence in its document.
RETRIEVED, BEFORE, AFTER = "retrieved", "before", "after"


class Context(TypedDict):
    """A text that a sentence is read together with.

    text (str): The text.
    kind (str): `"retrieved"`, `"before"` or `"after"`.
    start (int | None): First token of the sentence; None: of every one.
    score (float): How relevant it is, where that is known.
    """

    text: str
    kind: str
    start: int | None
    score: NotRequired[float]


@dataclass(frozen=True)
class AnnotatedText:
    """A text with its entities, independent of any vocab.

    words (list[str]): The tokens.
    spaces (list[bool]): Whether a space follows each token.
    entities (list[SpanTuple]): (start, end, label) in tokens, not overlapping.
    missing (list[int]): Tokens without annotation; they never become `O`.
    sentence_starts (list[int] | None): First tokens of sentences, if marked.
    document (str | None): The document the text is a part of, if known.
    contexts (list[Context] | None): The texts it is read together with; None if none
        were looked for.
    """

    words: list[str]
    spaces: list[bool]
    entities: list[SpanTuple] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    sentence_starts: list[int] | None = None
    document: str | None = None
    contexts: list[Context] | None = None

    @property
    def text(self) -> str:
        """The text."""
        pairs = zip(self.words, self.spaces, strict=True)
        return "".join(word + " " * space for word, space in pairs)


@dataclass(frozen=True)
class StoredExample:
    """An annotated text in the datastore.

    example_id (int): Stable, never reused.
    part (str): `"store"` or `"corrections"`.
    annotated (AnnotatedText): Text and entities.
    source (str | None): Where it comes from, as given to `knn.add`.
    """

    example_id: int
    part: str
    annotated: AnnotatedText
    source: str | None = None


def valid_unicode(text: str) -> str:
    """Replace lone surrogates, which no file can hold, with question marks.

    text (str): From elsewhere, such as a web API.
    """
    return text.encode("utf8", "replace").decode("utf8")


def check_unicode(text: str) -> None:
    """Refuse a text that has no encoding.

    text (str): From a user.
    RAISES (KnnNerError): If it has a lone surrogate: neither spaCy nor any file can
        hold it.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 20) : error.end + 20]
        raise KnnNerError(Errors.E114, text=f"{around!a}") from error
