"""Borders: where a phrase seems to go on, it is a part of a longer one.

"cancer" that was taught stands in "breast cancer" too, and "Washington" in "Washington
Post". The longer phrase is another thing, unless the word beside it is the same as in
the sentence that was taught. The rules use the words, so they hold for every pipeline.
What is predicted is used in headlines, where words show nothing, and for the titles of
persons.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from .capitals import is_capitalized, is_headline

_JOINING = ("-", "/")
_PERSON = ("person", "per")  # labels


@dataclass(frozen=True)
class Beside:
    """The words by which a phrase seems to go on, in lower case; "" where it ends.

    left, right (str): Before its first word, and behind its last one.
    """

    left: str = ""
    right: str = ""


@dataclass(frozen=True)
class Orthography:
    """How a language is written.

    stop_words (Set[str]): In lower case.
    code (str): Of the language, such as "en".
    """

    stop_words: Set[str] = field(default_factory=frozenset)
    code: str = ""

    @property
    def capitals_mark_names(self) -> bool:
        """Whether names alone are capitalized in a sentence, and not all nouns."""
        return self.code not in ("de", "lb")


def words_beside(
    words: list[str], start: int, end: int, orthography: Orthography, label: str = ""
) -> Beside:
    """Find the words by which a phrase seems to go on.

    A capitalized phrase goes on with another capitalized word on either side; an
    acronym to its left only with one that is in capitals as well ("Turkish PKU"); a
    person not to the left, where titles stand. A phrase in lower case goes on to the
    left, with any word that is no stop word: there stands what narrows it down; and on
    either side with a hyphen or a slash. Where everything is capitalized, as in
    headlines, and in scripts without capitals, nothing can be told.

    words (list[str]): Of the line, without whitespace.
    start, end (int): The phrase.
    orthography (Orthography): Where all nouns are capitalized, capitals show nothing.
    label (str): Of the entity that is predicted with exactly these words. Default: "".
    RETURNS (Beside): The words beside it.
    """
    first, last = words[start], words[end - 1]
    if is_headline(words, start, end) or not (
        orthography.capitals_mark_names or _is_lower(first)
    ):
        return Beside()
    before = words[start - 1] if start > 0 else ""
    behind = words[end] if end < len(words) else ""
    is_person = label.lower() in _PERSON
    left = not is_person and _goes_on_left(before, words[start:end])
    right = is_capitalized(last) and is_capitalized(behind)
    right |= _is_lower(first) and behind in _JOINING
    before, behind = before.lower(), behind.lower()
    return Beside(
        before if left and before not in orthography.stop_words else "",
        behind if right and behind not in orthography.stop_words else "",
    )


def is_part_in_headline(
    words: list[str], start: int, end: int, around: tuple[int, int]
) -> bool:
    """Check whether a phrase in a headline is a part of a longer name: of a predicted
    entity ("U.S." in "U.S. OPEN"), unless that has numbers or punctuation in it, as
    predictions in tables have.

    words, start, end: As for `words_beside`.
    around (tuple[int, int]): The predicted entity.
    """
    further = words[around[0] : start] + words[end : around[1]]
    is_name = all(word.isalpha() for word in further)
    return is_name and is_headline(words, start, end)


def _goes_on_left(before: str, phrase: list[str]) -> bool:
    first = phrase[0]
    if is_capitalized(first):
        is_acronym = len(phrase) == 1 and len(first) > 1 and first.isalpha()
        is_acronym &= first.isupper()
        return before.isupper() if is_acronym else is_capitalized(before)
    if not _is_lower(first):
        return False
    # "causing cancer", "including cancer": what ends so introduces a phrase.
    return before in _JOINING or (_is_word(before) and not before.endswith("ing"))


def _has_case(word: str) -> bool:
    return word.lower() != word.upper()


def _is_lower(word: str) -> bool:
    return _has_case(word) and not is_capitalized(word)


def _is_word(word: str) -> bool:
    return _has_case(word) and not word[0].isdigit()
