"""The CoNLL-2012 format, in which most copies of OntoNotes come."""

import re
from pathlib import Path
from typing import NoReturn

from ..errors import Errors, KnnNerError
from ..tags import SpanTuple
from .lines import numbered_lines, split_columns
from .sentence import Sentence

BEGIN = "#begin document"
_WORD, _NAMED_ENTITY = 3, 10  # columns; those behind are arguments and coreference
_MARK = re.compile(r"\([^()*]+\)|(\([^()*]+)?\*\)?")


def read_conll2012(path: Path, *, joined: bool) -> list[Sentence]:
    """Read a CoNLL-2012 file: named entities in brackets, as in `(GPE)` or
    `(ORG*`, `*`, `*)`.

    path (Path): A UTF-8 file.
    joined (bool): No spaces between tokens, as in Chinese.
    RETURNS (list[Sentence]): The sentences, with their documents.
    RAISES (KnnNerError): For a malformed line, with its number.
    """
    sentences: list[Sentence] = []
    words: list[str] = []
    spans: list[SpanTuple] = []
    opened: tuple[int, str] | None = None
    document, last = None, (0, "")
    for number, line in [*numbered_lines(path), (0, "")]:
        if not line.strip(" \t") or line.startswith("#"):
            if opened:
                _fail(path, last[0], f"({opened[1]} is never closed", last[1])
            if words:
                sentence = Sentence(words, spans, [not joined] * len(words), document)
                sentences.append(sentence)
                words, spans = [], []
            if line.startswith(BEGIN):
                document = line[len(BEGIN) :].strip()
            continue
        last = number, line
        parts = split_columns(line)
        if len(parts) <= _NAMED_ENTITY:
            _fail(path, number, f"{len(parts)} columns instead of 11 or more", line)
        words.append(parts[_WORD])
        mark = parts[_NAMED_ENTITY]
        if not _MARK.fullmatch(mark):
            _fail(path, number, "no bracket notation in column 11", line)
        if mark.startswith("("):
            if opened:
                _fail(path, number, f"an entity inside ({opened[1]}", line)
            opened = len(words) - 1, mark.strip("(*)")
        if mark.endswith(")"):
            if not opened:
                _fail(path, number, "a bracket that nothing opened", line)
            spans.append((opened[0], len(words), opened[1]))
            opened = None
    return sentences


def _fail(path: Path, line: int, reason: str, text: str) -> NoReturn:
    raise KnnNerError(Errors.E020, path=path, line=line, reason=reason, text=text)
