"""Fewer entries with the same votes: each that stays counts for others by its
weight."""

import hashlib

import numpy as np

from .entries import EntryTable

_HEAVIEST = np.iinfo(np.uint16).max
# Keys are equal if they are in this precision: the same text is encoded with other last
# digits, if it is beside others in a batch.
_EQUAL_IN = np.float16


def merged(table: EntryTable) -> tuple[np.ndarray, np.ndarray]:
    """Merge entries with equal keys and equal tags; their votes stay the same.

    table (EntryTable): The entries.
    RETURNS (tuple[ndarray, ndarray]): Which entries stay, the first of each kind, and
        their weights; both of shape (n_rows,).
    """
    tags = table.tags.array()
    weights = np.where(table.removed, 0, table.entries.array()["weight"])
    weights = weights.astype(np.int64)
    first: dict[bytes, int] = {}
    row = 0
    for chunk in table.keys.chunks(1 << 14):
        for key in _rounded(chunk):
            if weights[row]:
                seen = hashlib.blake2b(key.tobytes(), digest_size=16)
                seen.update(tags[row].tobytes())
                other = first.setdefault(seen.digest(), row)
                if other != row and weights[other] + weights[row] <= _HEAVIEST:
                    weights[other] += weights[row]
                    weights[row] = 0
                elif other != row:
                    first[seen.digest()] = row
            row += 1
    return weights > 0, weights


def thinned(
    table: EntryTable, redundant: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Keep some of the redundant entries, with the weight of all of them.

    table (EntryTable): The entries.
    redundant (ndarray): Which could be missed, shape (n_rows,), bool.
    share (float): How many of those stay, 0 < share ≤ 1; of each tag one at least.
    RETURNS (tuple[ndarray, ndarray]): As from `merged`. The sum of the weights of a tag
        stays the same, as far as an entry can bear it.
    """
    keep, tags = ~table.removed, table.tags.array()
    weights = np.where(keep, table.entries.array()["weight"], 0).astype(np.int64)
    for tag in np.unique(tags):
        rows = np.flatnonzero(keep & redundant & (tags == tag))
        groups = np.floor(np.arange(len(rows)) * share).astype(np.int64)
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        if len(rows):
            sums = np.add.reduceat(weights[rows], starts)
            weights[rows] = 0
            weights[rows[starts]] = np.minimum(sums, _HEAVIEST)
    return weights > 0, weights


def _rounded(keys: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = keys.astype(_EQUAL_IN)
    # What is too large or too small for that would all be equal.
    fits = np.isfinite(rounded).all() and rounded.any(axis=1).all()
    return rounded if fits else keys
