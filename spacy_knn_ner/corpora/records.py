"""Records of annotation tools: texts with spans in characters."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, KnnNerError
from ..tags import SpanTuple
from .sentence import Sentence

# Where annotators keep the spans of a record, and how they name what is in one.
SPANS = ("spans", "label", "labels", "entities")
EXPECTED = (
    'no object with a "text", and with spans of start, end and label in one of '
    + ", ".join(f'"{key}"' for key in SPANS)
)
# What reading a record raises, if it is something else.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
_START, _END = ("start", "start_offset"), ("end", "end_offset")
# Prodigy's interface of binary decisions on the highlighted spans.
_BINARY = "ner"


@dataclass(frozen=True)
class Record:
    """A text with spans.

    number (int): The line it begins in, or its number in the file.
    text (str): The text.
    spans (list[SpanTuple]): In characters; a label of "" is no entity.
    is_complete (bool): Whether the rest of the text is annotated as no entity.
    """

    number: int
    text: str
    spans: list[SpanTuple] = field(default_factory=list)
    is_complete: bool = True


def record_of(given: Any, number: int) -> Record | None:
    """Read a record of Prodigy or Doccano.

    Prodigy: a binary decision annotates its spans alone, as entities (`accept`) or as
    none (`reject`). Other rejected records, and ignored ones, are not to be used.

    given (Any): From JSON.
    number (int): Of the record.
    RETURNS (Record | None): None if it is not to be used.
    RAISES: One of many errors, if it is not as it should be.
    """
    answer, is_binary = given.get("answer", "accept"), given.get("_view_id") == _BINARY
    if answer not in ("accept", "reject") or (answer == "reject" and not is_binary):
        return None
    text = given["text"]
    if not isinstance(text, str) or not text:
        raise ValueError('"text" is no text')
    spans = _spans(given, may_lack="answer" in given)
    if answer == "reject":
        spans = [(start, end, "") for start, end, _ in spans]
    return Record(number, text, spans, not is_binary)


def _spans(given: dict[str, Any], *, may_lack: bool) -> list[SpanTuple]:
    keys = [key for key in SPANS if given.get(key) is not None]
    filled = [key for key in keys if given[key]]
    if len(filled) > 1 or not (keys or may_lack):
        raise ValueError("no spans, or in several places")
    return [span_of(span) for span in given[filled[0]]] if filled else []


def span_of(given: Any) -> SpanTuple:
    """Read a span: start, end and label, as a list or an object.

    RAISES: One of many errors, if it is none.
    """
    if isinstance(given, dict):
        start, end = (
            next((given[key] for key in names if key in given), None)
            for names in (_START, _END)
        )
        label = given["label"]
    else:
        start, end, label = given
    if not (type(start) is type(end) is int and label):
        raise ValueError(given)
    return start, end, str(label)


def sentences_of(
    records: Iterable[Record], path: Path, nlp: Language
) -> list[Sentence]:
    """Tokenize records.

    A span that begins or ends inside a token grows to the token's border, white space
    at its ends is cut off; both count as repaired.

    records (Iterable[Record]): Of one file.
    path (Path): The file, for messages.
    nlp (Language): Whose tokenizer makes the tokens.
    RETURNS (list[Sentence]): One per record, each a document of its own.
    RAISES (KnnNerError): For spans that overlap or are outside of the text.
    """
    return [_sentence(record, path, nlp) for record in records]


def _sentence(record: Record, path: Path, nlp: Language) -> Sentence:
    _check_text(record, path, nlp)
    doc = nlp.make_doc(record.text)
    entities: list[SpanTuple] = []
    annotated: set[int] = set()
    repaired = 0
    for given in sorted(record.spans):
        (start, end, label), was_repaired = _in_tokens(doc, given, path, record.number)
        if not annotated.isdisjoint(range(start, end)):
            raise KnnNerError(
                Errors.E026, path=path, line=record.number, label=label, start=start
            )
        annotated.update(range(start, end))
        repaired += was_repaired
        if label:
            entities.append((start, end, label))
    others = [] if record.is_complete else [i not in annotated for i in range(len(doc))]
    return Sentence(
        [token.text for token in doc],
        entities,
        [bool(token.whitespace_) for token in doc],
        f"{path.name}:{record.number}",
        repaired,
        is_one=False,
        missing=[i for i, is_missing in enumerate(others) if is_missing],
    )


def _check_text(record: Record, path: Path, nlp: Language) -> None:
    """Refuse what spaCy cannot hold."""
    reason = ""
    if len(record.text) > nlp.max_length:
        reason = f"more than {nlp.max_length:,} characters"
    try:
        "".join([record.text, *(label for *_, label in record.spans)]).encode()
    except UnicodeEncodeError:
        reason = "half of a character (a lone surrogate)"
    if reason:
        text = f"{record.text[:80]!a}"
        raise KnnNerError(
            Errors.E020, path=path, line=record.number, reason=reason, text=text
        )


def _in_tokens(
    doc: Doc, given: SpanTuple, path: Path, number: int
) -> tuple[SpanTuple, bool]:
    text, (start, end, label) = doc.text, given
    inside = text[start:end] if 0 <= start < end <= len(text) else ""
    first = start + len(inside) - len(inside.lstrip())
    last = first + len(inside.strip())
    span = doc.char_span(first, last, alignment_mode="expand") if first < last else None
    if span is None:
        reason = f"{label} at {start}:{end} covers no text"
        raise KnnNerError(
            Errors.E020, path=path, line=number, reason=reason, text=text[:80]
        )
    exact = (span.start_char, span.end_char) == (start, end)
    return (span.start, span.end, label), not exact
