"""The default index: the fastest exact one for a store."""

from pathlib import Path
from typing import Any

from .base import IndexFactory, StoredKeys, VectorIndex
from .flat import Flat
from .pca import PcaIndex
from .torch import Torch, on_gpu

# Up to here comparing everything takes less than finding out what to compare.
SMALL = 20_000
# What principal components are learned from, and with how many queries they are tried:
# a pair takes longer one by one than in a multiplication.
_SAMPLE, _TRIED, _WORTH_IT = 1 << 14, 64, 0.1


class Exact(IndexFactory):
    """Makes an index that compares principal components first, from `SMALL` keys on and
    where that spares most of the work; otherwise all keys are compared, on a GPU with
    torch."""

    def create(self, stored: StoredKeys) -> VectorIndex:
        """See `IndexFactory.create`."""
        if on_gpu():
            return Torch().create(stored)
        if len(stored) < SMALL:
            return Flat().create(stored)
        return _pca(stored) or Flat().create(stored)

    def load(
        self, stored: StoredKeys, prefix: Path, state: dict[str, Any]
    ) -> VectorIndex:
        """See `IndexFactory.load`. A decision for exhaustive search is kept."""
        if "longest" in state and not on_gpu():
            return PcaIndex.load(stored, prefix, state)
        return (Torch() if on_gpu() else Flat()).create(stored)


def _pca(stored: StoredKeys) -> PcaIndex | None:
    """The index with all keys in it, unless they are such that it spares nothing."""
    vectors = stored.sample(_SAMPLE)
    index = PcaIndex.fitted(stored, vectors)
    if index is None:
        return None
    for ids, chunk in stored.vectors():
        index.add(ids, chunk)
    tried = vectors[:: max(1, len(vectors) // _TRIED)]
    index.search(tried, min(32, len(stored)))
    return None if index.share_computed > _WORTH_IT else index
