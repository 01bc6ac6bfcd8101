"""Search in Qdrant."""

from typing import Any

import numpy as np

from ..examples.base import STORE
from ..index.base import IndexFactory, StoredKeys, VectorIndex
from ..shared.home import EXACT
from .keys import QdrantKeys
from .points import KEY, VECTOR_OF, is_part


class QdrantIndex(VectorIndex):
    """Finds the nearest keys of all queries with one request. The keys that are found
    come with it, to be ranked."""

    is_remote = True
    most_refine = 1

    def __init__(self, stored: StoredKeys, kind: str) -> None:
        """stored (StoredKeys): `QdrantKeys`.
        kind (str): `"exact"`: all keys are compared; `"auto"` or `"hnsw"`: near ones
            are found, if the server has an index.
        """
        self.stored, self.kind, self.exact = stored, kind, kind == EXACT
        if not self.exact:
            self.search_param = 32

    def __len__(self) -> int:
        return len(self.stored)

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "qdrant" if self.exact else "qdrant hnsw"}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`: they are there."""

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: they are not there."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        from qdrant_client import models

        keys, metric = self.stored.keys, self.stored.metric
        assert isinstance(keys, QdrantKeys)
        how = models.SearchParams(exact=True)
        if not self.exact:
            how = models.SearchParams(hnsw_ef=max(k, self.search_param or 1))
        requests = [
            models.QueryRequest(
                query=query,
                using=VECTOR_OF[metric],
                limit=k,
                filter=keys.visible.present(is_part(STORE)),
                params=how,
                with_vector=[KEY],
                with_payload=False,
            )
            for query in queries.tolist()
        ]
        with keys.server.coded():
            answers = keys.server.client.query_batch_points(keys.collection, requests)
        found = [(i, p) for i, answer in enumerate(answers) for p in answer.points]
        return _arranged(keys, metric, found, len(queries), k)


def _arranged(
    keys: QdrantKeys, metric: str, found: list[tuple[int, Any]], n: int, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points of an answer as arrays, nearest first."""
    squared, rows = np.full((n, k), np.inf), np.full((n, k), -1)
    if not found:
        return squared, rows
    of = np.array([i for i, _ in found])
    ids = np.array([point.id for _, point in found], np.int64)
    score = np.array([point.score for _, point in found])
    vectors = np.array([point.vector[KEY] for _, point in found], keys.dtype)
    keys.remember(ids, vectors)
    # In search space: of unit vectors, or of the keys as they are.
    d = np.maximum(2 - 2 * score, 0) if metric == "cosine" else score**2
    order = np.lexsort((ids, d, of))
    of, ids = of[order], ids[order]
    place = np.arange(len(of)) - np.searchsorted(of, of)
    squared[of, place], rows[of, place] = d[order], keys.entry_ids.rows_of(ids)
    return squared, rows


class QdrantIndexFactory(IndexFactory):
    """Makes a `QdrantIndex`.

    kind (str): `"auto"`, `"exact"` or `"hnsw"`.
    """

    def __init__(self, kind: str = EXACT) -> None:
        """kind (str): See above. Default: "exact"."""
        self.kind = kind

    def create(self, stored: StoredKeys) -> QdrantIndex:
        """See `IndexFactory.create`."""
        return QdrantIndex(stored, self.kind)
