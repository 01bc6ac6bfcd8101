"""Why? The neighbors of a token, as people read them."""

import numpy as np

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.kernel import vote_sizes
from ..ty import Evidence, Neighbors
from .hearing import Heard
from .settings import Settings


def correction_evidence(
    datastore: Datastore, heard: Heard, i: int, settings: Settings, n: int
) -> list[Evidence]:
    """The corrections that speak to one token, and the entries of the store that do so
    beside them, with the same words.

    datastore (Datastore): Where they are.
    heard (Heard): By all tokens.
    i (int): The token.
    settings (Settings): How much they count.
    n (int): How many of each to return, at most.
    RETURNS (list[Evidence]): Nearest first, as a share of the radius.
    """
    sizes = heard.sizes(datastore, settings)
    mine = (heard.tokens == i) & (sizes > 0)
    shares = sizes / max(sizes[mine].sum(), 1e-300)
    evidence = []
    for tier, of_tier in ((CORRECTIONS, ~heard.stored), (STORE, heard.stored)):
        chosen = np.flatnonzero(mine & of_tier)
        nearest = np.argsort(heard.relative(settings)[chosen], kind="stable")
        chosen = chosen[nearest][:n]
        evidence += _evidence(
            datastore,
            tier,
            heard.rows[chosen],
            heard.distances[chosen],
            shares[chosen],
            heard.same[chosen],
        )
    return evidence


def store_evidence(
    datastore: Datastore, vectors: np.ndarray, settings: Settings, n: int
) -> list[Evidence]:
    """The nearest entries of one token in the store.

    datastore (Datastore): Where to look.
    vectors (ndarray): The token's keys, shape (n_keys, width).
    settings (Settings): How neighbors are found.
    n (int): How many to return, at most.
    RETURNS (list[Evidence]): Nearest first.
    """
    if not len(vectors):
        return []
    entries = datastore.tiers[STORE]
    k, metric, temperature = settings.k, settings.metric, settings.temperature
    # Another piece may rank an entry differently, so look further than n.
    reach = max(n, 1000) if k is None else k
    near = entries.search(vectors, reach, metric=metric, index=settings.index)
    near = near if k is None else near.first(k)
    total = None
    if k is None:
        n_tags = len(datastore.tag_set)
        total = entries.count_all(vectors, [temperature], metric, n_tags).mass[0]
    return found_evidence(datastore, near, temperature, n, total=total)


def found_evidence(
    datastore: Datastore,
    near: Neighbors,
    temperature: float,
    n: int,
    *,
    total: np.ndarray | None = None,
) -> list[Evidence]:
    """The neighbors that a token's keys have found in the store.

    datastore (Datastore): Where they are.
    near (Neighbors): Of each key, shape (n_keys, k).
    temperature (float): As in `knn_ner`.
    n (int): How many to return, at most.
    total (ndarray | None): All votes of each key; None: these are all.
    RETURNS (list[Evidence]): Nearest first.
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
    tier: str,
    rows: np.ndarray,
    distances: np.ndarray,
    shares: np.ndarray,
    same_words: np.ndarray,
) -> list[Evidence]:
    evidence = []
    found = datastore.tiers[tier].entries.take(rows)
    columns = zip(found, distances, shares, same_words, strict=True)
    for entry, distance, share, same in columns:
        example = datastore.example(int(entry["example_id"]))
        evidence.append(
            Evidence(
                words=example.labelled.words,
                spaces=example.labelled.spaces,
                token=int(entry["token"]),
                tag=datastore.tag_set.tags[entry["tag"]],
                distance=float(distance),
                share=float(share),
                tier=tier,
                example_id=example.example_id,
                source=example.source,
                same_words=bool(same),
            )
        )
    return evidence
