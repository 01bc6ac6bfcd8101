"""What corrections say about a batch."""

from dataclasses import dataclass, fields

import numpy as np

from .batch import TokenBatch


@dataclass(frozen=True)
class CorrectionVotes:
    """The votes of corrections, per token.

    p (ndarray): Their distribution, shape (n_tokens, n_tags); rows of zeros where no
        correction applies.
    weight (ndarray): Its weight in the mixture, shape (n_tokens,), 0 to 1.
    nearest (ndarray): Distance of the nearest correction that applies, shape
        (n_tokens,), in units of the metric; inf if none does.
    """

    p: np.ndarray
    weight: np.ndarray
    nearest: np.ndarray

    @classmethod
    def empty(cls, n_tokens: int, n_tags: int) -> "CorrectionVotes":
        """Make votes for tokens that no correction applies to."""
        return cls(
            np.zeros((n_tokens, n_tags)), np.zeros(n_tokens), np.full(n_tokens, np.inf)
        )


@dataclass(frozen=True)
class Matches:
    """Pairs of a token and an entry of the corrections, or of the store, that votes on
    it.

    tokens (ndarray): Shape (n,).
    rows (ndarray): The entry, shape (n,).
    distances (ndarray): Between their vectors, shape (n,), float64.
    sizes (ndarray): Of the vote, up to a factor per token, shape (n,).
    same_words (ndarray): Whether they have the same words, shape (n,), bool.
    in_store (ndarray): Whether it is an entry of the store, shape (n,), bool.
    """

    tokens: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    sizes: np.ndarray
    same_words: np.ndarray
    in_store: np.ndarray

    @classmethod
    def empty(cls) -> "Matches":
        """Make a collection without pairs."""
        no_ids, no_flags = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        return cls(no_ids, no_ids, np.zeros(0), np.zeros(0), no_flags, no_flags)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def concatenate(cls, parts: "list[Matches]") -> "Matches":
        """Join pairs.

        parts (list[Matches]): One or more.
        """
        columns = ([getattr(part, f.name) for part in parts] for f in fields(cls))
        return cls(*map(np.concatenate, columns))

    def where(self, mask: np.ndarray | slice) -> "Matches":
        """Select pairs.

        mask (ndarray | slice): Shape (n,), bool; or successive ones.
        """
        return Matches(*(getattr(self, f.name)[mask] for f in fields(self)))


@dataclass(frozen=True)
class CorrectedSpan:
    """A span that corrections decide about.

    start, end (int): First token in the batch, and the token after the last.
    label (str): Of the entity; "" where there is none.
    weight (float): Of the corrections' votes, 0 to 1.
    nearest (float): Distance of the nearest correction, in units of the metric.
    example_id (int): The latest correction among them.
    own_words (int): Where this sentence itself was corrected, how many words of it
        are in the correction; otherwise 0.
    """

    start: int
    end: int
    label: str
    weight: float
    nearest: float
    example_id: int
    own_words: int = 0


@dataclass(frozen=True)
class Corrections:
    """What corrections say about a batch.

    spans (list[CorrectedSpan]): Those they decide about, in order, not overlapping.
    matches (Matches): Who votes.
    votes (CorrectionVotes): Per token.
    """

    spans: list[CorrectedSpan]
    matches: Matches
    votes: CorrectionVotes

    @classmethod
    def none(cls, batch: TokenBatch) -> "Corrections":
        """Make corrections that do not apply to a batch."""
        return cls([], Matches.empty(), CorrectionVotes.empty(*batch.p_base.shape))
