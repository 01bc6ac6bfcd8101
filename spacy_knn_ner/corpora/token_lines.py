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
    path: Path, columns: Columns, *, joined: bool
) -> tuple[list[Sentence], str]:
    """Read a token-per-line file.

    Blank lines, which may hold white space, end a sentence; a line that begins with
    `-DOCSTART-` begins a document. Broken tag sequences are repaired by the rule of
    `read_tags`.

    path (Path): A UTF-8 file.
    columns (Columns): Its layout.
    joined (bool): No spaces between tokens, as in Chinese.
    RETURNS (tuple[list[Sentence], str]): The sentences, and the tag scheme.
    RAISES (KnnNerError): For a malformed line, with its number.
    """
    raw = list(_sentences(path, columns))
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
        sentences.append(Sentence(words, entities, spaces, document, repaired))
    return sentences, scheme


def _sentences(path: Path, columns: Columns) -> Iterator[_Raw]:
    split: Callable[[str], list[str]] | None = None
    width = None
    document, n_documents = None, 0
    lines: list[int] = []
    words: list[str] = []
    tags: list[str] = []
    for number, line in numbered_lines(path):
        if not line.strip(" \t") or line.startswith(DOCSTART):
            if words:
                yield lines, words, tags, document
                lines, words, tags = [], [], []
            if line.startswith(DOCSTART):
                n_documents += 1
                document = f"{path.name}:{n_documents}"
            continue
        split = split or _splitter(line, columns.separator)
        parts = split(line)
        width = width or len(parts)
        if len(parts) != width or width < 2:
            reason = f"{len(parts)} columns instead of {max(width, 2)}"
            raise KnnNerError(
                Errors.E020, path=path, line=number, reason=reason, text=line
            )
        try:
            word, tag = parts[columns.token], parts[columns.tag].strip()
        except IndexError:
            reason = f"no column {columns.token} or {columns.tag}"
            raise KnnNerError(
                Errors.E020, path=path, line=number, reason=reason, text=line
            ) from None
        if columns.character:
            word = _character(word)
        if not word:
            reason = "no token" if not columns.character else "no character + position"
            raise KnnNerError(
                Errors.E020, path=path, line=number, reason=reason, text=line
            )
        lines.append(number)
        words.append(word)
        tags.append(tag)
    if words:
        yield lines, words, tags, document


def _splitter(line: str, separator: str | None) -> Callable[[str], list[str]]:
    if separator == "tab" or (separator is None and "\t" in line):
        return lambda line: line.split("\t")
    return split_columns


def _character(word: str) -> str:
    """Weibo: a character and its position in a word, in one or more digits; `310` is
    `3` at position 10. Two U+FFFD, a lost emoji, count as one character."""
    found = re.fullmatch(r"(.\D*)[0-9]+", word, re.DOTALL)
    return found[1] if found else ""
