"""JSON lines with character offsets, as Doccano and Prodigy export them."""

import json
from pathlib import Path

from ..errors import Errors, KnnNerError
from .lines import numbered_lines
from .records import EXPECTED, UNREADABLE, Record, record_of


def read_json_lines(path: Path) -> tuple[list[Record], int]:
    """Read a JSON object with `"text"` and spans per line; see `record_of`.

    Spans are `[start, end, label]` (Doccano) or objects with `start`, `end` and
    `label` (Prodigy; also `start_offset`, `end_offset`), in characters.

    path (Path): A UTF-8 file.
    RETURNS (tuple[list[Record], int]): The records, and how many are not to be used.
    RAISES (KnnNerError): For a malformed record, with its line.
    """
    records, skipped = [], 0
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            record = record_of(json.loads(line), number)
        except UNREADABLE as error:
            raise KnnNerError(
                Errors.E020, path=path, line=number, reason=EXPECTED, text=line[:80]
            ) from error
        if record is None:
            skipped += 1
        else:
            records.append(record)
    return records, skipped
