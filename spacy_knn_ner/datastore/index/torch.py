"""Exhaustive search with torch, on the device that spaCy computes on."""

from typing import Any

import numpy as np

from ...ml.extras import has_torch, require_torch
from ..blocks import BLOCK_ROWS
from .base import IndexFactory, StoredKeys, VectorIndex
from .flat import Best, FlatIndex


class TorchIndex(VectorIndex):
    """Compares all vectors, of which the device holds a copy."""

    exact = True

    def __init__(self, stored: StoredKeys) -> None:
        """stored (StoredKeys): The keys."""
        self._flat = FlatIndex(stored)
        self._on_device: list[Any] = []

    def __len__(self) -> int:
        return len(self._flat)

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        return self._flat.nbytes

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "torch"}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        self._flat.add(ids, vectors)

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: re-ranking drops removed vectors."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        import torch
        from thinc.api import get_torch_default_device

        device = get_torch_default_device()
        best = Best(len(queries), k)
        x = torch.as_tensor(queries, device=device)
        x_squared = (x * x).sum(1, keepdim=True)
        for i, block in enumerate(self._flat.vectors.chunks(BLOCK_ROWS)):
            y, y_squared = self._block(i, block, device)
            distances = torch.addmm(y_squared, x, y.T, alpha=-2.0).add_(x_squared)
            nearest = distances.topk(min(k, len(block)), dim=1, largest=False)
            values, rows = nearest.values.cpu().numpy(), nearest.indices.cpu().numpy()
            best.add(values, rows, len(block))
        return best.distances, best.rows

    def _block(self, i: int, block: np.ndarray, device: Any) -> tuple[Any, Any]:
        import torch

        if i == len(self._on_device):
            self._on_device.append(None)
        held = self._on_device[i]
        if held is None or len(held[0]) != len(block) or held[0].device != device:
            # A copy: torch neither takes read-only nor unaligned (mapped) arrays.
            y = torch.tensor(np.array(block), device=device)
            self._on_device[i] = held = (y, (y * y).sum(1)[None])
        return held

    def __getstate__(self) -> dict[str, Any]:
        """Copies and other processes make their own tensors."""
        return {"_flat": self._flat, "_on_device": []}


class Torch(IndexFactory):
    """Makes a `TorchIndex`."""

    def create(self, stored: StoredKeys) -> TorchIndex:
        """See `IndexFactory.create`.

        RAISES (KnnNerError): If torch is not installed.
        """
        require_torch("spacy_knn_ner.Torch.v1")
        return TorchIndex(stored)


def on_gpu() -> bool:
    """Check whether spaCy computes on a GPU."""
    from thinc.api import get_torch_default_device

    return has_torch() and get_torch_default_device().type != "cpu"
