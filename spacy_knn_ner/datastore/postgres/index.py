"""Search in PostgreSQL."""

from typing import Any

import numpy as np

from ..index.base import IndexFactory, StoredKeys, VectorIndex
from ..shared.home import EXACT
from .hnsw import HnswIndex
from .keys import PostgresKeys
from .nearest import nearest


class PostgresIndex(VectorIndex):
    """Finds the nearest keys with one query for all, exhaustively. The keys that are
    found come with it, to be ranked."""

    exact = True
    is_remote = True

    def __init__(self, stored: StoredKeys) -> None:
        """stored (StoredKeys): `PostgresKeys`."""
        self.stored = stored

    def __len__(self) -> int:
        return len(self.stored)

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "postgres"}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`: they are there."""

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: they are not there."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        assert isinstance(self.stored.keys, PostgresKeys)
        return nearest(self.stored.keys, self.stored.metric, queries, k)


class PostgresIndexFactory(IndexFactory):
    """Makes the index of a shared store.

    kind (str): `"auto"`, `"exact"` or `"hnsw"`.
    """

    def __init__(self, kind: str = EXACT) -> None:
        """kind (str): See above. Default: "exact"."""
        self.kind = kind

    def create(self, stored: StoredKeys) -> VectorIndex:
        """See `IndexFactory.create`."""
        is_exact = self.kind == EXACT
        return PostgresIndex(stored) if is_exact else HnswIndex(stored)
