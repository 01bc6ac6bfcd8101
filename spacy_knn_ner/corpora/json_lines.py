"""JSON lines with character offsets, as Doccano and Prodigy export them."""

import json
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, KnnNerError
from ..tags import SpanTuple
from .lines import numbered_lines
from .sentence import Sentence

# Where annotators keep the spans of a record, and how they name what is in one.
_SPANS = ("spans", "label", "labels", "entities")
_EXPECTED = (
    'no object with a "text", and with spans of start, end and label in one of '
    + ", ".join(f'"{key}"' for key in _SPANS)
)
_START, _END = ("start", "start_offset"), ("end", "end_offset")


def read_json_lines(path: Path, nlp: Language) -> tuple[list[Sentence], int]:
    """Read a JSON object with `"text"` and spans per line.

    Spans are `[start, end, label]` (Doccano) or objects with `start`, `end` and
    `label` (Prodigy; also `start_offset`, `end_offset`), in characters. A span that
    begins or ends inside a token grows to the token's border, white space at its
    ends is cut off; both count as repaired. Records that Prodigy marks as rejected
    or ignored are skipped and counted.

    path (Path): A UTF-8 file.
    nlp (Language): Whose tokenizer makes the tokens.
    RETURNS (tuple[list[Sentence], int]): One per record, each a document of its
        own, and how many were skipped.
    RAISES (KnnNerError): For a malformed or overlapping span, with its line.
    """
    sentences, skipped = [], 0
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if record.get("answer", "accept") != "accept":
                skipped += 1
                continue
            text, found = record["text"], _spans(record)
            if not isinstance(text, str) or not text:
                raise ValueError('"text" is no text')
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KnnNerError(
                Errors.E020, path=path, line=number, reason=_EXPECTED, text=line[:80]
            ) from error
        doc = nlp.make_doc(text)
        spans = [_in_tokens(doc, *span, path, number) for span in sorted(found)]
        entities: list[SpanTuple] = []
        repaired = 0
        for span, was_repaired in spans:
            if entities and span[0] < entities[-1][1]:
                raise KnnNerError(
                    Errors.E026, path=path, line=number, label=span[2], start=span[0]
                )
            entities.append(span)
            repaired += was_repaired
        sentences.append(
            Sentence(
                [token.text for token in doc],
                entities,
                [bool(token.whitespace_) for token in doc],
                f"{path.name}:{number}",
                repaired,
                is_one=False,
            )
        )
    return sentences, skipped


def _spans(record: dict[str, Any]) -> list[tuple[int, int, str]]:
    """RAISES: One of many errors, if they are not as they should be."""
    keys = [key for key in _SPANS if record.get(key) is not None]
    filled = [key for key in keys if record[key]]
    if not keys or len(filled) > 1:
        raise ValueError("no spans, or in several places")
    found = []
    for span in record[filled[0]] if filled else []:
        if isinstance(span, dict):
            start, end = (
                next((span[key] for key in names if key in span), None)
                for names in (_START, _END)
            )
            label = span["label"]
        else:
            start, end, label = span
        if not (type(start) is type(end) is int and label):
            raise ValueError(span)
        found.append((start, end, str(label)))
    return found


def _in_tokens(
    doc: Doc, start: int, end: int, label: str, path: Path, line: int
) -> tuple[SpanTuple, bool]:
    text = doc.text
    inside = text[start:end] if 0 <= start < end <= len(text) else ""
    first = start + len(inside) - len(inside.lstrip())
    last = first + len(inside.strip())
    span = doc.char_span(first, last, alignment_mode="expand") if first < last else None
    if span is None:
        reason = f"{label} at {start}:{end} covers no text"
        raise KnnNerError(
            Errors.E020, path=path, line=line, reason=reason, text=text[:80]
        )
    exact = (span.start_char, span.end_char) == (start, end)
    return (span.start, span.end, label), not exact
