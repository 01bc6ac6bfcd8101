"""Borders: where a phrase seems to go on, it is a part of a longer one.

"cancer" that was taught stands in "breast cancer" too, and "Washington" in "Washington
Post". The longer phrase is another thing, unless the word beside it is the same as in
the sentence that was taught. The rules use the words alone, so they hold for every
pipeline.
"""

from collections.abc import Set
from dataclasses import dataclass

_AROUND = 8  # words to either side that show whether everything is capitalized


@dataclass(frozen=True)
class Beside:
    """The words by which a phrase seems to go on, in lower case; "" where it ends.

    left, right (str): Before its first word, and behind its last one.
    """

    left: str = ""
    right: str = ""


def words_beside(
    words: list[str], start: int, end: int, stop_words: Set[str]
) -> Beside:
    """Find the words by which a phrase seems to go on.

    A capitalized phrase goes on with another capitalized word on either side. A phrase
    in lower case goes on to the left, with any word that is no stop word: there stands
    what narrows it down. Where everything is capitalized, as in headlines, and in
    scripts without capitals, nothing can be told.

    words (list[str]): Of the text, without whitespace.
    start, end (int): The phrase.
    stop_words (Set[str]): Of the language, in lower case.
    RETURNS (Beside): The words beside it.
    """
    first, last = words[start], words[end - 1]
    if is_headline(words, start, end):
        return Beside()
    before = words[start - 1] if start > 0 else ""
    behind = words[end] if end < len(words) else ""
    narrows = is_capitalized if is_capitalized(first) else _is_word
    left = before.lower() if _has_case(first) and narrows(before) else ""
    right = behind.lower() if is_capitalized(last) and is_capitalized(behind) else ""
    return Beside(
        "" if left in stop_words else left, "" if right in stop_words else right
    )


def is_capitalized(word: str) -> bool:
    """Check whether a word begins with a capital letter."""
    return word[:1].isupper()


def is_headline(words: list[str], start: int, end: int) -> bool:
    """Check whether most words around a phrase are in capitals throughout.

    words, start, end: As for `words_beside`.
    """
    around = words[max(0, start - _AROUND) : end + _AROUND]
    long = [word for word in around if len(word) > 1 and word.isalpha()]
    return len(long) > 1 and sum(map(str.isupper, long)) > 0.6 * len(long)


def _has_case(word: str) -> bool:
    return word.lower() != word.upper()


def _is_word(word: str) -> bool:
    return _has_case(word) and not word[0].isdigit()
