"""What was taught: the phrases and the sentences of corrections, by their words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..types import AnnotatedText

WordIds = tuple[int, ...]
_FIRST = 3  # words by which sentences are found


@dataclass(frozen=True)
class Sentence:
    """The sentence of a correction.

    words (WordIds): Without whitespace.
    example_id (int): The correction.
    row_of (dict[int, int]): Token → its first row, of those that have entries.
    """

    words: WordIds
    example_id: int
    row_of: dict[int, int]


class Taught:
    """Phrases (entities, and what was named as no entity; see `no_entities`) and
    sentences of corrections, as ids of their words in lower case.

    Of each mention the row of an entry is kept: what is removed does not count.
    """

    def __init__(self) -> None:
        """Start without any."""
        # By their first word; and a row of each mention.
        self._phrases: dict[int, dict[WordIds, list[int]]] = {}
        # By their first words.
        self._sentences: dict[WordIds, list[Sentence]] = {}
        self._first_words: set[int] = set()  # of sentences

    def add(
        self,
        example_id: int,
        text: AnnotatedText,
        ids: dict[int, int],
        row_of: dict[int, int],
    ) -> None:
        """Add the phrases and the sentence of a correction.

        example_id (int): The correction.
        text (AnnotatedText): Its annotation.
        ids (dict[int, int]): Token → the id of its word; without whitespace.
        row_of (dict[int, int]): Token → its first row; at least one.
        """
        taught = [(start, end) for start, end, _ in text.entities]
        taught += no_entities(text)
        for start, end in taught:
            rows = [row_of[i] for i in range(start, end) if i in row_of]
            if rows:
                words = tuple(ids[i] for i in range(start, end) if i in ids)
                known = self._phrases.setdefault(words[0], {})
                known.setdefault(words, []).append(rows[0])
        sentence = tuple(ids.values())
        sentences = self._sentences.setdefault(sentence[:_FIRST], [])
        sentences.append(Sentence(sentence, example_id, row_of))
        self._first_words.add(sentence[0])

    def phrases_in(
        self, ids: WordIds, removed: np.ndarray
    ) -> Iterator[tuple[int, int]]:
        """Find where phrases occur in a text.

        ids (WordIds): Of the words of a text, without whitespace.
        removed (ndarray): Which rows are removed, shape (n_rows,), bool.
        YIELDS (tuple[int, int]): First word, and the word after the last.
        """
        for start, word in enumerate(ids):
            for phrase, rows in self._phrases.get(word, {}).items():
                end = start + len(phrase)
                if ids[start:end] == phrase and not removed[rows].all():
                    yield start, end

    def sentences_in(
        self, ids: WordIds, removed: np.ndarray
    ) -> Iterator[tuple[int, "Sentence"]]:
        """Find where sentences occur in a text.

        ids, removed: As for `phrases_in`.
        YIELDS (tuple[int, Sentence]): First word, and the sentence.
        """
        starts = [i for i, word in enumerate(ids) if word in self._first_words]
        for start in starts:
            for n in range(1, min(_FIRST, len(ids) - start) + 1):
                key = ids[start : start + n]
                for sentence in self._sentences.get(key, ()):
                    end = start + len(sentence.words)
                    row = next(iter(sentence.row_of.values()))
                    if ids[start:end] == sentence.words and not removed[row]:
                        yield start, sentence


def no_entities(text: AnnotatedText) -> list[tuple[int, int]]:
    """List the phrases that were named as no entity: in a text that is mostly without
    annotation, the runs of tokens that are annotated as `O`. (In one that is annotated
    throughout, such runs only end at entities.)

    text (AnnotatedText): The text.
    RETURNS (list[tuple[int, int]]): First token, and the token after the last.
    """
    others = {*text.missing}
    if 2 * len(others) < len(text.words):
        return []
    for start, end, _ in text.entities:
        others.update(range(start, end))
    others.update(i for i, word in enumerate(text.words) if word.isspace())
    ends = [-1, *sorted(others), len(text.words)]
    return [(i + 1, j) for i, j in pairwise(ends) if j - i > 1]


def visible_words(words: Sequence[str]) -> list[int]:
    """List the tokens that are words, and not whitespace."""
    return [i for i, word in enumerate(words) if not word.isspace()]
