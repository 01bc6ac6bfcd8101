"""Exhaustive search: every vector is compared. FAISS on the CPU, or torch."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .blocks import BLOCK_ROWS, Blocks


def compare_all(
    queries: np.ndarray, blocks: Iterable[np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest vectors in all blocks.

    queries (ndarray): Shape (n, width), float32.
    blocks (Iterable[ndarray]): Each of shape (m, width), float32.
    k (int): No more than there are vectors.
    RETURNS (tuple[ndarray, ndarray]): As from `VectorIndex.search`.
    """
    import faiss

    best = Best(len(queries), k)
    with by_multiplication():
        for block in blocks:
            best.add(*faiss.knn(queries, block, min(k, len(block))), len(block))
    return best.distances, best.rows


@contextmanager
def by_multiplication() -> Iterator[None]:
    """By default FAISS leaves matrix multiplication for a slow loop when
    queries × width is small, which is what a batch of sentences is."""
    import faiss

    threshold = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = threshold


class FlatIndex:
    """Exhaustive search with FAISS."""

    exact = True

    def __init__(self, vectors: Blocks) -> None:
        """vectors (Blocks): float32, not copied."""
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        return self.vectors.nbytes

    def add(self, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        self.vectors.append(vectors)

    def about(self) -> dict[str, Any]:
        """See `VectorIndex.about`."""
        return {"made": "flat"}

    def proposes(self, k: int) -> int:
        """See `VectorIndex.proposes`."""
        return a_few_more(k)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        return compare_all(queries, self.vectors, k)


class TorchIndex:
    """Exhaustive search with torch, on the device that spaCy computes on."""

    exact = True

    def __init__(self, vectors: Blocks) -> None:
        """vectors (Blocks): float32; the device gets a copy."""
        self.vectors = vectors
        self._on_device: list[Any] = []

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        return self.vectors.nbytes

    def add(self, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        self.vectors.append(vectors)

    def about(self) -> dict[str, Any]:
        """See `VectorIndex.about`."""
        return {"made": "torch"}

    def proposes(self, k: int) -> int:
        """See `VectorIndex.proposes`."""
        return a_few_more(k)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        import torch
        from thinc.api import get_torch_default_device

        device = get_torch_default_device()
        best = Best(len(queries), k)
        x = torch.as_tensor(queries, device=device)
        x_squared = (x * x).sum(1, keepdim=True)
        for i, block in enumerate(self.vectors.chunks(BLOCK_ROWS)):
            y, y_squared = self._block(i, block, device)
            distances = torch.addmm(y_squared, x, y.T, alpha=-2.0).add_(x_squared)
            found = distances.topk(min(k, len(block)), dim=1, largest=False)
            values, rows = found.values.cpu().numpy(), found.indices.cpu().numpy()
            best.add(values, rows, len(block))
        return best.distances, best.rows

    def _block(self, i: int, block: np.ndarray, device: Any) -> tuple[Any, Any]:
        import torch

        if i == len(self._on_device):
            self._on_device.append(None)
        held = self._on_device[i]
        if held is None or len(held[0]) != len(block) or held[0].device != device:
            # torch does not take read-only (mapped) arrays without a warning.
            y = torch.tensor(block, device=device)
            self._on_device[i] = held = (y, (y * y).sum(1)[None])
        return held

    def __getstate__(self) -> dict[str, Any]:
        """Copies and other processes make their own tensors."""
        return {"vectors": self.vectors, "_on_device": []}


def on_gpu() -> bool:
    """Whether spaCy computes on a GPU."""
    from thinc.api import get_torch_default_device

    return get_torch_default_device().type != "cpu"


def a_few_more(k: int) -> int:
    """What an exact index should propose, so that float32 leaves no doubt."""
    return k + max(8, k // 4)


class Best:
    """The k nearest so far, over blocks.

    distances, rows (ndarray): Shape (n, k), ascending by distance.
    """

    def __init__(self, n: int, k: int) -> None:
        self.distances = np.full((n, 0), np.inf, dtype=np.float32)
        self.rows = np.full((n, 0), -1, dtype=np.int64)
        self._k = k
        self._offset = 0

    def add(self, distances: np.ndarray, rows: np.ndarray, block_size: int) -> None:
        """distances, rows (ndarray): Found in the next block, rows from its start.
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
