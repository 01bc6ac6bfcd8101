"""Equation 3 with k = null: every entry of a store votes.

It is softmax(−d/T) over all keys times the one-hot tags, block by block, so that no
array of size queries × entries is needed; on the device that spaCy computes on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ml.extras import require_torch
from . import distances as metrics
from .distribution import normalized
from .entries import EntryTable
from .fork_safety import make_fork_safe

# Distances between so many queries and keys stay in a processor's cache; for a GPU more
# at once are better.
_QUERIES, _KEYS, _KEYS_ON_GPU = 512, 1024, 1 << 16
# A cosine distance in float32 errs by about 1e-7. At this temperature that moved p_kNN
# by at most 7e-6 (measured with 512 queries on 200,000 keys), at higher ones by less.
_FLOAT32_FROM = 0.005
# Below that many entries float64 takes no time worth saving.
_FEW = 20_000


class AllVotes:
    """Votes that are counted block by block; one pass serves several temperatures.

    The votes so far are rescaled whenever a nearer entry shows up.
    """

    def __init__(
        self, n_queries: int, temperatures: Sequence[float], n_tags: int
    ) -> None:
        """n_queries (int), n_tags (int): As in equation 3.
        temperatures (Sequence[float]): Every T that is wanted.
        """
        self.temperatures = temperatures
        self.nearest = np.full(n_queries, np.inf)
        self.votes = np.zeros((len(temperatures), n_queries, n_tags))

    def add(self, distances: Any, tags: np.ndarray, weights: np.ndarray) -> None:
        """Count the votes of a block.

        distances (Tensor): Shape (n_queries, block); inf for entries that do not
            vote. It is overwritten.
        tags, weights (ndarray): Shape (block,).
        """
        import torch

        if distances.shape[1] == 0:
            return
        least = distances.min(dim=1).values.cpu().numpy().astype(np.float64)
        nearest = np.minimum(self.nearest, least)
        origin = np.where(np.isfinite(nearest), nearest, 0.0)
        farther, self.nearest = self.nearest - origin, nearest
        further = distances.sub_(torch.as_tensor(origin[:, None]).to(distances))
        ids = torch.as_tensor(tags.astype(np.int64), device=distances.device)
        one_hot = torch.eye(self.votes.shape[2]).to(distances)[ids]
        one_hot *= torch.as_tensor(weights.astype(np.int64)[:, None]).to(distances)
        sizes, before = further, np.nan
        # From the highest down: exp(−d/(T/2)) = exp(−d/T)², and squares are cheap.
        for i in np.argsort(self.temperatures)[::-1]:
            temperature = self.temperatures[i]
            if before == 2 * temperature:
                sizes = sizes.square_()
            else:
                sizes = torch.exp(further * (-1.0 / temperature))
            before = temperature
            self.votes[i] *= np.exp(-farther / temperature)[:, None]
            self.votes[i] += torch.mm(sizes, one_hot).cpu().numpy()

    @property
    def mass(self) -> np.ndarray:
        """The denominators of equation 3, shape (n_temperatures, n_queries), where
        the nearest entry's vote has size one."""
        return self.votes.sum(axis=2)

    def distributions(self) -> np.ndarray:
        """Compute p_kNN per temperature, as `knn_distribution` does."""
        return normalized(self.votes)


def count_all(
    table: EntryTable,
    queries: np.ndarray,
    temperatures: Sequence[float],
    metric: str,
    n_tags: int,
    *,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
) -> AllVotes:
    """Count the votes of every entry.

    table (EntryTable): The entries.
    queries (ndarray): Shape (n, width).
    temperatures (Sequence[float]): Every T that is wanted, in units of the metric.
    metric (str): One of `distances.METRICS`.
    n_tags (int): Number of tags.
    groups (tuple[ndarray, ndarray] | None): A number per query, and one per row of the
        table: an entry does not vote where the two are equal.
    RETURNS (AllVotes): The counted votes.
    RAISES (KnnNerError): If torch is not installed.
    """
    require_torch("k = null")
    import torch
    from thinc.api import get_torch_default_device

    make_fork_safe()
    device = get_torch_default_device()
    if device.type == "mps":
        device = torch.device("cpu")  # Apple's GPUs have no float64
    single = metric == "cosine" and table.n_rows > _FEW
    single = single and min(temperatures) >= _FLOAT32_FROM
    dtype = torch.float32 if single else torch.float64
    block = _KEYS if device.type == "cpu" else _KEYS_ON_GPU

    def prepared(vectors: np.ndarray) -> Any:
        x = torch.as_tensor(vectors.astype(np.float64), device=device)
        if metric == "cosine":
            x /= x.norm(dim=1, keepdim=True)
        return x.to(dtype)

    counted = AllVotes(len(queries), temperatures, n_tags)
    with table.lock:
        for start in range(0, len(queries), _QUERIES):
            some = slice(start, start + _QUERIES)
            x = prepared(queries[some])
            votes = AllVotes(len(x), temperatures, n_tags)
            for first in range(0, table.n_rows, block):
                end = min(first + block, table.n_rows)
                columns = (table.keys, table.tags, table.entries)
                part, tags, entries = (column.part(first, end) for column in columns)
                kept = np.flatnonzero(~table.removed[first:end])
                rows = first + kept
                if not len(rows):
                    continue
                distances = metrics.all_pairs(x, prepared(part[kept]), metric)
                if groups is not None:
                    same = groups[0][some, None] == groups[1][rows]
                    distances[torch.as_tensor(same, device=device)] = np.inf
                votes.add(distances, tags[kept], entries["weight"][kept])
            counted.nearest[some] = votes.nearest
            counted.votes[:, some] = votes.votes
    return counted
