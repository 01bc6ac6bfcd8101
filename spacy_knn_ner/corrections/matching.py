"""Matching: which corrections apply to which spans of a text, and their votes.

A correction applies where its words occur: those of one of its entities, or those of a
predicted entity that it annotates otherwise. It does not apply where the phrase seems
to go on (borders.py), or beyond the radius. Of several annotations of the same words,
in corrections and in the store, the nearer ones count more, so that one odd annotation
does not outvote what was seen a hundred times. What decides between spans that overlap
is in conflicts.py.
"""

from collections.abc import Set
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.distribution import normalized
from ..settings import Settings
from ..types import CorrectedSpan, Corrections, CorrectionVotes, Matches, TokenBatch
from .borders import is_capitalized, is_part_in_headline, words_beside
from .conflicts import without_overlaps
from .occurrences import Candidate, candidates, nearest_occurrences, token_distances
from .other_words import other_words
from .own_sentences import own_sentences
from .phrase_index import PhraseIndex

_NONE, _OTHER = -1, -2  # readings of a phrase: no entity; a part of one, or several


@dataclass(frozen=True)
class _Evidence:
    """The annotated occurrences of a candidate's words that vote: those of corrections,
    then those of the store.

    postings (ndarray): `POSTING`s, shape (n, n_words).
    readings (ndarray): What each is annotated as: the number of a label, or `_NONE`,
        shape (n,).
    in_store (ndarray): Shape (n,), bool.
    distances (ndarray): Of each word, shape (n, n_words); NaN without vectors.
    """

    postings: np.ndarray
    readings: np.ndarray
    in_store: np.ndarray
    distances: np.ndarray

    @property
    def example_ids(self) -> np.ndarray:
        """Their examples, shape (n,)."""
        return self.postings["example_id"][:, 0]

    @cached_property
    def far(self) -> np.ndarray:
        """Distance of each phrase: the mean of its words', shape (n,)."""
        known = np.isfinite(self.distances)
        sums = np.where(known, self.distances, 0.0).sum(axis=1)
        return sums / np.maximum(known.sum(axis=1), 1)


