"""The phrase index: where words occur in the examples of a table."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..datastore.blocks import Blocks
from ..datastore.entries import EntryTable
from ..datastore.examples.base import Examples
from ..types import AnnotatedText
from .capitals import Writing, writing
from .taught import Taught, WordIds
from .texts import visible_text

# A token of an example that has entries: its word and those beside it on its line, the
# number of words before it (whitespace is none), its `Writing` in corrections, whether
# its entity goes on behind it, and the rows of its entries.
POSTING = np.dtype(
    [
        ("word", "<i8"),
        ("left", "<i8"),
        ("right", "<i8"),
        ("example_id", "<i8"),
        ("position", "<i8"),
        ("writing", "i1"),
        ("goes_on", "?"),
        ("row", "<i8"),
        ("n_rows", "<i8"),
    ]
)
_OF_TEXT = ("word", "left", "right", "position", "writing", "goes_on")


class PhraseIndex:
    """The words of a table's examples, in lower case. It grows with its table: see
    `update`.

    table (EntryTable): Whose examples are indexed.
    taught (Taught): The phrases and sentences that were taught, of corrections.
    """

    def __init__(self, table: EntryTable, *, of_corrections: bool = False) -> None:
        """table (EntryTable): Whose examples are indexed.
        of_corrections (bool): Whether they are corrections. Default: False.
        """
        self.table, self.of_corrections = table, of_corrections
        self._clear()

    def _clear(self) -> None:
        self._version, self._n_rows = self.table.rows.version, 0
        self._word_ids: dict[str, int] = {}
        self._postings = Blocks(POSTING)
        self._postings_of: dict[int, list[int]] = {}
        self.taught = Taught()
        self._pairs: set[tuple[int, int]] = set()  # neighboring words, of corrections

    def update(self, examples: Examples) -> None:
        """Index the rows that are new.

        examples (Examples): The texts.
        """
        if self._version != self.table.rows.version:
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
        columns = {name: [-1] * len(firsts) for name in _OF_TEXT}
        known = examples.each(new["example_id"][bounds[:-1]].tolist())
        for example, (start, end) in zip(known, pairwise(bounds), strict=True):
            if example is not None:  # not forgotten
                text = example.annotated
                word_of = self._words(text)
                row_of = dict(zip(tokens[start:end], rows[start:end], strict=True))
                if self.of_corrections:
                    self.taught.add(
                        int(new["example_id"][start]),
                        text,
                        {i: word["word"] for i, word in word_of.items()},
                        row_of,
                    )
                    ids = [word["word"] for word in word_of.values()]
                    self._pairs.update(pairwise(ids))
                for i in range(start, end):
                    for name, value in word_of[tokens[i]].items():
                        columns[name][i] = value
        for name, values in columns.items():
            new[name] = values
        for i, word in enumerate(columns["word"], start=len(self._postings)):
            if word >= 0:
                self._postings_of.setdefault(word, []).append(i)
        self._postings.append(new)
        self._n_rows = n_rows

    def _words(self, text: AnnotatedText) -> dict[int, dict[str, int]]:
        """What a posting has of each word, by token."""
        visible = visible_text(text.words)
        ids = [
            self._word_ids.setdefault(word.lower(), len(self._word_ids))
            for word in visible.words
        ]
        inside = {i for start, end, _ in text.entities for i in range(start, end - 1)}
        found = {}
        for position, token in enumerate(visible.tokens):
            first, last = visible.line(position, position + 1)
            written = Writing.ANY
            if self.of_corrections:
                written = writing(visible.words[first:last], position - first)
            found[token] = {
                "word": ids[position],
                "left": ids[position - 1] if position > first else -1,
                "right": ids[position + 1] if position + 1 < last else -1,
                "position": position,
                "writing": int(written),
                "goes_on": token in inside,
            }
        return found

    def ids(self, words: Sequence[str]) -> WordIds:
        """Look up the ids of words.

        words (Sequence[str]): In lower case.
        RETURNS (WordIds): −1 for a word that no example has.
        """
        return tuple(self._word_ids.get(word, -1) for word in words)

    def may_have(self, ids: WordIds) -> bool:
        """Check whether words may follow each other in a correction; if not, they do
        not.

        ids (WordIds): From `ids`.
        """
        known = all(word in self._postings_of for word in ids)
        return known and self._pairs.issuperset(pairwise(ids))

    def same_words(self, n: int) -> np.ndarray:
        """Pair occurrences of the same word in different examples.

        n (int): At most so many pairs, of as many words.
        RETURNS (ndarray): Their first rows, shape (n_pairs, 2).
        """
        ends = [(i[0], i[-1]) for i in self._postings_of.values() if len(i) > 1]
        pairs = np.array(ends, dtype=np.int64).reshape(-1, 2)
        postings = self._postings.take(pairs)
        apart = postings["example_id"][:, 0] != postings["example_id"][:, 1]
        rows = postings["row"][apart & ~self.table.removed[postings["row"]].any(axis=1)]
        if len(rows) > n:
            rows = rows[np.linspace(0, len(rows) - 1, n).astype(int)]
        return rows

    def occurrences(self, words: Sequence[str]) -> np.ndarray:
        """Find where words follow each other in examples that are not removed.

        words (Sequence[str]): In lower case, without whitespace.
        RETURNS (ndarray): `POSTING`s, shape (n_occurrences, len(words)).
        """
        ids = self.ids(words)
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
        same &= (postings["position"] == expected).all(axis=1)
        return postings[same & ~self.table.removed[postings["row"]].any(axis=1)]
