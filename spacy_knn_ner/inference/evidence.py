"""Evidence: the neighbors behind a token's votes, with their sentences."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..datastore.all_votes import count_all
from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.distribution import vote_sizes
from ..settings import Settings
from ..types import Matches, Neighbors

_WORDS = 6  # shown to either side of a neighbor's token


def plain(text: str) -> str:
    """Highlight nothing."""
    return text


@dataclass(frozen=True)
class NeighborEvidence:
    """A neighbor with its sentence.

    words (list[str]), spaces (list[bool]): Its text, and whether spaces follow.
    token (int): Its token in that text.
    tag (str): That token's tag.
    distance (float): In units of the metric.
    share (float): Its share of the store's votes, or of the corrections', 0 to 1.
    part (str): `"store"` or `"corrections"`.
    example_id (int): Its example.
    source (str | None): Where that comes from, if known.
    same_words (bool): Whether it votes among the corrections because of its words: as
        one of them, or as a store entry beside them. Otherwise it is near.
    """

    words: list[str]
    spaces: list[bool]
    token: int
    tag: str
    distance: float
    share: float
    part: str
    example_id: int
    source: str | None = None
    same_words: bool = False

    @property
    def text(self) -> str:
        """The neighbor on one line, with a few words around it."""
        return self.to_text()

    def to_text(self, bold: Callable[[str], str] = plain) -> str:
        """Format the neighbor on one line, with a few words around it.

        bold (Callable[[str], str]): Highlights the token. Default: no highlighting.
        """
        words = list(self.words)
        words[self.token] = bold(f"[{words[self.token]}]")
        pairs = list(zip(words, self.spaces, strict=True))
        shown = pairs[max(0, self.token - _WORDS) : self.token + _WORDS + 1]
        around = "".join(word + " " * space for word, space in shown)
        kind = "  same words" if self.same_words else ""
        if self.part == CORRECTIONS:
            kind = "  correction"
        return (
            f"{self.tag:<16} distance {self.distance:.3f}  "
            f"vote {self.share:4.0%}{kind}  {around}"
        )


def correction_evidence(
    datastore: Datastore, matches: Matches, i: int, n: int
) -> list[NeighborEvidence]:
    """List the corrections that apply to a token, and the store entries that vote
    beside them.

    datastore (Datastore): Their entries.
    matches (Matches): Of all tokens.
    i (int): The token.
    n (int): At most so many of each.
    RETURNS (list[NeighborEvidence]): Nearest first.
    """
    sizes, far = matches.sizes, matches.distances
    voting = matches.tokens == i
    shares = sizes / max(sizes[voting].sum(), 1e-300)
    evidence = []
    for part, of_part in ((CORRECTIONS, ~matches.in_store), (STORE, matches.in_store)):
        chosen = np.flatnonzero(voting & of_part)
        chosen = chosen[np.argsort(far[chosen], kind="stable")][:n]
        evidence += _evidence(
            datastore,
            part,
            matches.rows[chosen],
            matches.distances[chosen],
            shares[chosen],
            matches.same_words[chosen],
        )
    return evidence


def store_evidence(
    datastore: Datastore, vectors: np.ndarray, settings: Settings, n: int
) -> list[NeighborEvidence]:
    """List the nearest entries of a token in the store.

    datastore (Datastore): With a store.
    vectors (ndarray): The token's keys, shape (n_keys, width).
    settings (Settings): `k`, `temperature` and `metric`.
    n (int): At most so many.
    RETURNS (list[NeighborEvidence]): Nearest first.
    """
    if not len(vectors) or not len(datastore.store):
        return []
    table, temperature, metric = datastore.store, settings.temperature, settings.metric
    if settings.k is not None:
        near = table.search(vectors, settings.k, metric=metric).truncate(settings.k)
        return neighbor_evidence(datastore, near, temperature, n)
    # Another word piece may rank an entry differently, so search farther than n.
    near = table.search(vectors, max(n, 1000), metric=metric)
    n_tags = len(datastore.tag_set)
    total = count_all(table, vectors, [temperature], metric, n_tags).mass[0]
    return neighbor_evidence(datastore, near, temperature, n, total=total)


def neighbor_evidence(
    datastore: Datastore,
    near: Neighbors,
    temperature: float,
    n: int,
    *,
    total: np.ndarray | None = None,
) -> list[NeighborEvidence]:
    """List the neighbors of a token's keys in the store.

    datastore (Datastore): With the store.
    near (Neighbors): Of each key, shape (n_keys, k).
    temperature (float): Of equation 3.
    n (int): At most so many.
    total (ndarray | None): The sum of all votes of each key. Default: of these.
    RETURNS (list[NeighborEvidence]): Nearest first.
    """
    sizes = vote_sizes(near.distances, temperature) * near.weights
    total = sizes.sum(axis=1) if total is None else total
    # A token's vote is the mean of its keys' (word pieces').
    shares = sizes / np.maximum(total, 1e-300)[:, None] / len(sizes)
    share: dict[int, float] = {}
    distance: dict[int, float] = {}
    for row, d, s in zip(near.rows.flat, near.distances.flat, shares.flat, strict=True):
        if row >= 0:
            share[int(row)] = share.get(int(row), 0.0) + float(s)
            distance[int(row)] = min(distance.get(int(row), np.inf), float(d))
    rows = sorted(distance, key=lambda row: (distance[row], row))[:n]
    return _evidence(
        datastore,
        STORE,
        np.array(rows, dtype=np.int64),
        np.array([distance[row] for row in rows]),
        np.array([share[row] for row in rows]),
        np.zeros(len(rows), dtype=bool),
    )


def _evidence(
    datastore: Datastore,
    part: str,
    rows: np.ndarray,
    distances: np.ndarray,
    shares: np.ndarray,
    same_words: np.ndarray,
) -> list[NeighborEvidence]:
    table = datastore.tables[part]
    entries, tags = table.entries.take(rows), table.tags.take(rows)
    evidence = []
    columns = zip(entries, tags, distances, shares, same_words, strict=True)
    for entry, tag, distance, share, same in columns:
        example = datastore.example(int(entry["example_id"]))
        evidence.append(
            NeighborEvidence(
                words=example.annotated.words,
                spaces=example.annotated.spaces,
                token=int(entry["token"]),
                tag=datastore.tag_set.tags[tag],
                distance=float(distance),
                share=float(share),
                part=part,
                example_id=example.example_id,
                source=example.source,
                same_words=bool(same),
            )
        )
    return evidence
