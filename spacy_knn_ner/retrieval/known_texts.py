"""Texts that must not come back as contexts: the sentence itself, and what a model is
tested with."""

import unicodedata
from collections.abc import Iterable, Iterator

from ..ml.contexts.views import is_unspaced, words_of

_LETTERS_OF_ONE = 4  # letters that a character of a script without spaces counts for


def normal_words(text: str) -> list[str]:
    """List the words of a text without case, punctuation, invisible characters and
    variants of characters (NFKC).

    text (str): The text.
    RETURNS (list[str]): Of letters and digits.
    """
    text = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return [word for word in words_of(visible).words if word[0].isalnum()]


class KnownTexts:
    """Texts that share a passage with one of these are not used as contexts: letters
    and digits in a row, as many as `length`, or all of a shorter text. Where words end
    does not matter: `do n't` is `don't`. A text of fewer words than `shortest`, or of
    fewer letters than `least`, is only known where it stands alone: "London" is in
    many.
    """

    def __init__(self, length: int = 32, shortest: int = 3, least: int = 12) -> None:
        """length (int): In letters and digits; a character of Chinese, Thai and other
            scripts without spaces counts for four. Default: 32.
        shortest (int): In words. Default: 3.
        least (int): As `length`. Default: 12.
        """
        self.length, self.shortest, self.least = length, shortest, least
        self._passages: set[str] = set()
        self._whole: set[str] = set()
        self._short: dict[int, set[str]] = {}  # by their length

    def add(self, texts: Iterable[str]) -> None:
        """Add texts.

        texts (Iterable[str]): Such as the sentences of a data set.
        """
        for text in texts:
            words = normal_words(text)
            letters = "".join(words)
            self._whole.add(letters)
            size = sum(map(_size, letters))
            if len(words) < self.shortest or size < self.least:
                continue
            if size < self.length:
                self._short.setdefault(len(letters), set()).add(letters)
                continue
            starts = set(_starts(words))
            for start, passage in self._passages_of(letters):
                if start in starts:
                    self._passages.add(passage)

    def has(self, text: str) -> bool:
        """Check whether a text shares a passage with a known one.

        text (str): The text.
        """
        words = normal_words(text)
        letters = "".join(words)
        if letters in self._whole:
            return True
        if any(passage in self._passages for _, passage in self._passages_of(letters)):
            return True
        return any(
            letters[start : start + n] in short
            for start in _starts(words)
            for n, short in self._short.items()
        )

    def _passages_of(self, letters: str) -> Iterator[tuple[int, str]]:
        """The passages of the least size, one from each position where there is one."""
        end = size = 0
        for start, letter in enumerate(letters):
            while size < self.length and end < len(letters):
                size += _size(letters[end])
                end += 1
            if size < self.length:
                return
            yield start, letters[start:end]
            size -= _size(letter)


def _size(letter: str) -> int:
    return _LETTERS_OF_ONE if is_unspaced(letter) else 1


def _starts(words: list[str]) -> Iterator[int]:
    start = 0
    for word in words:
        yield start
        start += len(word)
