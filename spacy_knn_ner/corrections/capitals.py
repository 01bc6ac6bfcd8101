"""Capitals: whether a word is written as it was where it was taught.

"IT" is no "it", "Apple" no "apple", and "us" no "US". Where everything is in capitals,
and at the start of a sentence, they show less.
"""

from enum import IntEnum

import numpy as np

_AROUND = 8  # words to either side that show whether everything is capitalized
_ENDS = frozenset('.?!…。？！"“”«»')  # of sentences; and quotation marks
_STARTS = _ENDS | frozenset(":;：；'‘’()[]-–—•*")  # capitals may follow them


class Writing(IntEnum):
    """How a word is written.

    `FIRST`: capitalized, but at the start of a sentence, or a single letter.
    `ANY`: in a headline, or of a script without capitals.
    """

    LOWER = 0
    CAPITALIZED = 1
    CAPITALS = 2
    FIRST = 3
    ANY = 4


# Rows: as it was taught; columns: as it stands in a text.
_SAME = np.zeros((len(Writing), len(Writing)), dtype=bool)
_SAME[Writing.LOWER, [Writing.LOWER, Writing.FIRST]] = True
_SAME[Writing.CAPITALIZED, [Writing.CAPITALIZED, Writing.CAPITALS, Writing.FIRST]] = (
    True
)
_SAME[Writing.CAPITALS, [Writing.CAPITALS]] = True
_SAME[[Writing.ANY]] = _SAME[:, Writing.ANY] = True
# What was taught at the start of a sentence counts as capitalized everywhere.
_SAME[Writing.FIRST] = _SAME[Writing.CAPITALIZED]


def is_same_writing(taught: np.ndarray, text: np.ndarray) -> np.ndarray:
    """Check whether words may be the same, by their capitals.

    taught, text (ndarray): `Writing`s, of equal shape.
    RETURNS (ndarray): Of the same shape, bool.
    """
    return _SAME[taught, text]


def writing(words: list[str], i: int) -> Writing:
    """Look at how a word is written.

    words (list[str]): Of the line, without whitespace.
    i (int): The word.
    """
    word = words[i]
    if word.lower() == word.upper():
        return Writing.ANY
    if not is_capitalized(word):
        return Writing.LOWER
    if is_headline(words, i, i + 1):
        return Writing.ANY
    if len(word) > 1 and word.isupper():
        return Writing.CAPITALS
    is_first = i == 0 or words[i - 1] in _STARTS or len(word) == 1
    return Writing.FIRST if is_first else Writing.CAPITALIZED


def is_capitalized(word: str) -> bool:
    """Check whether a word begins with a capital letter."""
    return word[:1].isupper()


def is_headline(words: list[str], start: int, end: int) -> bool:
    """Check whether most words around a phrase are in capitals throughout.

    words (list[str]): Of the line, without whitespace.
    start, end (int): The phrase.
    """
    around = words[max(0, start - _AROUND) : end + _AROUND]
    long = [word for word in around if len(word) > 1 and word.isalpha()]
    return len(long) > 1 and sum(map(str.isupper, long)) > 0.6 * len(long)


def ends_sentence(word: str) -> bool:
    """Check whether a sentence may end with a word, and another begin behind it."""
    return word in _ENDS
