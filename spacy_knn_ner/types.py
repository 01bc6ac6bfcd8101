"""The types that cross rooms: texts, keys, batches, neighbors, votes, corrections."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import NotRequired, TypedDict

import numpy as np

from .tags import SpanTuple, TagSet


@dataclass(frozen=True)
class AnnotatedText:
    """A text with its entities, independent of any vocab.

    words (list[str]): The tokens.
    spaces (list[bool]): Whether a space follows each token.
    entities (list[SpanTuple]): (start, end, label) in tokens, not overlapping.
    missing (list[int]): Tokens without annotation; they never become `O`.
    sentence_starts (list[int] | None): First tokens of sentences, if marked.
    document (str | None): The document the text is a part of, if known.
    """

    words: list[str]
    spaces: list[bool]
    entities: list[SpanTuple] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    sentence_starts: list[int] | None = None
    document: str | None = None

    @property
    def text(self) -> str:
        """The text."""
        pairs = zip(self.words, self.spaces, strict=True)
        return "".join(word + " " * space for word, space in pairs)


@dataclass(frozen=True)
class StoredExample:
    """An annotated text in the datastore.

    example_id (int): Stable, never reused.
    part (str): `"store"` or `"corrections"`.
    annotated (AnnotatedText): Text and entities.
    source (str | None): Where it comes from, as given to `knn.add`.
    """

    example_id: int
    part: str
    annotated: AnnotatedText
    source: str | None = None


@dataclass(frozen=True)
class TokenKeys:
    """The key vectors of one Doc.

    vectors (ndarray): Shape (n_keys, width), float32, finite, none of them zero.
    tokens (ndarray): The token of each key, shape (n_keys,), ascending. Not every
        token has a key (whitespace has none), and with one key per word piece a
        token has several.
    n_tokens (int): Number of tokens, with keys or without.
    """

    vectors: np.ndarray
    tokens: np.ndarray
    n_tokens: int

    def __len__(self) -> int:
        return len(self.tokens)

    def of_tokens(self, mask: np.ndarray) -> "TokenKeys":
        """Select the keys of some tokens.

        mask (ndarray): Shape (n_tokens,), bool.
        """
        chosen = mask[self.tokens]
        if chosen.all():
            return self
        return TokenKeys(self.vectors[chosen], self.tokens[chosen], self.n_tokens)


@dataclass(frozen=True)
class TokenBatch:
    """The tokens of some Docs, one Doc after the other.

    tag_set (TagSet): The tagger's tags, followed by those that only the datastore
        knows.
    lengths (list[int]): Tokens per Doc.
    words (list[str]): The words.
    p_base (ndarray): The distribution of the components in front, shape (n_tokens,
        n_tags), float64; 0 for tags the tagger lacks, rows of zeros where there is
        no distribution.
    keys (TokenKeys): The keys; tokens are counted through all Docs.
    """

    tag_set: TagSet
    lengths: list[int]
    words: list[str]
    p_base: np.ndarray
    keys: TokenKeys

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.p_base)

    def of_tokens(self, mask: np.ndarray) -> "TokenBatch":
        """Keep the keys of some tokens only.

        mask (ndarray): Shape (n_tokens,), bool.
        """
        return replace(self, keys=self.keys.of_tokens(mask))

    def with_labels(self, labels: Iterable[str]) -> "TokenBatch":
        """Add labels that no component in front predicts.

        labels (Iterable[str]): Those that are there already stay where they are.
        """
        tag_set = self.tag_set.union(labels)
        p_base = np.zeros((len(self), len(tag_set)))
        p_base[:, : self.p_base.shape[1]] = self.p_base
        return replace(self, tag_set=tag_set, p_base=p_base)

    @property
    def has_key(self) -> np.ndarray:
        """Which tokens have a key, shape (n_tokens,), bool. The others have no
        neighbors: there is nothing to look up."""
        mask = np.zeros(len(self), dtype=bool)
        mask[self.keys.tokens] = True
        return mask

    def per_doc(self, rows: np.ndarray) -> list[np.ndarray]:
        """Split the rows of all tokens by Doc."""
        return np.split(rows, np.cumsum(self.lengths)[:-1]) if self.lengths else []


@dataclass(frozen=True)
class Neighbors:
    """The nearest entries of each query, nearest first; ties by entry.

    distances (ndarray): Shape (n, k), float64; inf where there is none.
    rows (ndarray): Entries, shape (n, k); −1 where there is none.
    tags (ndarray): Their tag ids, shape (n, k); 0 where there is none.
    weights (ndarray): How many equal entries each of them stands for, shape (n, k);
        0 where there is none.
    """

    distances: np.ndarray
    rows: np.ndarray
    tags: np.ndarray
    weights: np.ndarray

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.distances, self.rows, self.tags, self.weights

    @classmethod
    def empty(cls, n: int, k: int) -> "Neighbors":
        """Make neighbors of n queries that have none."""
        zeros = np.zeros((n, k), dtype=np.int64)
        return cls(np.full((n, k), np.inf), zeros - 1, zeros, zeros)

    @classmethod
    def concatenate(cls, parts: "list[Neighbors]") -> "Neighbors":
        """Put the queries of all parts one after the other."""
        columns = zip(*(part._columns for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def of_queries(self, chosen: np.ndarray) -> "Neighbors":
        """Select queries.

        chosen (ndarray): A mask of shape (n,), or numbers of queries.
        """
        return Neighbors(*(column[chosen] for column in self._columns))

    def replaced(self, queries: np.ndarray, others: "Neighbors") -> "Neighbors":
        """Replace the neighbors of some queries.

        queries (ndarray): Their numbers, shape (n_others,).
        others (Neighbors): The new neighbors.
        """
        columns = tuple(column.copy() for column in self._columns)
        for column, other in zip(columns, others._columns, strict=True):
            column[queries] = other
        return Neighbors(*columns)

    def truncate(self, k: int) -> "Neighbors":
        """Keep the k that vote, counted by weight: an entry of weight w counts as w
        equal ones."""
        weights = self.weights[:, :k]
        before = np.cumsum(weights, axis=1) - weights
        return Neighbors(
            self.distances[:, :k],
            self.rows[:, :k],
            self.tags[:, :k],
            np.clip(k - before, 0, weights),
        )

    def excluding(self, mask: np.ndarray, k: int) -> "Neighbors":
        """Keep the first k of those outside a mask, with their full weights.

        mask (ndarray): What to leave out, shape (n, more than k), bool.
        """
        distances = np.where(mask, np.inf, self.distances)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances = np.take_along_axis(distances, order, axis=1)
        valid = np.isfinite(distances)
        rows = np.where(valid, np.take_along_axis(self.rows, order, axis=1), -1)
        tags = np.where(valid, np.take_along_axis(self.tags, order, axis=1), 0)
        weights = np.where(valid, np.take_along_axis(self.weights, order, axis=1), 0)
        return Neighbors(distances, rows, tags, weights)


@dataclass(frozen=True)
class Votes:
    """The store's votes, per key or per token.

    p_knn (ndarray): Equation 3, shape (n, n_tags); rows of zeros where there are no
        neighbors.
    nearest (ndarray): Distance of the nearest entry, shape (n,); inf if there is
        none.
    """

    p_knn: np.ndarray
    nearest: np.ndarray

    @classmethod
    def empty(cls, n: int, n_tags: int) -> "Votes":
        """Make votes without neighbors."""
        return cls(np.zeros((n, n_tags)), np.full(n, np.inf))


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


# Where a context is: behind a separator, or next to the sentence in its document.
RETRIEVED, BEFORE, AFTER = "retrieved", "before", "after"


class Context(TypedDict):
    """A text that a sentence is read together with.

    text (str): The text.
    kind (str): `"retrieved"`, `"before"` or `"after"`.
    start (int | None): First token of the sentence; None: of every one.
    score (float): How relevant it is, where that is known.
    """

    text: str
    kind: str
    start: int | None
    score: NotRequired[float]
