"""Does an approximate index come to the tags that exact search comes to?"""

from collections.abc import Callable

import numpy as np

from ..ty import Fidelity, Neighbors
from . import distances as metrics
from .blocks import Blocks
from .exhaustive import compare_all
from .faiss_index import FaissIndex
from .kernel import knn_distribution

TARGET = 0.95
_ASKED = 2048  # entries that an index is tried on
# Fewer changed tags than this say nothing; then stretch and effort are these.
_ENOUGH, _UNTRIED = 20, (4, 32)
# Effort is doubled up to here; then more candidates are ranked.
_MOST_EFFORT, _MOST_STRETCH = 256, 16


def fidelity(before: np.ndarray, exact: np.ndarray, found: np.ndarray) -> Fidelity:
    """Compare tags.

    before (ndarray): Without neighbors, shape (n,).
    exact (ndarray): With the neighbors that exact search finds, shape (n,).
    found (ndarray): With those that the index finds, shape (n,).
    """
    changed = exact != before
    alike = (found == exact)[changed]
    return Fidelity(float(alike.mean()) if len(alike) else None, len(alike))


class Trial:
    """Entries that are asked about themselves, each without its own example.

    What the store says of them is a tag that neighbors change.
    """

    def __init__(
        self,
        keys: Blocks,
        entries: Blocks,
        *,
        metric: str,
        k: int,
        temperature: float,
        n_tags: int,
    ) -> None:
        """keys, entries (Blocks): Of a tier.
        metric (str), k (int), temperature (float), n_tags (int): How neighbors vote.
        """
        self.entries, self.k = entries.array(), k
        self._temperature, self._n_tags = temperature, n_tags
        alive = np.flatnonzero(~self.entries["forgotten"])
        some = np.random.default_rng(0).permutation(alive)[:_ASKED]
        self.own = self.entries[np.sort(some)]
        self.queries = keys.take(np.sort(some)).astype(np.float32)
        examples = self.entries["example_id"]
        # As many as could be of the same example.
        largest = int(np.unique(examples, return_counts=True)[1].max())
        self.reach = min(len(examples), k + largest)
        prepared = metrics.to_search_space(self.queries, metric)
        chunks = (metrics.to_search_space(c, metric) for c in keys.chunks(1 << 16))
        squared, rows = compare_all(prepared, chunks, self.reach)
        tags = self.entries["tag"][rows].astype(np.int64)
        distances = metrics.from_search_distance(squared, metric)
        self.exact = self._tags(Neighbors(distances, rows, tags))

    def __call__(self, search: Callable[[np.ndarray, int], Neighbors]) -> Fidelity:
        """How faithful is this search?

        search (Callable[[ndarray, int], Neighbors]): Of queries and k.
        """
        found = self._tags(search(self.queries, self.reach))
        return fidelity(self.own["tag"], self.exact, found)

    def _tags(self, found: Neighbors) -> np.ndarray:
        """The tags with the most votes."""
        examples = self.entries["example_id"][found.rows]
        own = examples == self.own["example_id"][:, None]
        others = found.without(own | (found.rows < 0), self.k)
        p = knn_distribution(
            others.distances, others.tags, self._temperature, self._n_tags
        )
        return p.argmax(axis=1)


def make_faithful(index: FaissIndex, measure: Callable[[], Fidelity]) -> None:
    """Turn an index up, from as fast as it can be, until it is faithful enough.

    index (FaissIndex): To be turned up. What was measured last stays with it.
    measure (Callable[[], Fidelity]): Of the index as it is then.
    """
    index.stretch, index.effort = 2, 1
    index.fidelity = measure()
    if index.fidelity.changed < _ENOUGH:
        index.stretch, index.effort = _UNTRIED  # nothing to go by
        index.fidelity = measure()
        return
    while (index.fidelity.share or 0.0) < TARGET:
        if index.effort is not None and index.effort < _MOST_EFFORT:
            index.effort = 2 * index.effort
        elif index.stretch < _MOST_STRETCH:
            index.stretch = 2 * index.stretch
        else:
            break
        index.fidelity = measure()
