"""Contexts that were found before, in a file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...corpora.lines import numbered_lines
from ...errors import Errors, KnnNerError
from ..base import Hit
from ..known_texts import normal_words


class ContextFile:
    """JSON lines: `{"text": sentence, "contexts": [text, …]}`."""

    whole_sentences = True

    def __init__(self, path: str | Path) -> None:
        """path (str | Path): The file.
        RAISES (KnnNerError): If it cannot be read, or for a line that is not such an
            object.
        """
        self._contexts: dict[str, list[str]] = {}
        for number, line in numbered_lines(Path(path)):
            if line.strip():
                text, contexts = self._read(line, path, number)
                self._contexts.setdefault(_key(text), []).extend(contexts)

    def _read(self, line: str, path: Any, number: int) -> tuple[str, list[str]]:
        try:
            value = json.loads(line)
            text, contexts = value["text"], value["contexts"]
            if isinstance(text, str) and all(isinstance(c, str) for c in contexts):
                return text, list(contexts)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise KnnNerError(Errors.E100, path=path, line=number)

    def search(self, queries: Sequence[str], n: int) -> list[list[Hit]]:
        """Look up sentences; see `Engine.search`."""
        found = [self._contexts.get(_key(query), [])[:n] for query in queries]
        # In the order of the file.
        return [[Hit(text, -float(i)) for i, text in enumerate(f)] for f in found]


def _key(sentence: str) -> str:
    return "".join(normal_words(sentence))


def make_context_file(path: str) -> ContextFile:
    """Make an engine that reads a file, `spacy_knn_ner.File.v1`.

    path (str): JSON lines; see `ContextFile`.
    RAISES (KnnNerError): If it cannot be read, or a line of it.
    """
    return ContextFile(path)
