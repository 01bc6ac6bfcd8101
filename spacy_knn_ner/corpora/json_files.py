"""JSON files with a list of texts: Label Studio's JSON and JSON-MIN, spaCy v2's lists,
and lists of what otherwise stands line by line."""

import json
from pathlib import Path
from typing import Any

from ..errors import Errors, KnnNerError
from ..tags import SpanTuple
from .lines import numbered_lines
from .records import UNREADABLE, Record, record_of, span_of

_EXPECTED = (
    "no export of Label Studio (JSON or JSON-MIN), list of texts with entities as in "
    "spaCy 2, or list of objects with a text and spans"
)


def read_json_file(path: Path) -> tuple[list[Record], int]:
    """Read a JSON file with a list.

    path (Path): A UTF-8 file.
    RETURNS (tuple[list[Record], int]): The records, and how many are not to be used:
        tasks without annotation, or that were skipped.
    RAISES (KnnNerError): For a malformed record, with its number, or a format that is
        known but not read.
    """
    try:
        items = json.loads("".join(line + "\n" for _, line in numbered_lines(path)))
    except (ValueError, RecursionError) as error:
        raise KnnNerError(Errors.E024, path=path, reason=str(error)) from error
    if not isinstance(items, list):
        items = [items]
    records, skipped = [], 0
    for number, item in enumerate(items, start=1):
        if isinstance(item, dict) and "paragraphs" in item:
            raise KnnNerError(Errors.E015, path=path)
        try:
            record = _record(item, number)
        except UNREADABLE as error:
            text = json.dumps(item, ensure_ascii=False)[:80]
            raise KnnNerError(
                Errors.E020, path=path, line=number, reason=_EXPECTED, text=text
            ) from error
        if record is None:
            skipped += 1
        else:
            records.append(record)
    return records, skipped


def _record(item: Any, number: int) -> Record | None:
    if isinstance(item, list):  # spaCy v2: [text, {"entities": [...]}]
        text, annotation = item
        spans = [span_of(span) for span in annotation.get("entities", [])]
        return Record(number, _checked(text), spans)
    if "annotations" in item or "data" in item:
        return _task(item, number)
    if _is_minimal(item):
        return Record(number, _checked(item["text"]), _regions(item, item["text"]))
    return record_of(item, number)


def _checked(text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise ValueError("no text")
    return text


# --- Label Studio ---------------------------------------------------------------------


def _task(item: dict[str, Any], number: int) -> Record | None:
    """A task with its last annotation that was not cancelled."""
    done = [a for a in item.get("annotations", []) if not a.get("was_cancelled")]
    if not done:
        return None
    data, results = item["data"], done[-1]["result"]
    regions = [r for r in results if "labels" in r.get("value", {})]
    named = {r["to_name"] for r in regions if r.get("to_name") in data}
    text = _checked(data[named.pop()] if len(named) == 1 else data["text"])
    spans = [span for r in regions for span in _labeled(r["value"], text)]
    return Record(number, text, spans)


def _is_minimal(item: dict[str, Any]) -> bool:
    regions = item.get("label")
    if not isinstance(regions, list) or "text" not in item:
        return False
    return any(isinstance(r, dict) and "labels" in r for r in regions)


def _regions(item: dict[str, Any], text: str) -> list[SpanTuple]:
    return [span for region in item["label"] for span in _labeled(region, text)]


def _labeled(region: dict[str, Any], text: str) -> list[SpanTuple]:
    """A region's span. Its offsets count UTF-16 units, as a browser does."""
    (label,) = region["labels"]
    start, end, _ = span_of([region["start"], region["end"], label])
    expected = region.get("text", text[start:end])
    if text[start:end] != expected:
        units = text.encode("utf-16-le")
        start = len(units[: 2 * start].decode("utf-16-le"))
        end = start + len(expected)
        if text[start:end] != expected:
            raise ValueError(region)
    return [(start, end, str(label))]
