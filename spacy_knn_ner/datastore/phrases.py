"""Where the words of corrections stand, so that the same words can be recognised."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from ..ty import LabelledText
from .blocks import Blocks
from .tier import Tier

# A token of an example that has entries: its word, how many words stand before it
# (whitespace is none), and the rows of its entries.
PLACE = np.dtype(
    [
        ("word", "<i8"),
        ("example_id", "<i8"),
        ("position", "<i8"),
        ("row", "<i8"),
        ("n_rows", "<i8"),
    ]
)
Words = tuple[int, ...]


class Phrases:
    """The words of a tier's examples, in lower case, and which of them are entities.

    It grows with its tier: see `extend`.
    """

    def __init__(self, tier: Tier) -> None:
        """tier (Tier): Whose examples."""
        self.tier = tier
        self._version, self._n_rows = tier.version, 0
        self._numbers: dict[str, int] = {}
        self._places = Blocks(PLACE)
        self._places_of: dict[int, list[int]] = {}
        # By their first word; and a row for each time that somebody said so.
        self._entities: dict[int, dict[Words, list[int]]] = {}

    def fits(self, tier: Tier) -> bool:
        """Whether this is about the rows of a tier, or the first of them."""
        return self.tier is tier and self._version == tier.version

    def extend(self, text_of: Callable[[int], LabelledText | None]) -> None:
        """Look at the rows that are new.

        text_of (Callable[[int], LabelledText | None]): An example's text; None if it
            is gone.
        """
        n_rows = len(self.tier.entries)
        entries = np.asarray(self.tier.entries.part(self._n_rows, n_rows))
        if not len(entries):
            return
        # With one key per word piece, a token has several entries.
        starts = np.diff(entries["example_id"], prepend=-1) != 0
        firsts = np.flatnonzero(starts | (np.diff(entries["token"], prepend=-1) != 0))
        new = np.zeros(len(firsts), dtype=PLACE)
        new["example_id"] = entries["example_id"][firsts]
        new["row"] = self._n_rows + firsts
        new["n_rows"] = np.diff(np.append(firsts, len(entries)))
        tokens, rows = entries["token"][firsts].tolist(), new["row"].tolist()
        bounds = [*np.flatnonzero(starts[firsts]).tolist(), len(firsts)]
        words, positions = [-1] * len(firsts), [-1] * len(firsts)
        for start, end in pairwise(bounds):
            text = text_of(int(new["example_id"][start]))
            if text is not None:
                of_words = self._words(text)
                row_of = dict(zip(tokens[start:end], rows[start:end], strict=True))
                self._add_entities(text, of_words, row_of)
                for i in range(start, end):
                    words[i], positions[i] = of_words[tokens[i]]
        new["word"], new["position"] = words, positions
        for i, word in enumerate(words, start=len(self._places)):
            if word >= 0:
                self._places_of.setdefault(word, []).append(i)
        self._places.append(new)
        self._n_rows = n_rows

    def _words(self, text: LabelledText) -> dict[int, tuple[int, int]]:
        """The number of each word, and how many stand before it, by token."""
        found = {}
        for position, i in enumerate(visible_words(text.words)):
            word = text.words[i].lower()
            number = self._numbers.setdefault(word, len(self._numbers))
            found[i] = number, position
        return found

    def _add_entities(
        self,
        text: LabelledText,
        of_words: dict[int, tuple[int, int]],
        row_of: dict[int, int],
    ) -> None:
        for start, end, _ in text.entities:
            rows = [row_of[i] for i in range(start, end) if i in row_of]
            if rows:
                entity = tuple(
                    of_words[i][0] for i in range(start, end) if i in of_words
                )
                known = self._entities.setdefault(entity[0], {})
                known.setdefault(entity, []).append(rows[0])

    def _known(self, words: Sequence[str]) -> Words:
        """The numbers of words in lower case; −1 for those that no example has."""
        return tuple(self._numbers.get(word, -1) for word in words)

    def entities_in(self, words: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Where the words of an entity stand in a text.

        words (Sequence[str]): Of a text, in lower case and without whitespace.
        YIELDS (tuple[int, int]): First word, and the word after the last.
        """
        numbers = self._known(words)
        for start, word in enumerate(numbers):
            for entity, rows in self._entities.get(word, {}).items():
                end = start + len(entity)
                if numbers[start:end] == entity and self._is_there(rows):
                    yield start, end

    def _is_there(self, rows: list[int]) -> bool:
        entries = self.tier.entries.take(np.array(rows))
        return not entries["forgotten"].all()

    def occurrences(self, words: Sequence[str]) -> np.ndarray:
        """Where some words stand one after the other in examples.

        words (Sequence[str]): In lower case, without whitespace.
        RETURNS (ndarray): `PLACE`s, shape (n_occurrences, len(words)).
        """
        numbers = self._known(words)
        if -1 in numbers:
            return np.zeros((0, len(words)), dtype=PLACE)
        rarest = min(
            range(len(numbers)), key=lambda i: len(self._places_of.get(numbers[i], ()))
        )
        around = self._places_of.get(numbers[rarest], [])
        first = np.array(around, dtype=np.int64) - rarest
        first = first[(first >= 0) & (first + len(numbers) <= len(self._places))]
        places = self._places.take(first[:, None] + np.arange(len(numbers)))
        same = (places["word"] == np.array(numbers)).all(axis=1)
        same &= (places["example_id"] == places["example_id"][:, :1]).all(axis=1)
        follow = places["position"] == places["position"][:, :1] + np.arange(
            len(numbers)
        )
        return places[same & follow.all(axis=1)]


def visible_words(words: Sequence[str]) -> list[int]:
    """Which tokens are words, and not whitespace."""
    return [i for i, word in enumerate(words) if not word.isspace()]
