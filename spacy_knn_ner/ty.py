"""The small types that cross rooms."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .tags import SpanTuple


@dataclass(frozen=True)
class LabelledText:
    """What an example says: a text and its entities, independent of any vocab.

    words (list[str]): The tokens.
    spaces (list[bool]): Whether a space follows each token.
    entities (list[SpanTuple]): (start, end, label) in tokens, not overlapping.
    missing (list[int]): Tokens that nobody annotated; they never become `O`.
    sentence_starts (list[int] | None): First tokens of sentences, if marked.
    document (str | None): The document it is a part of, if known.
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
class Example:
    """A labelled text in the datastore.

    example_id (int): Stable, never reused.
    tier (str): `"store"` or `"corrections"`.
    labelled (LabelledText): Text and entities.
    source (str | None): Where it comes from, as whoever added it has said.
    """

    example_id: int
    tier: str
    labelled: LabelledText
    source: str | None = None


@dataclass(frozen=True)
class TokenKeys:
    """The key vectors of one Doc.

    vectors (ndarray): Shape (n_keys, width), float32, finite, none of them zero.
    tokens (ndarray): The token each belongs to, shape (n_keys,), ascending. Not
        every token has a key (whitespace has none), and with one key per word
        piece a token has several.
    n_tokens (int): How many tokens there are, with keys or without.
    """

    vectors: np.ndarray
    tokens: np.ndarray
    n_tokens: int

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Neighbors:
    """The nearest entries of each query, nearest first; ties by entry.

    distances (ndarray): Shape (n, k), float64; inf where there is none.
    rows (ndarray): Entries, shape (n, k); −1 where there is none.
    tags (ndarray): Their tag ids, shape (n, k); 0 where there is none.
    weights (ndarray): How many equal ones each of them stands for, shape (n, k); 0
        where there is none.
    """

    distances: np.ndarray
    rows: np.ndarray
    tags: np.ndarray
    weights: np.ndarray

    def of(self, chosen: np.ndarray) -> "Neighbors":
        """Those of some queries.

        chosen (ndarray): Shape (n,), bool.
        """
        return Neighbors(*(column[chosen] for column in self._columns))

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.distances, self.rows, self.tags, self.weights

    @staticmethod
    def joined(parts: "list[Neighbors]") -> "Neighbors":
        """Those of the queries of all parts, one after the other."""
        columns = zip(*(part._columns for part in parts), strict=True)
        return Neighbors(*map(np.concatenate, columns))

    def replaced(self, queries: np.ndarray, others: "Neighbors") -> "Neighbors":
        """With others instead for some queries.

        queries (ndarray): Which, shape (n_others,).
        others (Neighbors): Theirs.
        """
        columns = tuple(column.copy() for column in self._columns)
        for column, other in zip(columns, others._columns, strict=True):
            column[queries] = other
        return Neighbors(*columns)

    def first(self, k: int) -> "Neighbors":
        """Those that vote: k by weight. An entry of weight w counts as w equal ones."""
        weights = self.weights[:, :k]
        before = np.cumsum(weights, axis=1) - weights
        return Neighbors(
            self.distances[:, :k],
            self.rows[:, :k],
            self.tags[:, :k],
            np.clip(k - before, 0, weights),
        )

    def without(self, gone: np.ndarray, k: int) -> "Neighbors":
        """The first k entries of the others, with their full weights.

        gone (ndarray): Which do not count, shape (n, more than k), bool.
        """
        distances = np.where(gone, np.inf, self.distances)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances = np.take_along_axis(distances, order, axis=1)
        there = np.isfinite(distances)
        rows = np.where(there, np.take_along_axis(self.rows, order, axis=1), -1)
        tags = np.where(there, np.take_along_axis(self.tags, order, axis=1), 0)
        weights = np.where(there, np.take_along_axis(self.weights, order, axis=1), 0)
        return Neighbors(distances, rows, tags, weights)


@dataclass(frozen=True)
class Votes:
    """What a tier says about each query.

    p_knn (ndarray): Equation 3, shape (n, n_tags) over the datastore's tags;
        rows of zeros where there are no neighbors.
    nearest (ndarray): Distance of the nearest entry, shape (n,); inf if none.
    distances (ndarray | None): The same in units of the metric, where `nearest` is a
        share of a radius.
    """

    p_knn: np.ndarray
    nearest: np.ndarray
    distances: np.ndarray | None = None


