"""MSRA's original lines: segments of text with a part-of-speech-like tag."""

from pathlib import Path

from ..errors import Errors, KnnNerError
from .lines import numbered_lines
from .sentence import Sentence

LABELS = {"nr": "PER", "ns": "LOC", "nt": "ORG", "o": ""}


def read_segments(path: Path) -> list[Sentence]:
    """Read a file of `text/tag` segments, one sentence per line, into characters.

    path (Path): A UTF-8 file. Tags: nr (PER), ns (LOC), nt (ORG), o (no entity).
    RETURNS (list[Sentence]): The sentences; every character is a token.
    RAISES (KnnNerError): For a malformed line, with its number.
    """
    sentences = []
    for number, line in numbered_lines(path):
        words: list[str] = []
        spans = []
        for segment in filter(None, line.split(" ")):
            text, slash, tag = segment.rpartition("/")
            if not slash or not text or tag not in LABELS:
                reason = f"{segment!r} is not text/nr, /ns, /nt or /o"
                raise KnnNerError(
                    Errors.E020, path=path, line=number, reason=reason, text=line
                )
            if LABELS[tag]:
                spans.append((len(words), len(words) + len(text), LABELS[tag]))
            words += text
        if words:
            sentences.append(Sentence(words, spans, [False] * len(words)))
    return sentences
