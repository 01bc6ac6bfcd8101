"""Known texts: a sentence must not be read together with itself, or with the data it is
tested with."""

import unicodedata
from collections.abc import Iterable

from ..ml.contexts.views import words_of

Run = tuple[str, ...]


def normal_words(text: str) -> Run:
    """List the words of a text without case, punctuation and variants of characters
    (NFKC)."""
    words = words_of(unicodedata.normalize("NFKC", text).casefold()).words
    return tuple(word for word in words if word[0].isalnum())


class KnownTexts:
    """Texts that share a passage with one of these are not used as contexts: as many
    words in a row as `length`, or all words of a shorter text. A text of fewer than
    `shortest` words is only known where it stands alone: "London" is in many.
    """

    def __init__(self, length: int = 8, shortest: int = 4) -> None:
        """length (int), shortest (int): In words. Default: 8 and 4."""
        self.length, self.shortest = length, shortest
        self._runs: set[Run] = set()
        self._whole: set[Run] = set()
        self._lengths: set[int] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Add texts.

        texts (Iterable[str]): Such as the sentences of a data set.
        """
        for text in texts:
            words = normal_words(text)
            self._whole.add(words)
            if len(words) >= self.shortest:
                n = min(len(words), self.length)
                self._lengths.add(n)
                self._runs.update(_runs(words, n))

    def has(self, text: str) -> bool:
        """Check whether a text shares a passage with a known one.

        text (str): The text.
        """
        words = normal_words(text)
        if words in self._whole:
            return True
        return any(run in self._runs for n in self._lengths for run in _runs(words, n))


def _runs(words: Run, n: int) -> Iterable[Run]:
    return (words[i : i + n] for i in range(len(words) - n + 1))
