"""Does an approximate index come to the tags that exact search comes to?"""

from collections.abc import Callable

import numpy as np

from ..ty import Fidelity, Neighbors, Voting
from . import distances as metrics
from . import kernel
from .blocks import Blocks
from .exhaustive import compare_all
from .faiss_index import FaissIndex

TARGET = 0.95
# Other text is less like the store than the store itself is.
_AIM = 0.975
# Entries that are looked at, and of them those that are asked, at most.
_LOOKED_AT, _ASKED = 32_768, 1024
_SURE = 0.5  # lead of the best tag
_ENOUGH = 20  # fewer changed tags than this say nothing
# Effort is doubled up to here; if that gains too little, more candidates are ranked.
_MOST_EFFORT, _MOST_STRETCH, _GAIN = 256, 16, 0.005


def fidelity(before: np.ndarray, exact: np.ndarray, found: np.ndarray) -> Fidelity:
    """Compare tags.

    before (ndarray): Without neighbors, shape (n,).
    exact (ndarray): With the neighbors that exact search finds, shape (n,).
    found (ndarray): With those that the index finds, shape (n,).
    """
    changed = exact != before
    alike = (found == exact)[changed]
    return Fidelity(float(alike.mean()) if len(alike) else None, len(alike))


Search = Callable[[np.ndarray, int], Neighbors]


class Trial:
    """Entries that are asked about themselves, each without its own example: of the
    k + 1 nearest, the others vote.

    What the store says of them is a tag that neighbors change. That is rare, and exact
    search takes long: so many are looked at with the index, turned up, and those of
    which it says another tag, or is not sure, are searched exactly.
    """

    def __init__(
        self, keys: Blocks, entries: Blocks, search: Search, voting: Voting
    ) -> None:
        """keys, entries (Blocks): Of a tier.
        search (Search): What tells which entries are worth asking.
        voting (Voting): How neighbors vote.
        """
        self.entries, self.voting = entries.array(), voting
        keep = ~self.entries["forgotten"]
        alive = np.flatnonzero(keep)
        rows = np.random.default_rng(0).permutation(alive)[:_LOOKED_AT]
        chosen: list[np.ndarray] = []
        for i in range(0, len(rows), _ASKED):
            if sum(map(len, chosen)) >= _ASKED:
                break
            some = np.sort(rows[i : i + _ASKED])
            p = self._votes(search(keys.take(some), voting.k + 1), self.entries[some])
            doubtful = kernel.lead(p) < _SURE
            doubtful |= p.argmax(axis=1) != self.entries["tag"][some]
            chosen.append(some[doubtful])
        asked = np.concatenate(chosen)[:_ASKED]
        self.own = self.entries[asked]
        self.queries = keys.take(asked).astype(np.float32)
        metric = voting.metric
        parts = (metrics.to_search_space(p, metric) for p in keys.kept(keep) if len(p))
        prepared = metrics.to_search_space(self.queries, metric)
        squared, found = compare_all(prepared, parts, min(len(alive), voting.k + 1))
        found = alive[found]
        tags = self.entries["tag"][found].astype(np.int64)
        distances = metrics.from_search_distance(squared, metric)
        weights = self.entries["weight"][found].astype(np.int64)
        exact = Neighbors(distances, found, tags, weights)
        self.exact = self._votes(exact, self.own).argmax(axis=1)

    def __call__(self, search: Search) -> Fidelity:
        """How faithful is this search?"""
        p = self._votes(search(self.queries, self.voting.k + 1), self.own)
        return fidelity(self.own["tag"], self.exact, p.argmax(axis=1))

    def _votes(self, found: Neighbors, own: np.ndarray) -> np.ndarray:
        """Equation 3 without the own examples."""
        examples = self.entries["example_id"][found.rows]
        gone = (found.rows < 0) | (examples == own["example_id"][:, None])
        others, how = found.without(gone, self.voting.k), self.voting
        voting = others.first(how.k)
        return kernel.found_distribution(voting, how.temperature, how.n_tags)


def make_faithful(index: FaissIndex, trial: Trial, search: Search) -> None:
    """Turn an index up, from as fast as it can be, until it is faithful enough.

    index (FaissIndex): To be turned up. What was measured last stays with it.
    trial (Trial): What it is tried on.
    search (Search): By the index.
    """
    index.stretch, index.effort = 1, 1
    index.fidelity = trial(search)
    if index.fidelity.changed < _ENOUGH:
        turn_up(index)  # nothing to go by
        index.fidelity = trial(search)
        return
    while not is_faithful(index):
        before = index.fidelity.share or 0.0
        more = index.effort is not None and index.effort < _MOST_EFFORT
        if more and index.effort is not None:
            index.effort = 2 * index.effort
            index.fidelity = trial(search)
        gain = (index.fidelity.share or 0.0) - before
        if gain < _GAIN and index.stretch < _MOST_STRETCH:
            # What it is looking for it may have seen, but did not propose.
            index.stretch = 2 * index.stretch
            index.fidelity = trial(search)
        elif not more:
            break
    _spare(index, trial, search)


def _spare(index: FaissIndex, trial: Trial, search: Search) -> None:
    """Half of the last doubling of effort may be enough."""
    effort, measured = index.effort, index.fidelity
    if effort is None or effort < 4 or not is_faithful(index):
        return
    index.effort = effort - effort // 4
    index.fidelity = trial(search)
    if not is_faithful(index):
        index.effort, index.fidelity = effort, measured


def is_faithful(index: FaissIndex) -> bool:
    """Whether it is as good as is aimed at."""
    return index.fidelity is not None and (index.fidelity.share or 0.0) >= _AIM


def turn_up(index: FaissIndex) -> None:
    """As faithful as is good for most, measured or not."""
    index.stretch, index.effort = 4, 32
