"""The phrase index: where words occur in the examples of a table."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from ..datastore.blocks import Blocks
from ..datastore.entries import EntryTable
from ..datastore.examples import ExampleStore
from ..types import AnnotatedText

# A token of an example that has entries: its word, the number of words before it
# (whitespace is none), and the rows of its entries.
POSTING = np.dtype(
    [
        ("word", "<i8"),
        ("example_id", "<i8"),
        ("position", "<i8"),
        ("row", "<i8"),
        ("n_rows", "<i8"),
    ]
)
WordIds = tuple[int, ...]


class PhraseIndex:
    """The words of a table's examples, in lower case, and which of them are entities.

    It grows with its table: see `update`.
    """

    def __init__(self, table: EntryTable) -> None:
        """table (EntryTable): Whose examples are indexed."""
        self.table = table
        self._clear()

    def _clear(self) -> None:
        self._version, self._n_rows = self.table.version, 0
        self._word_ids: dict[str, int] = {}
        self._postings = Blocks(POSTING)
        self._postings_of: dict[int, list[int]] = {}
        # By their first word; and the first row of each mention.
        self._entities: dict[int, dict[WordIds, list[int]]] = {}

    def update(self, examples: ExampleStore) -> None:
        """Index the rows that are new.

        examples (ExampleStore): The texts.
        """
        if self._version != self.table.version:
            self._clear()
        n_rows = len(self.table.removed)
        if self._n_rows == n_rows:
            return
        entries = np.asarray(self.table.entries.part(self._n_rows, n_rows))
        # With one key per word piece, a token has several entries.
        starts = np.diff(entries["example_id"], prepend=-1) != 0
        firsts = np.flatnonzero(starts | (np.diff(entries["token"], prepend=-1) != 0))
        new = np.zeros(len(firsts), dtype=POSTING)
        new["example_id"] = entries["example_id"][firsts]
        new["row"] = self._n_rows + firsts
        new["n_rows"] = np.diff(np.append(firsts, len(entries)))
        tokens, rows = entries["token"][firsts].tolist(), new["row"].tolist()
        bounds = [*np.flatnonzero(starts[firsts]).tolist(), len(firsts)]
        words, positions = [-1] * len(firsts), [-1] * len(firsts)
        for start, end in pairwise(bounds):
            text = _text_of(examples, int(new["example_id"][start]))
            if text is not None:
                word_of = self._words(text)
                row_of = dict(zip(tokens[start:end], rows[start:end], strict=True))
                self._add_entities(text, word_of, row_of)
                for i in range(start, end):
                    words[i], positions[i] = word_of[tokens[i]]
        new["word"], new["position"] = words, positions
        for i, word in enumerate(words, start=len(self._postings)):
            if word >= 0:
                self._postings_of.setdefault(word, []).append(i)
        self._postings.append(new)
        self._n_rows = n_rows

    def _words(self, text: AnnotatedText) -> dict[int, tuple[int, int]]:
        """The id and the position of each word, by token."""
        found = {}
        for position, i in enumerate(visible_words(text.words)):
            word = text.words[i].lower()
            word_id = self._word_ids.setdefault(word, len(self._word_ids))
            found[i] = word_id, position
        return found

    def _add_entities(
        self,
        text: AnnotatedText,
        word_of: dict[int, tuple[int, int]],
        row_of: dict[int, int],
    ) -> None:
        for start, end, _ in text.entities:
            rows = [row_of[i] for i in range(start, end) if i in row_of]
            if rows:
                entity = tuple(word_of[i][0] for i in range(start, end) if i in word_of)
                known = self._entities.setdefault(entity[0], {})
                known.setdefault(entity, []).append(rows[0])

    def _ids(self, words: Sequence[str]) -> WordIds:
        """The ids of words in lower case; −1 for those that no example has."""
        return tuple(self._word_ids.get(word, -1) for word in words)

    def entities_in(self, words: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Find where the words of an entity occur in a text.

        words (Sequence[str]): Of a text, in lower case and without whitespace.
        YIELDS (tuple[int, int]): First word, and the word after the last.
        """
        ids = self._ids(words)
        for start, word in enumerate(ids):
            for entity, rows in self._entities.get(word, {}).items():
                end = start + len(entity)
                if ids[start:end] == entity and not self.table.removed[rows].all():
                    yield start, end

    def occurrences(self, words: Sequence[str]) -> np.ndarray:
        """Find where words follow each other in examples.

        words (Sequence[str]): In lower case, without whitespace.
        RETURNS (ndarray): `POSTING`s, shape (n_occurrences, len(words)).
        """
        ids = self._ids(words)
        if -1 in ids:
            return np.zeros((0, len(words)), dtype=POSTING)
        rarest = min(
            range(len(ids)), key=lambda i: len(self._postings_of.get(ids[i], ()))
        )
        around = self._postings_of.get(ids[rarest], [])
        first = np.array(around, dtype=np.int64) - rarest
        first = first[(first >= 0) & (first + len(ids) <= len(self._postings))]
        postings = self._postings.take(first[:, None] + np.arange(len(ids)))
        same = (postings["word"] == np.array(ids)).all(axis=1)
        same &= (postings["example_id"] == postings["example_id"][:, :1]).all(axis=1)
        expected = postings["position"][:, :1] + np.arange(len(ids))
        return postings[same & (postings["position"] == expected).all(axis=1)]


def _text_of(examples: ExampleStore, example_id: int) -> AnnotatedText | None:
    try:
        return examples.get(example_id).annotated
    except KeyError:
        return None  # forgotten


def visible_words(words: Sequence[str]) -> list[int]:
    """List the tokens that are words, and not whitespace."""
    return [i for i, word in enumerate(words) if not word.isspace()]
