"""Matching: which corrections apply to which tokens, and their votes.

A correction applies to tokens with the same words: where the words of one of its
entities occur, or where a predicted entity has words that occur in it. The nearer its
vector, the more it counts, for the same words can mean something else. To other words
it applies within `other_words_radius` only, and where it is nearer than the whole
store. Store entries with the same words vote beside corrections, so that one odd
annotation does not outvote what was seen a hundred times.
"""

from dataclasses import dataclass, fields

import numpy as np

from ..datastore import distances as metrics
from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.distribution import normalized
from ..datastore.entries import EntryTable, distinct
from ..settings import CorrectionSettings, Settings
from ..types import CorrectionVotes, TokenBatch
from .phrase_index import PhraseIndex
from .same_words import (
    candidate_spans,
    evenly,
    first_rows,
    have_same_words,
    nearest,
    occurrences,
    token_pairs,
)

_AT_ONCE = 1 << 12  # pairs of vectors
_SLACK = 1e-9  # equal distances may differ in their last digits
_K = 32  # neighbors with other words, where every entry of the store votes


@dataclass(frozen=True)
class Matches:
    """Pairs of a token and an entry that votes on it.

    tokens (ndarray): Shape (n,).
    rows (ndarray): The entry, shape (n,).
    distances (ndarray): Between their vectors, shape (n,), float64.
    same_words (ndarray): Whether they have the same words, shape (n,), bool.
    in_store (ndarray): Whether it is an entry of the store, shape (n,), bool.
    """

    tokens: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    same_words: np.ndarray
    in_store: np.ndarray

    @classmethod
    def empty(cls) -> "Matches":
        """Make a collection without pairs."""
        no_ids, no_flags = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        return cls(no_ids, no_ids, np.zeros(0), no_flags, no_flags)

    def __len__(self) -> int:
        return len(self.tokens)

    def select(self, mask: np.ndarray) -> "Matches":
        """Keep some pairs.

        mask (ndarray): Shape (n,), bool.
        """
        return Matches(*(getattr(self, f.name)[mask] for f in fields(Matches)))

    def concatenate(self, other: "Matches") -> "Matches":
        """Append other pairs."""
        parts = ([getattr(m, f.name) for m in (self, other)] for f in fields(Matches))
        return Matches(*map(np.concatenate, parts))

    def relative_distances(self, settings: CorrectionSettings) -> np.ndarray:
        """Compute distances as shares of the radius, shape (n,); from 1 on an entry
        does not vote.

        settings (CorrectionSettings): `radius` and `other_words_radius`.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            others = self.distances / settings.other_words_radius
        others = np.where(settings.other_words_radius > 0, others, np.inf)
        return np.where(self.same_words, self.distances / settings.radius, others)


@dataclass(frozen=True)
class CorrectionMatcher:
    """Finds the corrections that apply, and counts their votes.

    datastore (Datastore): With the corrections.
    phrases (dict[str, PhraseIndex]): Of both parts of the datastore.
    settings (Settings): Of the component.
    """

    datastore: Datastore
    phrases: dict[str, PhraseIndex]
    settings: Settings

    # --- which corrections apply -----------------------------------------------

    def match(self, batch: TokenBatch, tags: np.ndarray) -> Matches:
        """Find the corrections that apply, and store entries with the same words.

        batch (TokenBatch): The tokens.
        tags (ndarray): Their tags without corrections, shape (n_tokens,).
        RETURNS (Matches): The pairs.
        """
        corrections, store = self.datastore.corrections, self.datastore.store
        if not len(corrections) or not len(batch.keys):
            return Matches.empty()
        metric = self.settings.metric
        phrases = self._updated(CORRECTIONS)
        spans = [
            (tokens, words, postings)
            for words, tokens in candidate_spans(batch, tags, phrases).items()
            if len(postings := occurrences(phrases, words))
        ]
        pairs = token_pairs(
            (tokens, nearest(tokens, batch, postings, corrections, metric))
            for tokens, _, postings in spans
        )
        matches = self._measured(corrections, batch, pairs, in_store=False)
        if self.settings.corrections.other_words_radius > 0:
            others = self._other_words(batch)
            for tokens, _, postings in spans:
                same = have_same_words(others.tokens, others.rows, tokens, postings)
                others = others.select(~same)
            matches = matches.concatenate(self._nearer_than_store(others, batch))
        if len(store) and spans:
            phrases = self._updated(STORE)
            pairs = token_pairs(
                (tokens, evenly(occurrences(phrases, words)))
                for tokens, words, _ in spans
            )
            beside = self._measured(store, batch, pairs, in_store=True)
            matches = matches.concatenate(beside)
        return matches

    def _updated(self, part: str) -> PhraseIndex:
        phrases = self.phrases[part]
        phrases.update(self.datastore.examples)
        return phrases

    def _measured(
        self, table: EntryTable, batch: TokenBatch, pairs: np.ndarray, *, in_store: bool
    ) -> Matches:
        """The distances of pairs: of the nearest two of their keys.

        pairs (ndarray): Shape (n, 3): token, first row, number of rows.
        """
        keys = batch.keys.tokens
        first = np.searchsorted(keys, pairs[:, 0])
        n_keys = np.searchsorted(keys, pairs[:, 0], side="right") - first
        valid = ~table.removed[pairs[:, 1]] & (n_keys > 0)
        pairs, first, n_keys = pairs[valid], first[valid], n_keys[valid]
        n = n_keys * pairs[:, 2]
        starts = np.cumsum(n) - n
        pair = np.repeat(np.arange(len(pairs)), n)
        i = np.arange(len(pair)) - starts[pair]
        queries = batch.keys.vectors[first[pair] + i // pairs[pair, 2]]
        rows = pairs[pair, 1] + i % pairs[pair, 2]
        distances = np.empty(len(pair))
        for j in range(0, len(pair), _AT_ONCE):
            some = slice(j, j + _AT_ONCE)
            vectors = table.keys.take(rows[some])[:, None]
            paired = metrics.paired(queries[some], vectors, self.settings.metric)
            distances[some] = paired[:, 0]
        least = np.minimum.reduceat(distances, starts) if len(pair) else distances
        same, of_store = np.full(len(pairs), True), np.full(len(pairs), in_store)
        return Matches(pairs[:, 0], pairs[:, 1], least, same, of_store)

    def _other_words(self, batch: TokenBatch) -> Matches:
        """The nearest corrections of every token, whatever their words."""
        keys, settings, table = batch.keys, self.settings, self.datastore.corrections
        first, back = distinct(keys.vectors)
        k = settings.k or _K
        found = table.search(keys.vectors[first], k, metric=settings.metric)
        found_rows, found_distances = found.rows[back], found.distances[back]
        radius = settings.corrections.other_words_radius
        mask = (found_rows >= 0) & (found_distances < radius)
        tokens = keys.tokens[np.nonzero(mask)[0]]
        rows = first_rows(found_rows[mask], table)
        order = np.lexsort((found_distances[mask], rows, tokens))
        tokens, rows = tokens[order], rows[order]
        # Once per token, though several of its word pieces may be near.
        new = np.ones(len(tokens), dtype=bool)
        new[1:] = (tokens[1:] != tokens[:-1]) | (rows[1:] != rows[:-1])
        distances = found_distances[mask][order][new]
        no = np.zeros(len(distances), dtype=bool)
        return Matches(tokens[new], rows[new], distances, no, no)

    def _nearer_than_store(self, others: Matches, batch: TokenBatch) -> Matches:
        """Those that are nearer to their token than every entry of the store."""
        if not len(self.datastore.store):
            return others
        mask = np.zeros(len(batch), dtype=bool)
        mask[others.tokens] = True
        keys = batch.keys.of_tokens(mask)
        least = np.full(len(mask), np.inf)
        if len(keys):
            first, back = distinct(keys.vectors)
            metric = self.settings.metric
            found = self.datastore.store.search(keys.vectors[first], 1, metric=metric)
            np.minimum.at(least, keys.tokens, found.distances[back, 0])
        return others.select(others.distances < least[others.tokens] - _SLACK)

    # --- their votes -------------------------------------------------------------

    def votes(self, matches: Matches, batch: TokenBatch) -> CorrectionVotes:
        """Count votes: equation 3 with distances as shares of the radius, for the
        corrections and the store's entries with the same words.

        The weight falls with the distance d of the nearest correction: weight ·
        max(0, 1 − d / radius).

        matches (Matches): From `match`.
        batch (TokenBatch): The tokens.
        RETURNS (CorrectionVotes): Per token, over the batch's tags.
        """
        n_tokens, n_tags = batch.p_base.shape
        if not len(matches):
            return CorrectionVotes.empty(n_tokens, n_tags)
        settings = self.settings.corrections
        relative = matches.relative_distances(settings)
        applies = (relative < 1) & ~matches.in_store
        least, distances = np.full(n_tokens, np.inf), np.full(n_tokens, np.inf)
        at = matches.tokens[applies]
        np.minimum.at(least, at, relative[applies])
        np.minimum.at(distances, at, matches.distances[applies])
        columns = self.datastore.tag_set.columns_in(batch.tag_set)
        tags = columns[self.column("tags", matches)]
        p = np.zeros((n_tokens, n_tags))
        np.add.at(p, (matches.tokens, tags), self.vote_sizes(matches))
        weight = settings.weight * np.maximum(0.0, 1.0 - least)
        return CorrectionVotes(normalized(p), weight, distances)

    def vote_sizes(self, matches: Matches) -> np.ndarray:
        """Compute the size of each vote, up to a factor per token; zero where no
        correction is near enough, shape (n,).

        matches (Matches): From `match`.
        """
        settings = self.settings.corrections
        relative = matches.relative_distances(settings)
        least = _least_per_token(matches, relative)
        of_corrections = np.where(matches.in_store, np.inf, relative)
        corrected = np.isfinite(_least_per_token(matches, of_corrections))
        votes = np.where(matches.in_store, 1.0, settings.votes)
        votes = votes * self.column("entries", matches)["weight"]
        with np.errstate(invalid="ignore"):
            size = np.exp(-(relative - least) / settings.temperature)
        return np.where((relative < 1) & corrected, votes * size, 0.0)

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


def _least_per_token(matches: Matches, relative: np.ndarray) -> np.ndarray:
    """The least of the same token, shape (n,); inf beyond the radius."""
    least = np.full(matches.tokens.max(initial=-1) + 1, np.inf)
    np.minimum.at(least, matches.tokens, np.where(relative < 1, relative, np.inf))
    return least[matches.tokens]