@dataclass(frozen=True)
class Evidence:
    """A neighbor, as people read it.

    words (list[str]), spaces (list[bool]): Its text, and where spaces follow.
    token (int): Which token of it was near.
    tag (str): That token's tag.
    distance (float): In the metric of the component.
    share (float): Its share of the neighbors' vote, or of the corrections', 0 to 1.
    tier (str): `"store"` or `"corrections"`.
    example_id (int): Its example.
    source (str | None): Where that comes from, if anybody said so.
    same_words (bool): Whether it votes among the corrections because of its words: as
        one of them, or beside them as the store's. Otherwise it is near.
    """

    words: list[str]
    spaces: list[bool]
    token: int
    tag: str
    distance: float
    share: float
    tier: str
    example_id: int
    source: str | None = None
    same_words: bool = False


@dataclass(frozen=True)
class TokenExplanation:
    """How a token came by its tag. Distributions name their three best tags.

    i (int): The token.
    text (str): Its text.
    tag (str): Its tag.
    tag_before (str): Its tag without neighbors.
    base (dict[str, float]): What the components in front say; empty if nothing.
    store (dict[str, float]): What its neighbors in the store say.
    corrections (dict[str, float]): What the corrections say; empty if none is heard.
    trust (float): The weight that the corrections have here, from 0 to 1.
    final (dict[str, float]): The mixture of all three.
    nearest (float | None): Distance of the nearest entry that speaks to it.
    unknown (bool | None): Whether that is farther than `unknown_distance`; None without
        such a setting.
    neighbors (list[Evidence]): Corrections that speak to it, the store's entries that
        do beside them, then its neighbors.
    """

    i: int
    text: str
    tag: str
    tag_before: str
    base: dict[str, float]
    store: dict[str, float]
    corrections: dict[str, float]
    trust: float
    final: dict[str, float]
    nearest: float | None
    unknown: bool | None
    neighbors: list[Evidence]


@dataclass(frozen=True)
class EntityExplanation:
    """How an entity came about, or why one did not.

    start, end (int): Its first token, and the token after its last.
    text (str), label (str): Of the entity.
    score (float | None): As in `doc.spans`; of one that was not found, what it would
        be; None if a ruler has set it.
    found (bool): Whether it was found; otherwise it would be without neighbors.
    changed (bool): Whether that is due to neighbors.
    unknown (bool | None): Whether nothing like one of its tokens was seen; see there.
    tokens (list[TokenExplanation]): Its tokens.
    """

    start: int
    end: int
    text: str
    label: str
    score: float | None
    found: bool
    changed: bool
    unknown: bool | None
    tokens: list[TokenExplanation]


@dataclass(frozen=True)
class Voting:
    """How neighbors vote; see the settings of `knn_ner`.

    k (int), temperature (float), metric (str): As there.
    n_tags (int): Number of tags.
    """

    k: int
    temperature: float
    metric: str
    n_tags: int


@dataclass(frozen=True)
class Fidelity:
    """Of the tags that exact neighbors change, how many an index changes alike.

    Over all tokens it would say little: no search at all is right nearly always.

    share (float | None): From 0 to 1; None where nothing was changed.
    changed (int): How many tags exact neighbors changed.
    """

    share: float | None
    changed: int


class VectorIndex(Protocol):
    """Search by squared L2 distance over vectors in the order they were added.

    Small on purpose: a remote vector engine can stand behind it.

    exact (bool): Whether the k nearest are found, as far as float32 can tell.
    """

    exact: bool

    def __len__(self) -> int:
        """Number of vectors."""
        ...

    @property
    def nbytes(self) -> int:
        """What it holds, whether in memory or mapped into it."""
        ...

    def add(self, vectors: np.ndarray) -> None:
        """vectors (ndarray): Shape (n, width), float32."""
        ...

    def about(self) -> dict[str, Any]:
        """What it is, for people and for JSON."""
        ...

    def proposes(self, k: int) -> int:
        """How many it should propose where the k nearest are wanted."""
        ...

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest, k ≤ len(self), nearest first.

        queries (ndarray): Shape (n, width), float32.
        RETURNS (tuple[ndarray, ndarray]): Squared L2 distances in float32
            precision and row numbers, each of shape (n, k).
        """
        ...
