"""What was taught: the phrases and the sentences of corrections, by their words."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..types import AnnotatedText
from .texts import visible_text

WordIds = tuple[int, ...]
_FEW = 5  # words of a text that may be named as no entity as a whole


@dataclass(frozen=True)
class Sentence:
    """The sentence of a correction.

    example_id (int): The correction.
    row_of (dict[int, int]): Token → its first row, of those that have entries.
    """

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
        # By their words; and how long those are that begin with a word.
        self._sentences: dict[WordIds, list[Sentence]] = {}
        self._lengths: dict[int, set[int]] = {}

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
        alike = self._sentences.setdefault(sentence, [])
        alike.append(Sentence(example_id, row_of))
        self._lengths.setdefault(sentence[0], set()).add(len(sentence))

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
        for start, word in enumerate(ids):
            for length in self._lengths.get(word, ()):
                for sentence in self._sentences.get(ids[start : start + length], ()):
                    if not removed[list(sentence.row_of.values())].all():
                        yield start, sentence


def no_entities(text: AnnotatedText) -> list[tuple[int, int]]:
    """List the phrases that were named as no entity: the runs of tokens that are
    annotated as `O`, in a text where as many or more have no annotation; and a whole
    text of a few words. (In one that is annotated throughout, such runs only end at
    entities.)

    text (AnnotatedText): The text.
    RETURNS (list[tuple[int, int]]): First token, and the token after the last.
    """
    visible = visible_text(text.words).tokens
    missing = set(text.missing)
    others = {i for start, end, _ in text.entities for i in range(start, end)} | missing
    outside = [i for i, token in enumerate(visible) if token not in others]
    is_all = len(outside) == len(visible)
    most = _FEW if is_all else len(missing.intersection(visible))
    if not outside or len(outside) > most:
        return []
    breaks = [i for i, (a, b) in enumerate(pairwise(outside), 1) if b != a + 1]
    bounds = pairwise([0, *breaks, len(outside)])
    return [(visible[outside[i]], visible[outside[j - 1]] + 1) for i, j in bounds]
