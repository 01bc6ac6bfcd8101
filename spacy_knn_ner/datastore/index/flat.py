"""Exhaustive search with FAISS: every vector is compared."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..blocks import Blocks
from .base import IndexFactory, StoredKeys, VectorIndex


class FlatIndex(VectorIndex):
    """Compares all vectors. Where the stored keys are vectors in search space, they are
    searched as they are, and not copied."""

    exact = True

    def __init__(self, stored: StoredKeys) -> None:
        """stored (StoredKeys): The keys."""
        self._stored = stored
        self._copies: Blocks | None = None
        if not stored.in_search_space:
            self._copies = Blocks("float32", stored.width, on_disk=True)

    @property
    def vectors(self) -> Blocks:
        """The vectors that are compared."""
        return self._stored.keys if self._copies is None else self._copies

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        return 0 if self._copies is None else self._copies.nbytes

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "flat"}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        if self._copies is not None:
            self._copies.append(vectors)

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: re-ranking drops removed vectors."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        return compare_all(queries, self.vectors, k)

    def __getstate__(self) -> StoredKeys:
        """Copies and other processes normalize the keys again."""
        return self._stored

    def __setstate__(self, stored: StoredKeys) -> None:
        self.__init__(stored)  # type: ignore[misc]


class Flat(IndexFactory):
    """Makes a `FlatIndex`."""

    def create(self, stored: StoredKeys) -> FlatIndex:
        """See `IndexFactory.create`."""
        return FlatIndex(stored)


def compare_all(
    queries: np.ndarray, blocks: Iterable[np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest vectors in all blocks.

    queries (ndarray): Shape (n, width), float32.
    blocks (Iterable[ndarray]): Each of shape (m, width), float32.
    k (int): At most the number of vectors.
    RETURNS (tuple[ndarray, ndarray]): As from `VectorIndex.search`.
    """
    import faiss

    best = Best(len(queries), k)
    with by_multiplication():
        for block in blocks:
            distances, rows = faiss.knn(queries, block, min(k, len(block)))
            best.add(distances, rows, len(block))
    return best.distances, best.rows


@contextmanager
def by_multiplication() -> Iterator[None]:
    """Let FAISS multiply matrices even for few queries.

    By default it uses a slow loop when queries × width is small, which a batch of
    sentences is.
    """
    import faiss

    threshold = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = threshold


class Best:
    """The k nearest so far, over blocks.

    distances, rows (ndarray): Shape (n, k), ascending by distance.
    """

    def __init__(self, n: int, k: int) -> None:
        """n (int): Number of queries.
        k (int): How many to keep.
        """
        self.distances = np.full((n, 0), np.inf, dtype=np.float32)
        self.rows = np.full((n, 0), -1, dtype=np.int64)
        self._k = k
        self._offset = 0

    def add(self, distances: np.ndarray, rows: np.ndarray, block_size: int) -> None:
        """Merge the nearest of the next block.

        distances, rows (ndarray): Shape (n, m), rows from the block's start.
        block_size (int): The block's rows.
        """
        rows = rows + self._offset
        self._offset += block_size
        if self.distances.shape[1] == 0:
            self.distances, self.rows = distances, rows
            return
        distances = np.concatenate([self.distances, distances], axis=1)
        rows = np.concatenate([self.rows, rows], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, : self._k]
        self.distances = np.take_along_axis(distances, order, axis=1)
        self.rows = np.take_along_axis(rows, order, axis=1)