@dataclass(frozen=True)
class CorrectionMatcher:
    """Finds the corrections that apply, and counts their votes.

    datastore (Datastore): With the corrections.
    phrases (dict[str, PhraseIndex]): Of both parts of the datastore.
    settings (Settings): Of the component.
    stop_words (Set[str]): Of the language, in lower case.
    radius (float | None): Where `corrections.radius` is null: the radius that was found
        in the store; None: no limit.
    left_out (tuple[ndarray, ndarray] | None): A number per key of the batch and one per
        row of the store; where they are equal, the entry does not vote.
    """

    datastore: Datastore
    phrases: dict[str, PhraseIndex]
    settings: Settings
    stop_words: Set[str] = field(default_factory=frozenset)
    radius: float | None = None
    left_out: tuple[np.ndarray, np.ndarray] | None = None

    def near(self, batch: TokenBatch) -> Corrections:
        """Find the corrections that apply to other words; see other_words.py.

        batch (TokenBatch): The tokens.
        RETURNS (Corrections): Votes per token, and no spans.
        """
        return other_words(self.datastore, batch, self.settings)

    def match(self, batch: TokenBatch, tags: np.ndarray) -> Corrections:
        """Find the spans that corrections decide about.

        batch (TokenBatch): The tokens.
        tags (ndarray): Their tags without corrections, shape (n_tokens,).
        RETURNS (Corrections): The spans, with their votes.
        """
        if not len(self.datastore.corrections):
            return Corrections.none(batch)
        phrases = self._updated(CORRECTIONS)
        self._updated(STORE)
        matches = dict(own_sentences(batch, self.datastore, phrases, self.settings))
        for candidate in candidates(batch, tags, phrases):
            evidence = self._evidence(candidate, batch)
            decided = evidence and self._decide(candidate, evidence)
            if evidence and decided:
                span, sizes = decided
                matches[span] = self._pairs(candidate, evidence, sizes)
        if not matches:
            return Corrections.none(batch)
        chosen = without_overlaps(matches)
        voting = Matches.concatenate([matches[span] for span in chosen])
        return Corrections(chosen, voting, self._votes(batch, chosen, voting))

    @property
    def only_same_words_decide(self) -> bool:
        """Whether only the words of a text decide if anything changes: there is no
        store, and corrections do not apply to other words."""
        if len(self.datastore.store):
            return False
        other_words = self.settings.corrections.other_words_radius > 0
        return not (other_words and len(self.datastore.corrections))

    def may_apply(self, words: list[str], entities: list[tuple[int, int]]) -> bool:
        """Check whether a correction may apply to a text; if not, none does.

        words (list[str]): Of the text, without whitespace.
        entities (list[tuple[int, int]]): Predicted without corrections.
        """
        if not len(self.datastore.corrections):
            return False
        phrases = self._updated(CORRECTIONS)
        ids = phrases.ids([word.lower() for word in words])
        removed = phrases.table.removed
        return (
            any(phrases.taught.phrases_in(ids, removed))
            or any(phrases.taught.sentences_in(ids, removed))
            or any(phrases.may_have(ids[s:e]) for s, e in entities)
        )

    def count_in_store(self, words: list[str], label: str) -> tuple[int, int]:
        """Count the store's examples with the same words.

        words (list[str]): In lower case, without whitespace.
        label (str): Of an entity; "" for none.
        RETURNS (tuple[int, int]): How many have them with this label, and how many
            otherwise.
        """
        found = self._updated(STORE).occurrences(words)
        if not len(found):
            return 0, 0
        # A label that nothing has is like no reading.
        numbers = {name: i for i, name in enumerate(self.datastore.tag_set.labels)}
        wanted = numbers.get(label, len(numbers)) if label else _NONE
        alike = self._readings(found, STORE) == wanted
        ids = found["example_id"][:, 0]
        return len(set(ids[alike])), len(set(ids[~alike]))

    def _updated(self, part: str) -> PhraseIndex:
        phrases = self.phrases[part]
        phrases.update(self.datastore.examples)
        return phrases

    # --- who votes -----------------------------------------------------------------

    def _evidence(self, candidate: Candidate, batch: TokenBatch) -> _Evidence | None:
        """Who votes; None where no correction has these words."""
        found = self.phrases[CORRECTIONS].occurrences(candidate.lower)
        if len(found):
            found = found[self._fits(candidate, found)]
            found = found[self._readings(found, CORRECTIONS) != _OTHER]
        if not len(found):
            return None
        metric, tokens = self.settings.metric, candidate.tokens
        parts = []
        for part in (CORRECTIONS, STORE):
            table = self.datastore.tables[part]
            if part == STORE:
                if not len(table):
                    continue
                found = self._in_store(candidate, batch)
                if not len(found):
                    continue
            found = nearest_occurrences(found, table, batch, tokens, metric)
            readings = self._readings(found, part)
            found, readings = found[readings != _OTHER], readings[readings != _OTHER]
            distances = token_distances(found, table, batch, tokens, metric)
            parts.append(
                (found, readings, np.full(len(found), part == STORE), distances)
            )
        postings, readings, in_store, distances = map(
            np.concatenate, zip(*parts, strict=True)
        )
        return _Evidence(postings, readings, in_store, distances)

    def _in_store(self, candidate: Candidate, batch: TokenBatch) -> np.ndarray:
        """The occurrences of a candidate's words in the store."""
        found = self.phrases[STORE].occurrences(candidate.lower)
        if self.left_out is None or not len(found):
            return found
        key = np.searchsorted(batch.keys.tokens, candidate.tokens[0])
        of_key, of_row = self.left_out
        return found[of_key[key] != of_row[found["row"][:, 0]]]

    def _fits(self, candidate: Candidate, found: np.ndarray) -> np.ndarray:
        """Whether occurrences in corrections end where the candidate ends, and are
        written alike: "US" is no "us"."""
        words, start, end = candidate.text, candidate.start, candidate.end
        if candidate.around and is_part_in_headline(
            words, start, end, candidate.around
        ):
            return np.zeros(len(found), dtype=bool)
        beside = words_beside(words, start, end, self.stop_words)
        phrases = self.phrases[CORRECTIONS]
        fits = np.ones(len(found), dtype=bool)
        if beside.left:
            fits &= found["left"][:, 0] == phrases.ids([beside.left])[0]
        if beside.right:
            fits &= found["right"][:, -1] == phrases.ids([beside.right])[0]
        if not is_capitalized(words[end - 1]):
            fits &= ~found["capitalized"][:, -1]
        return fits

    def _readings(self, postings: np.ndarray, part: str) -> np.ndarray:
        """What each occurrence is annotated as: the number of a label, `_NONE` or
        `_OTHER`, shape (n,)."""
        tags = self.datastore.tables[part].tags.take(postings["row"])
        readings = np.full(len(postings), _OTHER)
        readings[(tags == 0).all(axis=1)] = _NONE
        labels = self.datastore.tag_set.whole_entities(tags)
        whole = (labels >= 0) & ~postings["goes_on"][:, -1]
        readings[whole] = labels[whole]
        return readings

    # --- what they decide ----------------------------------------------------------

    def _decide(
        self, candidate: Candidate, evidence: _Evidence
    ) -> tuple[CorrectedSpan, np.ndarray] | None:
        """The reading with most votes, if a correction is among them; and the sizes of
        the votes, shape (n,)."""
        settings, far = self.settings.corrections, evidence.far
        readings, stored = evidence.readings, evidence.in_store
        radius = self._radius
        voting = np.full(len(far), True) if radius is None else far < radius
        if not (voting & ~stored).any():
            return None
        # Distances are compared with each other, so that they need no unit. Far below
        # the largest one they differ by rounding alone.
        least = np.maximum(far, max(1e-6, 0.02 * far[voting].max()))
        sizes = (least[voting].min() / least) ** (1.0 / settings.temperature)
        sizes = sizes * np.where(stored, 1.0, settings.votes) * self._weights(evidence)
        sizes = np.where(voting, sizes, 0.0)
        sums = np.bincount(readings[voting] + 1, weights=sizes[voting])
        reading = int(sums.argmax()) - 1
        agreeing = voting & ~stored & (readings == reading)
        if not agreeing.any():
            return None
        nearest = float(far[agreeing].min())
        weight = settings.weight
        if radius is not None:
            weight *= 1.0 - nearest / (2.0 * radius)
        labels = self.datastore.tag_set.labels
        span = CorrectedSpan(
            start=int(candidate.tokens[0]),
            end=int(candidate.tokens[-1]) + 1,
            label="" if reading == _NONE else labels[reading],
            weight=weight,
            nearest=nearest,
            example_id=int(evidence.example_ids[agreeing].max()),
        )
        return span, sizes

    @property
    def _radius(self) -> float | None:
        given = self.settings.corrections.radius
        return self.radius if given is None else given

    def _weights(self, evidence: _Evidence) -> np.ndarray:
        """How many equal entries each occurrence stands for, shape (n,)."""
        rows, stored = evidence.postings["row"][:, 0], evidence.in_store
        weights = np.ones(len(rows))
        weights[stored] = self.datastore.store.entries.take(rows[stored])["weight"]
        others = self.datastore.corrections.entries.take(rows[~stored])
        weights[~stored] = others["weight"]
        return weights

    # --- their votes ---------------------------------------------------------------

    def _pairs(
        self, candidate: Candidate, evidence: _Evidence, sizes: np.ndarray
    ) -> Matches:
        n, n_words = evidence.postings.shape
        tokens = np.broadcast_to(candidate.tokens, (n, n_words))
        sizes = np.broadcast_to(sizes[:, None], (n, n_words))
        stored = np.broadcast_to(evidence.in_store[:, None], (n, n_words))
        mask = sizes > 0
        distances = np.nan_to_num(evidence.distances)
        return Matches(
            tokens[mask],
            evidence.postings["row"][mask],
            distances[mask],
            sizes[mask],
            np.ones(int(mask.sum()), dtype=bool),
            stored[mask],
        )

    def _votes(
        self, batch: TokenBatch, spans: list[CorrectedSpan], matches: Matches
    ) -> CorrectionVotes:
        """Equation 3 with the sizes of the votes, per token."""
        n_tokens, n_tags = batch.p_base.shape
        p, nearest = np.zeros((n_tokens, n_tags)), np.full(n_tokens, np.inf)
        columns = self.datastore.tag_set.columns_in(batch.tag_set)
        tags = columns[self.column("tags", matches)]
        np.add.at(p, (matches.tokens, tags), matches.sizes)
        weight = np.zeros(n_tokens)
        for span in spans:
            weight[span.start : span.end] = span.weight
            nearest[span.start : span.end] = span.nearest
        return CorrectionVotes(normalized(p), weight, nearest)

    def column(self, name: str, matches: Matches) -> np.ndarray:
        """Gather a column of the matches' entries.

        name (str): `"entries"` or `"tags"`.
        matches (Matches): From `match`.
        RETURNS (ndarray): Shape (n,).
        """
        store = getattr(self.datastore.store, name)
        column = np.zeros(len(matches), dtype=store.dtype)
        column[matches.in_store] = store.take(matches.rows[matches.in_store])
        others = ~matches.in_store
        corrections = getattr(self.datastore.corrections, name)
        column[others] = corrections.take(matches.rows[others])
        return column
