"""Fewer entries that say the same: each that stays stands for others by its weight."""

import hashlib

import numpy as np

from .blocks import Blocks

_HEAVIEST = np.iinfo(np.uint16).max
# Keys are equal if they are in this precision: the same text is encoded with the last
# digits otherwise, if it is beside others in a batch.
_EQUAL_IN = np.float16


def merged(keys: Blocks, entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal keys with equal tags become one entry; what they vote stays the same.

    keys (Blocks): Of a tier.
    entries (ndarray): Likewise, shape (n,).
    RETURNS (tuple[ndarray, ndarray]): Which entries stay, the first of each kind, and
        what they weigh; both of shape (n,).
    """
    weights = np.where(entries["forgotten"], 0, entries["weight"]).astype(np.int64)
    first: dict[bytes, int] = {}
    row = 0
    for chunk in keys.chunks(1 << 14):
        for key in _rounded(chunk):
            if weights[row]:
                seen = hashlib.blake2b(key.tobytes(), digest_size=16)
                seen.update(entries["tag"][row].tobytes())
                other = first.setdefault(seen.digest(), row)
                if other != row and weights[other] + weights[row] <= _HEAVIEST:
                    weights[other] += weights[row]
                    weights[row] = 0
                elif other != row:
                    first[seen.digest()] = row
            row += 1
    return weights > 0, weights


def thinned(
    entries: np.ndarray, redundant: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of redundant entries only some stay, for all of them.

    entries (ndarray): Of a tier, shape (n,).
    redundant (ndarray): Which could be missed, shape (n,), bool.
    share (float): How many of those stay, 0 < share ≤ 1; of each tag one at least.
    RETURNS (tuple[ndarray, ndarray]): As from `merged`. The sum of the weights of a tag
        stays the same, as far as an entry can bear it.
    """
    keep = ~entries["forgotten"]
    weights = np.where(keep, entries["weight"], 0).astype(np.int64)
    for tag in np.unique(entries["tag"]):
        rows = np.flatnonzero(keep & redundant & (entries["tag"] == tag))
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
