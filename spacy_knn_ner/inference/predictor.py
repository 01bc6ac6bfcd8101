"""The prediction: from p_base and keys to tags and p_final.

    votes        neighbors in the store, for the tokens that need them (gate.py)
    base         p_base and votes, mixed and decoded (equation 4)
    corrections  the spans that were corrected (corrections/matching.py)
    final        base, with those spans in place of what contradicts them

`predict` of the component, `explain`, `tune`, calibration, `evaluate` and `audit` all
use this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..corrections.conflicts import override
from ..corrections.matching import Corrections, Matches
from ..settings import LookupSettings
from ..tags import SpanTuple
from ..types import CorrectionVotes, TokenBatch, Votes
from .decoding import decode
from .gate import may_lose_best_tag, tokens_to_look_up
from .interpolation import Interpolation, mix
from .retriever import Retriever

LOOK_UP_ALL = LookupSettings(mode="all")


class Matcher(Protocol):
    """Finds the corrections that apply, with their votes."""

    def near(self, batch: TokenBatch) -> Corrections:
        """See `CorrectionMatcher.near`."""
        ...

    def match(self, batch: TokenBatch, tags: np.ndarray) -> Corrections:
        """See `CorrectionMatcher.match`."""
        ...


@dataclass(frozen=True)
class StoreVotes:
    """The store's votes for the tokens of a batch that were looked up so far.

    votes (Votes): Per token; the others have none.
    weight (ndarray): Of the votes, from the interpolation, shape (n_tokens,).
    looked_up (ndarray): Which tokens those are, shape (n_tokens,), bool.
    """

    votes: Votes
    weight: np.ndarray
    looked_up: np.ndarray


@dataclass(frozen=True)
class Prediction:
    """What is predicted for a batch.

    tags (ndarray): The decoded tag ids, shape (n_tokens,).
    p (ndarray): p_final, shape (n_tokens, n_tags). Of tokens that were not looked up it
        lacks the store's votes.
    looked_up (ndarray): Which tokens were looked up, shape (n_tokens,), bool.
    nearest (ndarray): Distance of the nearest entry that voted on each token, shape
        (n_tokens,); inf if none did, 0 for whitespace.
    store (StoreVotes): The store's votes.
    corrections (CorrectionVotes): The votes of the corrections that apply.
    matches (Matches): Who they are.
    """

    tags: np.ndarray
    p: np.ndarray
    looked_up: np.ndarray
    nearest: np.ndarray
    store: StoreVotes
    corrections: CorrectionVotes
    matches: Matches


@dataclass(frozen=True)
class Predictor:
    """Predicts tags and p_final from p_base, the store and the corrections.

    retriever (Retriever): Finds the store's votes.
    interpolation (Interpolation): Says how much they count.
    matcher (Matcher | None): Finds corrections; None leaves them aside.
    lookup (LookupSettings): Which tokens are looked up.
    decoding (str): `"viterbi"` or `"argmax"`.
    """

    retriever: Retriever
    interpolation: Interpolation
    matcher: Matcher | None
    lookup: LookupSettings = LOOK_UP_ALL
    decoding: str = "viterbi"

    def predict(self, batch: TokenBatch) -> Prediction:
        """Look up, mix, correct and decode.

        batch (TokenBatch): The tokens, with p_base and keys.
        RETURNS (Prediction): Tags and probabilities, and how they came about.
        """
        # Looking up costs nothing in an empty store, and p is complete then.
        lookup = self.lookup if len(self.retriever) else LOOK_UP_ALL
        if self.matcher is None:
            return self._resolve(batch, Corrections.none(batch), lookup)
        base = self._resolve(batch, self.matcher.near(batch), lookup)
        corrections = self.matcher.match(batch, base.tags)
        if not corrections.spans:
            return base
        return self._override(batch, base, corrections, lookup)

    def look_up(
        self, batch: TokenBatch, store: StoreVotes, mask: np.ndarray
    ) -> StoreVotes:
        """Look up further tokens; no token is searched twice.

        batch (TokenBatch): The tokens.
        store (StoreVotes): Those that were looked up so far.
        mask (ndarray): Those that are needed, shape (n_tokens,), bool.
        RETURNS (StoreVotes): All of them.
        """
        new = mask & ~store.looked_up
        if not new.any():
            return store
        found = self.retriever.votes(batch, new)
        weight = self.interpolation.weights(batch.p_base, found)
        p = np.where(new[:, None], found.p_knn, store.votes.p_knn)
        nearest = np.where(new, found.nearest, store.votes.nearest)
        return StoreVotes(
            Votes(p, nearest),
            np.where(new, weight, store.weight),
            store.looked_up | new,
        )

    def _no_votes(self, batch: TokenBatch) -> StoreVotes:
        no_tokens = np.zeros(len(batch), dtype=bool)
        votes = Votes.empty(*batch.p_base.shape)
        return StoreVotes(votes, np.zeros(len(batch)), no_tokens)

    def _resolve(
        self, batch: TokenBatch, near: Corrections, lookup: LookupSettings
    ) -> Prediction:
        """Mix and decode, with as few searches as the tags need.

        Viterbi may leave the best tag of a token where tags do not fit together. Then
        the tokens of that sentence are looked up too, until the sequence is certain.
        """
        bound, votes = self.interpolation.upper_bound, near.votes
        looked_up = tokens_to_look_up(batch.p_base, bound, votes, lookup)
        store = self.look_up(batch, self._no_votes(batch), looked_up)
        p = mix(batch.p_base, store.votes, store.weight, votes)
        while True:
            tags = decode(p, batch.tag_set, self.decoding, batch.lengths)
            if self.decoding != "viterbi" or looked_up.all():
                break
            more = ~looked_up & may_lose_best_tag(
                tags, p, batch.lengths, batch.p_base, bound, votes
            )
            if not more.any():
                break
            store = self.look_up(batch, store, more)
            looked_up = store.looked_up
            p = mix(batch.p_base, store.votes, store.weight, votes)
        nearest = _nearest(batch, store.votes, votes)
        return Prediction(tags, p, looked_up, nearest, store, votes, near.matches)

    def _override(
        self,
        batch: TokenBatch,
        base: Prediction,
        corrections: Corrections,
        lookup: LookupSettings,
    ) -> Prediction:
        """Set corrected spans, in place of what contradicts them. All other tokens keep
        their tags and probabilities."""
        entities = _entities(batch, base.tags)
        tags, votes = override(base.tags, entities, corrections, batch.tag_set)
        changed = votes.weight > 0
        # Only for their scores: no vote changes their tags.
        needed = changed & (base.looked_up | lookup.score_entities)
        store = self.look_up(batch, base.store, needed)
        near, matches = base.corrections, base.matches
        votes = CorrectionVotes(
            np.where(changed[:, None], votes.p, near.p),
            np.where(changed, votes.weight, near.weight),
            np.where(changed, votes.nearest, near.nearest),
        )
        return Prediction(
            tags,
            mix(batch.p_base, store.votes, store.weight, votes),
            store.looked_up,
            _nearest(batch, store.votes, votes),
            store,
            votes,
            Matches.concatenate(
                [matches.where(~changed[matches.tokens]), corrections.matches]
            ),
        )


def _entities(batch: TokenBatch, tags: np.ndarray) -> Iterator[SpanTuple]:
    """The entities of all Docs, in tokens of the batch."""
    start = 0
    for length in batch.lengths:
        for first, last, label in batch.tag_set.spans(tags[start : start + length]):
            yield start + first, start + last, label
        start += length


def _nearest(
    batch: TokenBatch, votes: Votes, corrections: CorrectionVotes
) -> np.ndarray:
    nearest = np.minimum(votes.nearest, corrections.nearest)
    blank = np.array([word.isspace() for word in batch.words], dtype=bool)
    return np.where(blank, 0.0, nearest)
