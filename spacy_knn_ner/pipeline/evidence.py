"""Why? The neighbors of a token, as people read them."""

import numpy as np

from ..datastore.datastore import TIERS, Datastore
from ..datastore.kernel import vote_sizes
from ..ty import Evidence
from .settings import Settings


def find_evidence(
    datastore: Datastore, vectors: np.ndarray, settings: Settings, n: int
) -> list[Evidence]:
    """The nearest entries of one token in each tier.

    datastore (Datastore): Where to look.
    vectors (ndarray): The token's keys, shape (n_keys, width).
    settings (Settings): How neighbors are found.
    n (int): How many to return per tier, at most.
    RETURNS (list[Evidence]): Nearest first; corrections before the store.
    """
    found: list[Evidence] = []
    for tier in reversed(TIERS):
        if len(vectors) and datastore.size(tier):
            with datastore.tiers[tier].lock:
                found += _in_tier(datastore, tier, vectors, settings, n)
    return found


def _in_tier(
    datastore: Datastore, tier: str, vectors: np.ndarray, settings: Settings, n: int
) -> list[Evidence]:
    entries = datastore.tiers[tier]
    k, metric = settings.k, settings.metric
    temperature = settings.tier_temperature(tier)
    # Another piece may rank an entry differently, so look further than n.
    reach = max(n, 1000) if k is None else k
    index = settings.tier_index(tier)
    near = entries.search(vectors, reach, metric=metric, index=index)
    near = near if k is None else near.first(k)
    sizes = vote_sizes(near.distances, temperature) * near.weights
    total = sizes.sum(axis=1)
    if k is None:
        n_tags = len(datastore.tag_set)
        total = entries.count_all(vectors, [temperature], metric, n_tags).mass[0]
    # A token's vote is the mean of its keys' (word pieces').
    shares = sizes / total[:, None] / len(vectors)
    share: dict[int, float] = {}
    distance: dict[int, float] = {}
    for row, d, s in zip(near.rows.flat, near.distances.flat, shares.flat, strict=True):
        if row >= 0:
            share[int(row)] = share.get(int(row), 0.0) + float(s)
            distance[int(row)] = min(distance.get(int(row), np.inf), float(d))
    rows = sorted(distance, key=lambda row: (distance[row], row))[:n]
    evidence = []
    found = entries.entries.take(np.array(rows, dtype=np.int64))
    for row, entry in zip(rows, found, strict=True):
        example_id = int(entry["example_id"])
        text = datastore.example(example_id).labelled
        evidence.append(
            Evidence(
                words=text.words,
                spaces=text.spaces,
                token=int(entry["token"]),
                tag=datastore.tag_set.tags[entry["tag"]],
                distance=distance[row],
                share=share[row],
                tier=tier,
                example_id=example_id,
            )
        )
    return evidence
