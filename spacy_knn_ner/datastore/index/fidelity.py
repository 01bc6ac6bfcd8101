"""Fidelity: how often an approximate index gives the tags that exact search gives.

Over all tokens it would say little: no search at all is right nearly always. So it is
measured where exact neighbors change the tag.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...types import Neighbors
from .. import distances as metrics
from ..distribution import lead, neighbor_distribution
from .base import StoredKeys, VectorIndex
from .flat import compare_all

if TYPE_CHECKING:
    from ..entries import EntryTable

TARGET = 0.95
# Other text is less like the store than the store itself is.
_AIM = 0.975
# Entries that are searched, and of them those that are probed, at most.
_SEARCHED, _PROBED = 32_768, 1024
_SURE = 0.5  # lead of the best tag
_ENOUGH = 20  # fewer changed tags than this are no basis
# The search parameter is doubled up to here; if that gains too little, more candidates
# are ranked.
_MOST_PARAM, _GAIN = 256, 0.005


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

    share (float | None): From 0 to 1; None where nothing was changed.
    changed (int): How many tags exact neighbors changed.
    """

    share: float | None
    changed: int


def fidelity(
    before: np.ndarray, exact: np.ndarray, approximate: np.ndarray
) -> Fidelity:
    """Compare tags.

    before (ndarray): Without neighbors, shape (n,).
    exact (ndarray): With the neighbors of exact search, shape (n,).
    approximate (ndarray): With the neighbors of an index, shape (n,).
    """
    changed = exact != before
    alike = (approximate == exact)[changed]
    return Fidelity(float(alike.mean()) if len(alike) else None, len(alike))


class FidelityProbe:
    """Entries that are looked up, each without its own example: of the k + 1 nearest,
    the others vote.

    Where they vote for another tag than the entry's, neighbors change a tag. That is
    rare, and exact search takes long: so many entries are searched with the index, and
    those whose vote differs, or is not clear, are searched exactly.
    """

    def __init__(self, table: "EntryTable", voting: Voting) -> None:
        """table (EntryTable): With an index.
        voting (Voting): How neighbors vote.
        """
        self.table, self.voting = table, voting
        self._example_ids = table.entries.array()["example_id"]
        self._tags = table.tags.array().astype(np.int64)
        alive = np.flatnonzero(~table.removed)
        rows = np.random.default_rng(0).permutation(alive)[:_SEARCHED]
        chosen: list[np.ndarray] = []
        for i in range(0, len(rows), _PROBED):
            if sum(map(len, chosen)) >= _PROBED:
                break
            some = np.sort(rows[i : i + _PROBED])
            p = self._votes(self._search(table.keys.take(some)), some)
            doubtful = (lead(p) < _SURE) | (p.argmax(axis=1) != self._tags[some])
            chosen.append(some[doubtful])
        self._rows = np.concatenate(chosen)[:_PROBED]
        self._queries = table.keys.take(self._rows).astype(np.float32)
        exact = self._exact(alive)
        self._expected = self._votes(exact, self._rows).argmax(axis=1)

    def measure(self) -> Fidelity:
        """Measure the index as it is now."""
        p = self._votes(self._search(self._queries), self._rows)
        return fidelity(self._tags[self._rows], self._expected, p.argmax(axis=1))

    def _search(self, queries: np.ndarray) -> Neighbors:
        return self.table.search(queries, self.voting.k + 1, metric=self.voting.metric)

    def _exact(self, alive: np.ndarray) -> Neighbors:
        metric, keys = self.voting.metric, self.table.keys
        parts = StoredKeys(keys, metric).selected(~self.table.removed)
        prepared = metrics.to_search_space(self._queries, metric)
        k = min(len(alive), self.voting.k + 1)
        squared, ids = compare_all(prepared, parts, k)
        rows = alive[ids]
        return Neighbors(
            metrics.from_search_distance(squared, metric),
            rows,
            self._tags[rows],
            self.table.entries.take(rows)["weight"].astype(np.int64),
        )

    def _votes(self, neighbors: Neighbors, rows: np.ndarray) -> np.ndarray:
        """Equation 3 without the entries' own examples."""
        voting = self.voting
        own = self._example_ids[rows][:, None]
        mask = (neighbors.rows < 0) | (self._example_ids[neighbors.rows] == own)
        others = neighbors.excluding(mask, voting.k).truncate(voting.k)
        return neighbor_distribution(others, voting.temperature, voting.n_tags)


def calibrate(index: VectorIndex, probe: FidelityProbe) -> Fidelity:
    """Make an approximate index search longer, from as fast as it can be, until it is
    faithful enough.

    index (VectorIndex): Its `search_param` and `refine_factor` are set.
    probe (FidelityProbe): Of the table that holds it.
    RETURNS (Fidelity): As measured last.
    """
    _set_search(index, refine_factor=1, search_param=1)
    found = probe.measure()
    if found.changed < _ENOUGH:
        set_default_search(index)  # no basis for anything else
        return probe.measure()
    while not is_faithful(found):
        before = found.share or 0.0
        param = index.search_param
        more = param is not None and param < _MOST_PARAM
        if more and param is not None:
            index.search_param = 2 * param
            found = probe.measure()
        gain = (found.share or 0.0) - before
        if gain < _GAIN and index.refine_factor < index.most_refine:
            # The neighbors may have been compared, but not proposed.
            index.refine_factor *= 2
            found = probe.measure()
        elif not more:
            break
    return _spare(index, probe, found)


def _spare(index: VectorIndex, probe: FidelityProbe, found: Fidelity) -> Fidelity:
    """Half of the last doubling may be enough."""
    param = index.search_param
    if param is None or param < 4 or not is_faithful(found):
        return found
    index.search_param = param - param // 4
    spared = probe.measure()
    if is_faithful(spared):
        return spared
    index.search_param = param
    return found


def is_faithful(found: Fidelity) -> bool:
    """Check whether an index is as faithful as calibration aims at."""
    return (found.share or 0.0) >= _AIM


def set_default_search(index: VectorIndex) -> None:
    """Set parameters that are faithful enough for most stores, without measuring."""
    _set_search(index, refine_factor=min(4, index.most_refine), search_param=32)


def _set_search(index: VectorIndex, *, refine_factor: int, search_param: int) -> None:
    index.refine_factor = refine_factor
    if index.search_param is not None:
        index.search_param = search_param
