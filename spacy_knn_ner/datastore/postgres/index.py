"""Search in PostgreSQL."""

from typing import Any

import numpy as np

from ..index.base import IndexFactory, StoredKeys, VectorIndex
from .keys import SharedKeys, key_as_sent

# pgvector's operators, of distances that order as `StoredKeys.metric` does; and what
# makes squared distances in search space of them.
_OPERATORS = {"cosine": "<=>", "sqeuclidean": "<->"}


class SharedIndex(VectorIndex):
    """Finds the nearest keys with one query for all, exhaustively. The keys that are
    found come with it, to be ranked."""

    exact = True
    is_remote = True

    def __init__(self, stored: StoredKeys) -> None:
        """stored (StoredKeys): `SharedKeys`."""
        self.stored = stored

    @property
    def keys(self) -> SharedKeys:
        """The keys on the server."""
        assert isinstance(self.stored.keys, SharedKeys)
        return self.stored.keys

    def __len__(self) -> int:
        return len(self.keys)

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "postgres"}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`: they are there."""

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: they are not there."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        from pgvector import Vector

        keys, sent = self.keys, key_as_sent(self.keys.dtype.name)
        distance = f"(key::vector {_OPERATORS[self.stored.metric]} q.v)"
        # Without + 0, an index of the table might be used, which is approximate.
        statement = (
            f"SELECT q.n - 1, near.entry_id, near.distance, near.key "
            "FROM unnest(%s::vector[]) WITH ORDINALITY AS q(v, n) CROSS JOIN LATERAL ("
            f"SELECT entry_id, {sent} AS key, {distance} AS distance "
            f"FROM {keys.table} ORDER BY {distance} + 0 LIMIT %s) AS near"
        )
        values = [[Vector(query) for query in queries], k]
        with keys.server.coded():
            found = keys.server.db.execute(statement, values, binary=True).fetchall()
        return self._arranged(found, len(queries), k)

    def _arranged(
        self, found: list[tuple], n: int, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a query's result as arrays, nearest first."""
        squared, rows = np.full((n, k), np.inf), np.full((n, k), -1)
        if not found:
            return squared, rows
        query, ids, distances, sent = zip(*found, strict=True)
        entry_ids, of = np.array(ids), np.array(query)
        self.keys.remember(entry_ids, list(sent))
        order = np.lexsort((entry_ids, distances, of))
        of, entry_ids = of[order], entry_ids[order]
        place = np.arange(len(of)) - np.searchsorted(of, of)
        d = np.array(distances)[order]
        d = 2 * d if self.stored.metric == "cosine" else d**2
        # Outside of a transaction, another process may have added one meanwhile.
        squared[of, place], rows[of, place] = d, self.keys.entry_ids.rows_of(entry_ids)
        return squared, rows


class SharedIndexFactory(IndexFactory):
    """Makes a `SharedIndex`."""

    def create(self, stored: StoredKeys) -> SharedIndex:
        """See `IndexFactory.create`."""
        return SharedIndex(stored)
