"""Same words: where the words of candidates are annotated, in corrections and in the
store, and as what.

Candidates with equally many words are compared at once, so that a text with many of
them costs little more than one with few.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..types import TokenBatch
from .borders import Orthography, is_part_in_headline, words_beside
from .capitals import is_same_writing, writing
from .occurrences import Candidate, nearest_occurrences, token_distances
from .phrase_index import PhraseIndex

NONE, OTHER = -1, -2  # readings of a phrase: no entity; a part of one, or several
# The word beside a candidate: it does not go on with any; it is seen nowhere. The
# entity around it: none that is sure.
_ENDS, _UNSEEN, _NO_ENTITY = -2, -3, -3


@dataclass(frozen=True)
class Evidence:
    """The annotated occurrences of the words of candidates that may vote: candidate by
    candidate, those of corrections, then those of the store.

    candidates (list[Candidate]): With equally many words; each has a correction.
    of (ndarray): The candidate of each occurrence, shape (n,).
    postings (ndarray): `POSTING`s, shape (n, n_words).
    readings (ndarray): What each is annotated as: the number of a label, or `NONE`,
        shape (n,).
    in_store (ndarray): Shape (n,), bool.
    distances (ndarray): Of each word, shape (n, n_words); NaN without vectors.
    """

    candidates: list[Candidate]
    of: np.ndarray
    postings: np.ndarray
    readings: np.ndarray
    in_store: np.ndarray
    distances: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """The first occurrence of each candidate, shape (n_candidates,)."""
        return np.flatnonzero(np.diff(self.of, prepend=-1))

    @property
    def tokens(self) -> np.ndarray:
        """The tokens of the candidates, shape (n, n_words)."""
        return _tokens(self.candidates)[self.of]

    @cached_property
    def far(self) -> np.ndarray:
        """Distance of each phrase: the mean of its words', shape (n,)."""
        known = np.isfinite(self.distances)
        sums = np.where(known, self.distances, 0.0).sum(axis=1)
        return sums / np.maximum(known.sum(axis=1), 1)


