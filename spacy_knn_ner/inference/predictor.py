"""The prediction: from p_base and keys to tags and p_final.

    votes    neighbors in the store, for the tokens that need them (gate.py)
    base     p_base and votes, mixed and decoded (equation 4)
    matches  corrections that apply to these tokens and entities
    final    base and the corrections' votes, mixed and decoded

`predict` of the component, `explain`, `tune`, calibration, `evaluate` and `audit` all
use this.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..corrections.matching import Matches
from ..settings import LookupSettings
from ..types import CorrectionVotes, TokenBatch, Votes
from .decoding import decode
from .gate import may_lose_best_tag, tokens_to_look_up
from .interpolation import Interpolation, mix
from .retriever import Retriever

LOOK_UP_ALL = LookupSettings(mode="all")


class Matcher(Protocol):
    """Finds the corrections that apply, and counts their votes."""

    def match(self, batch: TokenBatch, tags: np.ndarray) -> Matches:
        """See `CorrectionMatcher.match`."""
        ...

    def votes(self, matches: Matches, batch: TokenBatch) -> CorrectionVotes:
        """See `CorrectionMatcher.votes`."""
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

    def only(self, mask: np.ndarray) -> Votes:
        """Leave out the votes of other tokens.

        mask (ndarray): Shape (n_tokens,), bool.
        """
        nearest = np.where(mask, self.votes.nearest, np.inf)
        return Votes(self.votes.p_knn * mask[:, None], nearest)


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
    matches (Matches): The corrections that apply.
    corrections (CorrectionVotes): Their votes.
    """

    tags: np.ndarray
    p: np.ndarray
    looked_up: np.ndarray
    nearest: np.ndarray
    store: StoreVotes
    matches: Matches
    corrections: CorrectionVotes


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
        store, no_matches = self._no_votes(batch), Matches.empty()
        none = CorrectionVotes.empty(*batch.p_base.shape)
        base = self._resolve(batch, store, no_matches, none, lookup)
        if self.matcher is None:
            return base
        matches = self.matcher.match(batch, base.tags)
        corrections = self.matcher.votes(matches, batch)
        if not corrections.p.any():
            return replace(base, matches=matches)
        return self._resolve(batch, base.store, matches, corrections, lookup)

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
        self,
        batch: TokenBatch,
        store: StoreVotes,
        matches: Matches,
        corrections: CorrectionVotes,
        lookup: LookupSettings,
    ) -> Prediction:
        """Mix and decode, with as few searches as the tags need.

        Viterbi may leave the best tag of a token where tags do not fit together. Then
        the tokens of that sentence are looked up too, until the sequence is certain.
        """
        bound = self.interpolation.upper_bound
        looked_up = tokens_to_look_up(batch.p_base, bound, corrections, lookup)
        store = self.look_up(batch, store, looked_up)
        p = mix(batch.p_base, store.only(looked_up), store.weight, corrections)
        while True:
            tags = decode(p, batch.tag_set, self.decoding, batch.lengths)
            if self.decoding != "viterbi" or looked_up.all():
                break
            more = ~looked_up & may_lose_best_tag(
                tags, p, batch.lengths, batch.p_base, bound, corrections
            )
            if not more.any():
                break
            store = self.look_up(batch, store, more)
            looked_up = looked_up | more
            p = mix(batch.p_base, store.only(looked_up), store.weight, corrections)
        nearest = _nearest(batch, store.only(looked_up), corrections)
        return Prediction(tags, p, looked_up, nearest, store, matches, corrections)


def _nearest(
    batch: TokenBatch, votes: Votes, corrections: CorrectionVotes
) -> np.ndarray:
    nearest = np.minimum(votes.nearest, corrections.nearest)
    blank = np.array([word.isspace() for word in batch.words], dtype=bool)
    return np.where(blank, 0.0, nearest)
