"""Texts without their whitespace, and the lines that they consist of."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..types import TokenBatch


@dataclass(frozen=True)
class VisibleText:
    """The words of a text without whitespace.

    words (list[str]): The words.
    tokens (list[int]): Their numbers among all tokens, ascending.
    lines (list[int]): The line that each is on, from 0; an empty list if all are on
        one.
    """

    words: list[str]
    tokens: list[int]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.words)

    def line(self, start: int, end: int) -> tuple[int, int]:
        """Find the words of the lines that a phrase is on.

        start, end (int): The phrase.
        RETURNS (tuple[int, int]): The first word, and the word after the last.
        """
        if not self.lines:
            return 0, len(self.words)
        first = bisect_left(self.lines, self.lines[start])
        return first, bisect_right(self.lines, self.lines[end - 1])

    def position(self, token: int) -> int:
        """Find the first word that is this token, or behind it."""
        return bisect_left(self.tokens, token)


def visible_text(words: Sequence[str], first_token: int = 0) -> VisibleText:
    """Leave out the whitespace of a text.

    words (Sequence[str]): Its tokens.
    first_token (int): The number of the first one. Default: 0.
    RETURNS (VisibleText): The others.
    """
    if not any(map(str.isspace, words)):
        numbers = list(range(first_token, first_token + len(words)))
        return VisibleText(list(words), numbers, [])
    visible, tokens, lines, line = [], [], [], 0
    for i, word in enumerate(words, start=first_token):
        if word.isspace():
            line += "\n" in word
        else:
            visible.append(word)
            tokens.append(i)
            lines.append(line)
    return VisibleText(visible, tokens, lines if line else [])


def visible_texts(batch: TokenBatch) -> Iterator[VisibleText]:
    """Leave out the whitespace of each Doc.

    batch (TokenBatch): The tokens.
    YIELDS (VisibleText): Of each Doc; tokens as in the batch.
    """
    starts = np.cumsum([0, *batch.lengths]).tolist()
    for start, length in zip(starts, batch.lengths, strict=False):
        yield visible_text(batch.words[start : start + length], start)
