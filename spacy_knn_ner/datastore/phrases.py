"""Where the words of corrections stand, so that the same words can be recognised."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

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
        entries = self.tier.entries.part(self._n_rows, len(self.tier.entries))
        if not len(entries):
            return
        starts = np.flatnonzero(np.diff(entries["example_id"], prepend=-1))
        ends = np.append(starts[1:], len(entries))
        for start, end in zip(starts, ends, strict=True):
            text = text_of(int(entries["example_id"][start]))
            if text is not None:
                self._add(entries[start:end], self._n_rows + int(start), text)
        self._n_rows += len(entries)

    def _add(self, entries: np.ndarray, row: int, text: LabelledText) -> None:
        visible = visible_words(text.words)
        words = [
            self._numbers.setdefault(text.words[i].lower(), len(self._numbers))
            for i in visible
        ]
        rows_of = range(row, row + len(entries))
        row_of = dict(zip(entries["token"].tolist(), rows_of, strict=True))
        for start, end, _ in text.entities:
            rows = [row_of[i] for i in range(start, end) if i in row_of]
            first, last = bisect_left(visible, start), bisect_left(visible, end)
            entity = tuple(words[first:last])
            if rows:
                known = self._entities.setdefault(entity[0], {})
                known.setdefault(entity, []).append(rows[0])
        # With one key per word piece, a token has several entries.
        firsts = np.flatnonzero(np.diff(entries["token"], prepend=-1))
        new = np.zeros(len(firsts), dtype=PLACE)
        new["position"] = np.searchsorted(visible, entries["token"][firsts])
        new["word"] = np.array(words)[new["position"]]
        new["example_id"] = entries["example_id"][0]
        new["row"] = row + firsts
        new["n_rows"] = np.diff(np.append(firsts, len(entries)))
        for i, word in enumerate(new["word"].tolist(), start=len(self._places)):
            self._places_of.setdefault(word, []).append(i)
        self._places.append(new)

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
