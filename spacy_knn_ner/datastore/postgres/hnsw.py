"""Approximate search in PostgreSQL: pgvector's HNSW index of the store's keys."""

import time
from typing import Any

import numpy as np

from ..examples.base import STORE
from ..index.base import StoredKeys, VectorIndex
from .keys import PostgresKeys
from .nearest import nearest, operator_class
from .server import Server

_MOST_EFFORT = 1000  # of pgvector
_WAIT = 0.2  # seconds


class HnswIndex(VectorIndex):
    """Finds near keys with one query for all. While the server has no such index, they
    are the nearest."""

    is_remote = True
    most_refine = 1

    def __init__(self, stored: StoredKeys) -> None:
        """stored (StoredKeys): `PostgresKeys`."""
        self.stored, self.search_param = stored, 32

    def __len__(self) -> int:
        return len(self.stored)

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "postgres hnsw"}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`: they are there."""

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: they are not there."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        keys = self.stored.keys
        assert isinstance(keys, PostgresKeys)
        effort = min(_MOST_EFFORT, max(k, self.search_param or 1))
        return nearest(keys, self.stored.metric, queries, k, effort=effort)


_LOCK = "SELECT pg_try_advisory_lock(hashtext(%s))"
_STATE = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def create_index(server: Server, dtype: str, metric: str) -> None:
    """Make the HNSW index of a store on the server, unless there is one. Others read
    and change the store meanwhile.

    server (Server): Another connection to it is made.
    dtype (str): Of the keys.
    metric (str): `"cosine"` or `"sqeuclidean"`.
    RAISES (KnnNerError): If the server refuses, such as keys that are too long.
    """
    name = f"{STORE}_{metric}"
    lock = [f"{server.name}.{name}"]
    with server.another() as db:
        # Waiting inside a statement would be waited for by the one that makes it.
        while not db.execute(_LOCK, lock).fetchone()[0]:
            time.sleep(_WAIT)
        try:
            found = db.execute(_STATE, [name]).fetchone()
            if found is not None and not found[0]:  # it was interrupted
                db.execute(f"DROP INDEX {name}")
            if found is None or not found[0]:
                db.execute(
                    f"CREATE INDEX CONCURRENTLY {name} ON {STORE} "
                    f"USING hnsw (key {operator_class(dtype, metric)})"
                )
        finally:
            if not db.closed:
                db.execute("SELECT pg_advisory_unlock(hashtext(%s))", lock)
