"""Texts that must not come back as contexts: the sentence itself, and what a model is
tested with."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from ..ml.contexts.views import unspaced_kind, words_of

Run = tuple[str, ...]

# "do n't" of tokenized text is "don't".
_BEFORE_CONTRACTION = re.compile(r"\s+(?=n['’]t\b|['’](?:s|re|ve|ll|d|m)\b)")
# What a character counts where it is a word for want of spaces.
_SHARES = {None: 1.0, "east": 0.5, "southeast": 0.25}


def normal_words(text: str) -> Run:
    """List the words of a text without case, punctuation, invisible characters and
    variants of characters (NFKC).

    text (str): The text.
    RETURNS (tuple[str, ...]): Words of letters and digits; see `words_of`.
    """
    if not text.isascii():
        folded = unicodedata.normalize("NFKC", text).casefold()
        text = unicodedata.normalize("NFKC", folded)
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = _BEFORE_CONTRACTION.sub("", text.casefold()).replace("_", " ")
    return tuple(word for word in words_of(text).words if word[0].isalnum())


class KnownTexts:
    """Texts that share a passage with one of these are not used as contexts: as many
    words in a row as `length`, or all words of a shorter text. A text of fewer words
    than `shortest` is only known where it stands alone: "London" is in many.

    In scripts without spaces, two characters count as a word (Chinese, Japanese,
    Korean), or four (Thai, Lao, Burmese, Khmer).
    """

    def __init__(self, length: int = 8, shortest: int = 4) -> None:
        """length (int), shortest (int): In words. Default: 8 and 4."""
        self.length, self.shortest = length, shortest
        self._runs: set[Run] = set()
        self._whole: set[Run] = set()
        self._short: dict[int, set[Run]] = {}  # by their number of words

    def add(self, texts: Iterable[str]) -> None:
        """Add texts.

        texts (Iterable[str]): Such as the sentences of a data set.
        """
        for text in texts:
            words = normal_words(text)
            self._whole.add(words)
            runs = list(self._runs_of(words))
            if runs:
                self._runs.update(runs)
            elif sum(map(_share, words)) >= self.shortest:
                self._short.setdefault(len(words), set()).add(words)

    def has(self, text: str) -> bool:
        """Check whether a text shares a passage with a known one.

        text (str): The text.
        """
        words = normal_words(text)
        if words in self._whole:
            return True
        if any(run in self._runs for run in self._runs_of(words)):
            return True
        return any(
            words[i : i + n] in short
            for n, short in self._short.items()
            for i in range(len(words) - n + 1)
        )

    def _runs_of(self, words: Run) -> Iterator[Run]:
        """From each word, as many as count for `length`; none where the text ends."""
        shares = [_share(word) for word in words]
        end, size = 0, 0.0
        for start, share in enumerate(shares):
            while size < self.length and end < len(words):
                size += shares[end]
                end += 1
            if size < self.length:
                return
            yield words[start:end]
            size -= share


def _share(word: str) -> float:
    return _SHARES[unspaced_kind(word[0])]