@dataclass(frozen=True)
class SameWords:
    """Finds the annotated occurrences of candidates.

    datastore (Datastore): With the corrections.
    phrases (dict[str, PhraseIndex]): Of both parts of the datastore.
    metric (str): One of `distances.METRICS`.
    orthography (Orthography): Of the texts.
    left_out (tuple[ndarray, ndarray] | None): See `CorrectionMatcher`.
    """

    datastore: Datastore
    phrases: dict[str, PhraseIndex]
    metric: str
    orthography: Orthography
    left_out: tuple[np.ndarray, np.ndarray] | None

    def find(
        self, candidates: Iterable[Candidate], batch: TokenBatch
    ) -> Iterator[Evidence]:
        """Find the occurrences of candidates that a correction has the words of.

        candidates (Iterable[Candidate]): Spans of the batch.
        batch (TokenBatch): The tokens.
        YIELDS (Evidence): Of candidates with one word, with two, and so on.
        """
        by_length: dict[int, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            by_length[len(candidate.tokens)].append(candidate)
        for _, alike in sorted(by_length.items()):
            evidence = self._of_corrections(alike, batch)
            if evidence:
                yield self._with_store(evidence, batch)

    def _of_corrections(
        self, candidates: list[Candidate], batch: TokenBatch
    ) -> Evidence | None:
        found = self._occurrences(candidates, CORRECTIONS)
        of = np.repeat(np.arange(len(candidates)), [len(each) for each in found])
        postings = np.concatenate(found)
        readings = self.readings(postings, CORRECTIONS)
        fits = self._fit(candidates, of, postings, readings) & (readings != OTHER)
        kept, starts = np.unique(of[fits], return_index=True)
        if not len(kept):
            return None
        corrected = [candidates[i] for i in kept.tolist()]
        found = np.split(postings[fits], starts[1:])
        return self._compared(corrected, found, batch, CORRECTIONS)

    def _with_store(self, evidence: Evidence, batch: TokenBatch) -> Evidence:
        if not len(self.datastore.store):
            return evidence
        candidates = evidence.candidates
        found = self._occurrences(candidates, STORE)
        if self.left_out is not None:
            of_key, of_row = self.left_out
            for i, candidate in enumerate(candidates):
                key = np.searchsorted(batch.keys.tokens, candidate.tokens[0])
                found[i] = found[i][of_key[key] != of_row[found[i]["row"][:, 0]]]
        stored = self._compared(candidates, found, batch, STORE)
        of = np.concatenate((evidence.of, stored.of))
        order = np.argsort(of, kind="stable")  # corrections before the store
        columns = ("postings", "readings", "in_store", "distances")
        joined = (
            np.concatenate((getattr(evidence, name), getattr(stored, name)))[order]
            for name in columns
        )
        return Evidence(candidates, of[order], *joined)

    def _occurrences(self, candidates: list[Candidate], part: str) -> list[np.ndarray]:
        """All occurrences of each candidate's words in a table."""
        phrases = self.phrases[part]
        known = {
            words: phrases.occurrences(words)
            for words in {candidate.lower for candidate in candidates}
        }
        return [known[candidate.lower] for candidate in candidates]

    def _compared(
        self,
        candidates: list[Candidate],
        found: list[np.ndarray],
        batch: TokenBatch,
        part: str,
    ) -> Evidence:
        """The nearest occurrences of each candidate, with their distances."""
        table, metric = self.datastore.tables[part], self.metric
        found = [
            nearest_occurrences(each, table, batch, candidate.tokens, metric)
            for each, candidate in zip(found, candidates, strict=True)
        ]
        postings = np.concatenate(found)
        of = np.repeat(np.arange(len(found)), [len(each) for each in found])
        readings = self.readings(postings, part)
        whole = readings != OTHER
        of, postings, readings = of[whole], postings[whole], readings[whole]
        tokens = _tokens(candidates)[of]
        distances = token_distances(postings, table, batch, tokens, metric)
        in_store = np.full(len(of), part == STORE)
        return Evidence(candidates, of, postings, readings, in_store, distances)

    def _fit(
        self,
        candidates: list[Candidate],
        of: np.ndarray,
        postings: np.ndarray,
        readings: np.ndarray,
    ) -> np.ndarray:
        """Whether occurrences in corrections end where their candidates end, are
        written alike, and do not contradict what is sure. Shape (n,), bool."""
        ids = self.phrases[CORRECTIONS].ids
        beside = np.full((len(candidates), 2), _ENDS)
        written = np.zeros((len(candidates), postings.shape[1]), dtype=int)
        is_part = np.zeros(len(candidates), dtype=bool)
        inside = np.full(len(candidates), _NO_ENTITY)
        labels = {label: i for i, label in enumerate(self.datastore.tag_set.labels)}
        for i, candidate in enumerate(candidates):
            place = candidate.text, candidate.start, candidate.end
            first, last, label = candidate.entity or (0, 0, "")
            is_longer = last - first > candidate.end - candidate.start
            exact = "" if is_longer else label
            words = words_beside(*place, self.orthography, exact)
            for side, word in enumerate((words.left, words.right)):
                if word:
                    seen = ids([word])[0]
                    beside[i, side] = seen if seen >= 0 else _UNSEEN
            positions = range(candidate.start, candidate.end)
            written[i] = [writing(candidate.text, position) for position in positions]
            is_part[i] = is_longer and is_part_in_headline(*place, (first, last))
            if is_longer and candidate.is_sure:
                inside[i] = labels.get(label, _NO_ENTITY)
        left, right = beside[of].T
        fits: np.ndarray = (left == _ENDS) | (postings["left"][:, 0] == left)
        fits &= (right == _ENDS) | (postings["right"][:, -1] == right)
        fits &= is_same_writing(postings["writing"], written[of]).all(axis=1)
        fits &= readings != inside[of]
        return fits & ~is_part[of]

    def readings(self, postings: np.ndarray, part: str) -> np.ndarray:
        """Look up what occurrences are annotated as.

        postings (ndarray): From `PhraseIndex.occurrences`, shape (n, n_words).
        part (str): Of the datastore.
        RETURNS (ndarray): The number of a label, `NONE` or `OTHER`, shape (n,).
        """
        tags = self.datastore.tables[part].tags.take(postings["row"])
        readings = np.full(len(postings), OTHER)
        readings[(tags == 0).all(axis=1)] = NONE
        labels = self.datastore.tag_set.whole_entities(tags)
        whole = (labels >= 0) & ~postings["goes_on"][:, -1]
        readings[whole] = labels[whole]
        return readings


def _tokens(candidates: list[Candidate]) -> np.ndarray:
    return np.stack([candidate.tokens for candidate in candidates])
