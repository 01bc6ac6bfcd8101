"""Files with a token and its tag per line, and blank lines between sentences."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import Errors, KnnNerError
from ..tags import split_tag
from .lines import numbered_lines, split_columns
from .schemes import SCHEMES, find_scheme, prefixes, read_tags
from .sentence import Sentence

DOCSTART = "-DOCSTART-"
SEPARATORS = ("tab", "space")
BAD_LINES = ("fail", "skip", "repair")
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # stands for an empty token
# Several tags in one, as in files that were not adjudicated: B-product,B-person.
_SEVERAL = re.compile(r",(O$|[BIMELSU]-)")


@dataclass(frozen=True)
class Columns:
    """How the lines of a file are laid out.

    token (int), tag (int): Columns, from 0; from the end if negative.
    separator (str | None): Between columns: `"tab"` or `"space"` (one or more).
        None: tabs if the first line has one.
    scheme (str | None): One of `SCHEMES`. None: found out.
    character (bool): The token is one character and its position in a word.
    """

    token: int = 0
    tag: int = -1
    separator: str | None = None
    scheme: str | None = None
    character: bool = False


# Sentences as they are written: (line number of the first token, tokens, tags).
_Raw = tuple[list[int], list[str], list[str], str | None]


def read_token_lines(
    path: Path, columns: Columns, *, joined: bool, bad_lines: str = "fail"
) -> tuple[list[Sentence], str, int]:
    """Read a token-per-line file.

    Blank lines, which may hold white space, end a sentence; a line that begins with
    `-DOCSTART-` begins a document. Broken tag sequences are repaired by the rule of
    `read_tags`.

    path (Path): A UTF-8 file.
    columns (Columns): Its layout.
    joined (bool): No spaces between tokens, as in Chinese.
    bad_lines (str): One of `BAD_LINES`. Default: `"fail"`.
    RETURNS (tuple[list[Sentence], str, int]): The sentences, the tag scheme, and how
        many lines were skipped.
    RAISES (KnnNerError): For a malformed line, with its number.
    """
    if bad_lines not in BAD_LINES:
        raise KnnNerError(Errors.E014, value=bad_lines, known=list(BAD_LINES))
    reader = _Lines(path, columns, bad_lines)
    raw = list(reader.sentences())
    scheme = columns.scheme or find_scheme(tags for _, _, tags, _ in raw)
    if scheme is None:
        used = {split_tag(tag)[0] for _, _, tags, _ in raw for tag in tags}
        raise KnnNerError(
            Errors.E025, path=path, prefixes=sorted(used), known=list(SCHEMES)
        )
    sentences = []
    for lines, words, tags, document in raw:
        for line, tag in zip(lines, tags, strict=True):
            prefix, label = split_tag(tag)
            known = prefix in {"O", *prefixes(scheme)}
            if not known or bool(label) == (prefix == "O") or _SEVERAL.search(label):
                raise KnnNerError(
                    Errors.E021, path=path, line=line, tag=tag, scheme=scheme
                )
        entities, repaired = read_tags(tags, scheme)
        spaces = [not joined] * len(words)
        repaired += sum(line in reader.repaired for line in lines)
        sentences.append(Sentence(words, entities, spaces, document, repaired))
    return sentences, scheme, reader.skipped


class _Lines:
    """The lines of a file, and what became of those that cannot be read."""

    def __init__(self, path: Path, columns: Columns, bad_lines: str) -> None:
        self.path, self.columns, self.bad_lines = path, columns, bad_lines
        self.skipped, self.repaired = 0, set[int]()
        self._split: Callable[[str], list[str]] | None = None
        self._width = 0

    def sentences(self) -> Iterator[_Raw]:
        """Group the lines that can be read."""
        document, n_documents = None, 0
        lines: list[int] = []
        words: list[str] = []
        tags: list[str] = []
        for number, line in numbered_lines(self.path):
            if not line.strip(" \t") or line.startswith(DOCSTART):
                if words:
                    yield lines, words, tags, document
                    lines, words, tags = [], [], []
                if line.startswith(DOCSTART):
                    n_documents += 1
                    document = f"{self.path.name}:{n_documents}"
                continue
            word, tag, reason = self._token(line)
            if not word and tag and self.bad_lines == "repair":
                word, reason = _UNREADABLE, ""
                self.repaired.add(number)
            if reason:
                if self.bad_lines == "fail":
                    raise KnnNerError(
                        Errors.E020,
                        path=self.path,
                        line=number,
                        reason=reason,
                        text=line,
                    )
                self.skipped += 1
                continue
            lines.append(number)
            words.append(word)
            tags.append(tag)
        if words:
            yield lines, words, tags, document

    def _token(self, line: str) -> tuple[str, str, str]:
        """Word and tag of a line; and what is wrong with it, if anything."""
        columns = self.columns
        self._split = self._split or _splitter(line, columns.separator)
        parts = self._split(line)
        self._width = self._width or len(parts)
        if len(parts) != self._width or self._width < 2:
            return "", "", f"{len(parts)} columns instead of {max(self._width, 2)}"
        try:
            word, tag = parts[columns.token], parts[columns.tag].strip()
        except IndexError:
            return "", "", f"no column {columns.token} or {columns.tag}"
        if columns.character:
            word = _character(word)
            return word, tag, "" if word else "no character + position"
        return word, tag, "" if word else "no token"


def _splitter(line: str, separator: str | None) -> Callable[[str], list[str]]:
    if separator == "tab" or (separator is None and "\t" in line):
        return lambda line: line.split("\t")
    return split_columns


def _character(word: str) -> str:
    """Weibo: a character and its position in a word, in one or more digits; `310` is
    `3` at position 10. Two U+FFFD, a lost emoji, count as one character."""
    found = re.fullmatch(r"(.\D*)[0-9]+", word, re.DOTALL)
    return found[1] if found else ""
