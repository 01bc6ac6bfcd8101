"""Texts without annotation: what contexts are found in, and what they must not be."""

import json
from collections.abc import Iterator
from pathlib import Path

from spacy.vocab import Vocab

from ..errors import Errors, KnnNerError
from ..ml.contexts.views import sentences_of
from .docbin import DocFile
from .lines import numbered_lines


def read_texts(path: str | Path) -> Iterator[str]:
    """Read the texts of a file.

    path (str | Path): `.spacy`: the sentences of Docs; `.jsonl`: "text" of each object;
        any other: lines.
    YIELDS (str): The texts.
    RAISES (KnnNerError): If it cannot be read.
    """
    path = Path(path)
    if path.suffix == ".spacy":
        for doc in DocFile(path, Vocab()):
            for start, end in sentences_of(doc):
                yield doc[start:end].text
        return
    for number, line in numbered_lines(path):
        if path.suffix != ".jsonl":
            yield line
        elif line.strip():
            yield _text_of(line, path, number)


def _text_of(line: str, path: Path, number: int) -> str:
    try:
        value = json.loads(line)["text"]
        if isinstance(value, str):
            return value
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise KnnNerError(Errors.E105, path=path, line=number)
