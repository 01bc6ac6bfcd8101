"""Decoding: the best valid tag sequence of a distribution per token."""

from collections.abc import Sequence

import numpy as np

from ..tags import TagSet, Transitions, transitions

# Bound of what is decoded at once, in numbers.
_SIDE_BY_SIDE = 1 << 18


def decode(
    p: np.ndarray,
    tag_set: TagSet,
    decoding: str = "viterbi",
    lengths: Sequence[int] | None = None,
) -> np.ndarray:
    """Find the best valid tag sequence, or those of several sequences.

    p (ndarray): Probabilities, shape (n_tokens, n_tags).
    tag_set (TagSet): The columns of p.
    decoding (str): `"viterbi"` (default): the valid sequence with the highest
        product of probabilities. `"argmax"`: the most probable tag of each token,
        then repaired by reading it as conlleval does.
    lengths (Sequence[int] | None): Tokens per sequence. Default: one sequence.
    RETURNS (ndarray): Tag ids, shape (n_tokens,).
    """
    lengths = [len(p)] if lengths is None else lengths
    ids = p.argmax(axis=1)
    # No sequence beats the best tag of every token: if that is valid, it is
    # Viterbi's.
    ends = np.cumsum(lengths)
    broken = invalid_sequences(ids, tag_set, lengths)
    parts = [slice(ends[i] - lengths[i], ends[i]) for i in broken]
    if decoding == "viterbi":
        paths = viterbi([p[part] for part in parts], transitions(tag_set))
    else:
        paths = [
            tag_set.encode(part.stop - part.start, tag_set.spans(ids[part]))
            for part in parts
        ]
    for part, path in zip(parts, paths, strict=True):
        ids[part] = path
    return ids


def invalid_sequences(
    ids: np.ndarray, tag_set: TagSet, lengths: Sequence[int]
) -> np.ndarray:
    """Find the sequences that are not valid.

    ids (ndarray): Tag ids of all sequences, one after the other, shape (n_tokens,).
    tag_set (TagSet): The meaning of the ids.
    lengths (Sequence[int]): Tokens per sequence.
    RETURNS (ndarray): The numbers of the sequences, ascending.
    """
    if len(ids) == 0:
        return np.zeros(0, dtype=np.int64)
    allowed = transitions(tag_set)
    ends = np.cumsum(lengths)
    filled = np.asarray(lengths) > 0
    first, last = (ends - lengths)[filled], ends[filled] - 1
    broken = np.zeros(len(ids), dtype=bool)  # at tokens whose tag may not follow
    broken[1:] = ~allowed.step[ids[:-1], ids[1:]]
    broken[first] = ~allowed.first[ids[first]]
    broken[last] |= ~allowed.last[ids[last]]
    return np.unique(np.searchsorted(ends, np.flatnonzero(broken), side="right"))


def log_probabilities(p: np.ndarray) -> np.ndarray:
    """Compute logarithms for Viterbi. A tag without any probability stays possible,
    at a price that every other sequence undercuts.

    Sums of them have no rounding errors: as multiples of 2⁻³² they fit into a float64.
    So sequences that are equally good stay so, whatever is added to all of them.
    """
    logs = np.log(np.maximum(p, 1e-30, dtype=np.float64))
    return np.rint(logs * 2.0**32) / 2.0**32


def viterbi(sequences: Sequence[np.ndarray], allowed: Transitions) -> list[np.ndarray]:
    """Find the valid sequences with the highest product of probabilities.

    sequences (Sequence[ndarray]): Probabilities per sequence, shape (n_tokens, n_tags),
        n_tokens > 0. They are decoded side by side.
    allowed (Transitions): The valid transitions.
    RETURNS (list[ndarray]): Tag ids per sequence, shape (n_tokens,), int64.
    """
    longest_first = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    paths: dict[int, np.ndarray] = {}
    start = 0
    while start < len(longest_first):
        longest = len(sequences[longest_first[start]])
        # Pairs of tags at one token, and tags at all tokens.
        each = max(allowed.step.size, longest * len(allowed.first))
        group = longest_first[start : start + max(1, _SIDE_BY_SIDE // each)]
        start += len(group)
        decoded = _viterbi([sequences[i] for i in group], allowed)
        paths.update(zip(group, decoded, strict=True))
    return [paths[i] for i in range(len(sequences))]


def _viterbi(sequences: list[np.ndarray], allowed: Transitions) -> list[np.ndarray]:
    """sequences (list[ndarray]): The longest first."""
    lengths = np.array([len(p) for p in sequences])
    n, n_tags = len(lengths), len(allowed.first)
    scores = np.zeros((n, lengths[0], n_tags))
    for row, p in zip(scores, sequences, strict=True):
        row[: len(p)] = log_probabilities(p)
    step = np.where(allowed.step, 0.0, -np.inf)
    best = np.where(allowed.first, scores[:, 0], -np.inf)
    origins = np.zeros(scores.shape, dtype=np.int64)
    for i in range(1, lengths[0]):
        active = np.count_nonzero(lengths > i)  # the others are complete
        paths = best[:active, :, None] + step
        origins[:active, i] = paths.argmax(axis=1)
        best[:active] = paths.max(axis=1) + scores[:active, i]
    best = np.where(allowed.last, best, -np.inf)
    ids = np.zeros((n, lengths[0]), dtype=np.int64)
    ids[np.arange(n), lengths - 1] = best.argmax(axis=1)
    for i in range(lengths[0] - 1, 0, -1):
        active = np.count_nonzero(lengths > i)
        rows = np.arange(active)
        ids[:active, i - 1] = origins[rows, i, ids[:active, i]]
    return [row[:length] for row, length in zip(ids, lengths, strict=True)]
