"""Exact search that compares principal components first."""

from pathlib import Path
from typing import Any

import numpy as np

from ..blocks import Blocks
from .base import StoredKeys, VectorIndex
from .flat import compare_all
from .pairs import k_best, positive_pairs, side_by_side, true_distances

# As many components as hold this share of the variance.
_SHARE = 0.92
# Queries that are searched together, and the vectors they are compared with: few in the
# beginning, while little is known of how near the nearest are.
_TOGETHER, _FIRST_CHUNK, _CHUNK = 256, 1 << 11, 1 << 15
# From this share on it is quicker to compare all of them than one by one.
_TOO_MANY = 0.1
_COLUMNS = ("projections", "scale")


class PcaIndex(VectorIndex):
    """Projections of vectors: a few principal components, and the length of the rest.

    No two vectors are nearer than their projections: by the Cauchy–Schwarz inequality,
    ‖x − y‖² ≥ ‖Px − Py‖² + (‖x − Px‖ − ‖y − Py‖)² for any orthogonal projection P.
    So those whose projections are farther away than k vectors are passed over; the
    distances of the others are computed in full, from the keys.
    """

    exact = True

    def __init__(
        self,
        stored: StoredKeys,
        basis: np.ndarray,
        saved: dict[str, Blocks] | None = None,
        longest: float = 0.0,
    ) -> None:
        """stored (StoredKeys): The keys.
        basis (ndarray): The mean, and the components, as rows; float64.
        saved (dict[str, Blocks] | None): `projections` and `scale`.
        longest (float): The greatest distance of a vector from the mean.
        """
        saved = saved or {}
        self.stored, self.basis = stored, basis
        # Components and the length of the rest; half the square of all that; and 1.
        projections = Blocks("float32", len(basis) + 2, on_disk=True)
        self.projections = saved.get("projections", projections)
        self.scale = saved.get("scale", Blocks("float32"))  # key → vector
        self.longest = longest
        self._n_pairs = self._n_computed = 0

    @classmethod
    def fitted(cls, stored: StoredKeys, sample: np.ndarray) -> "PcaIndex | None":
        """Make an empty index for vectors like these.

        stored (StoredKeys): The keys.
        sample (ndarray): Some of their vectors, shape (n, width).
        RETURNS (PcaIndex | None): None if it takes so many components that nothing is
            saved.
        """
        mean = sample.mean(axis=0, dtype=np.float64)
        values, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
        held = np.cumsum(values[::-1]) / max(values.sum(), 1e-30)
        n = int(np.searchsorted(held, _SHARE)) + 1
        if 2 * n > len(values):
            return None
        return cls(stored, np.vstack([mean, vectors[:, ::-1].T[:n]]))

    def __len__(self) -> int:
        return len(self.projections)

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        return self.projections.nbytes + self.scale.nbytes + self.basis.nbytes

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": "pca", "components": len(self.basis) - 1}

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        projections, lengths = self._project(vectors)
        ones = scale = np.ones(len(vectors))
        if self.stored.metric == "cosine":
            keys = self.stored.keys.part(len(self), len(self) + len(vectors))
            scale = 1.0 / np.linalg.norm(keys.astype(np.float64), axis=1)
        self.scale.append(scale.astype(np.float32))
        self.projections.append(np.column_stack([projections, lengths**2 / 2, ones]))
        self.longest = max(self.longest, float(lengths.max(initial=0.0)))

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: re-ranking drops removed vectors."""

    @property
    def share_computed(self) -> float:
        """The share of all pairs whose distance was computed in searches so far."""
        return self._n_computed / max(1, self._n_pairs)

    # --- search ------------------------------------------------------------

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        squared = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        for i in range(0, len(queries), _TOGETHER):
            part = slice(i, i + _TOGETHER)
            squared[part], rows[part] = self._search(queries[part], k)
        return squared, rows

    def _search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        projections, lengths = self._project(queries)
        slack = self._slack(lengths)
        squared = np.full((len(queries), k), np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        start, size = 0, _FIRST_CHUNK
        while start < len(self):
            chunk = slice(start, min(start + size, len(self)))
            if start == 0:
                distances, ids = self._compare_all(queries, chunk, k)
            else:
                # ‖x − y‖² < limit, as a product that is positive.
                thresholds = (lengths**2 - squared[:, -1] - slack) / 2
                columns = [projections, -np.ones(len(queries)), -thresholds]
                weighted = np.column_stack(columns).astype(np.float32)
                distances, ids = self._compare_near(queries, weighted, chunk, k)
            squared, rows = k_best(
                np.hstack([squared, distances]), np.hstack([rows, ids]), k
            )
            start, size = start + size, min(2 * size, _CHUNK)
        return squared, rows

    def _compare_near(
        self, queries: np.ndarray, weighted: np.ndarray, chunk: slice, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and rows of those whose projections are near enough.

        weighted (ndarray): Their products with `projections` are positive where near.
        chunk (slice): The rows to compare.
        """
        projections = self.projections.part(chunk.start, chunk.stop)
        counts, near = positive_pairs(weighted, projections)
        n = len(queries) * len(projections)
        self._n_pairs, self._n_computed = (
            self._n_pairs + n,
            self._n_computed + len(near),
        )
        if len(near) > _TOO_MANY * n:
            return self._compare_all(queries, chunk, k)
        rows = side_by_side(near + chunk.start, counts)
        return self._squared(queries, rows), rows

    def _compare_all(
        self, queries: np.ndarray, chunk: slice, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of some rows."""
        keys = self.stored.keys.part(chunk.start, chunk.stop).astype(np.float32)
        if self.stored.metric == "cosine":
            keys *= self.scale.part(chunk.start, chunk.stop)[:, None]
        squared, rows = compare_all(queries, [keys], min(k, len(keys)))
        return squared, rows + chunk.start

    def _project(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Projections of vectors, and their distances from the mean. In float64, for
        the rest is the difference of two sums that are nearly equal."""
        away = vectors.astype(np.float64) - self.basis[0]
        # Not `@`: the threads of NumPy's BLAS would stay busy and in FAISS's way.
        parts = np.einsum("nw,cw->nc", away, self.basis[1:])
        squared = np.einsum("nw,nw->n", away, away)
        rest = squared - np.einsum("nw,nw->n", parts, parts)
        projections = np.column_stack([parts, np.sqrt(np.maximum(rest, 0.0))])
        return projections.astype(np.float32), np.sqrt(squared)

    def _slack(self, lengths: np.ndarray) -> np.ndarray:
        """By how much squared distances may err, per query; see `rerank`: those of
        projections, and those of vectors, which may be of unit length."""
        squared = (lengths + self.longest) ** 2 + 4.0 * (self.stored.metric == "cosine")
        return 2.0 * (self.stored.keys.tail[0] + 8) * 2.0**-24 * squared

    def _squared(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Squared distances from each query to its own vectors; inf for none (−1).

        queries (ndarray): Shape (n, width), float32.
        rows (ndarray): Shape (n, m).
        """
        squared = np.full(rows.shape, np.inf, dtype=np.float32)
        valid = rows >= 0
        lowest, highest = rows[valid].min(initial=len(self)), rows.max(initial=-1)
        offset, metric = 0, self.stored.metric
        for block in self.stored.keys:
            if offset <= lowest and highest < offset + len(block):
                # Where there is none, the number stays below zero.
                squared = true_distances(queries, block, rows - offset, metric)
            elif offset <= highest and lowest < offset + len(block):
                mask = (rows >= offset) & (rows < offset + len(block))
                within = np.where(mask, rows - offset, -1)
                squared[mask] = true_distances(queries, block, within, metric)[mask]
            offset += len(block)
        if metric == "cosine":
            cosines = squared[valid] * self.scale.take(rows[valid])
            squared[valid] = 2.0 - 2.0 * cosines
        squared[~valid] = np.inf
        return squared

    # --- saving and loading ------------------------------------------------

    def save(self, prefix: Path, keep: np.ndarray) -> dict[str, Any]:
        """See `VectorIndex.save`."""
        for name in _COLUMNS:
            getattr(self, name).save(Path(f"{prefix}.{name}.npy"), keep)
        np.save(f"{prefix}.basis.npy", self.basis)
        return {"longest": self.longest}

    @classmethod
    def load(
        cls, stored: StoredKeys, prefix: Path, state: dict[str, Any]
    ) -> "PcaIndex":
        """Map what was saved into memory; see `IndexFactory.load`."""
        saved = {}
        for name in _COLUMNS:
            rows = np.load(f"{prefix}.{name}.npy", mmap_mode="r", allow_pickle=False)
            width = rows.shape[1] if rows.ndim == 2 else None
            saved[name] = Blocks("float32", width, rows)
        basis = np.load(f"{prefix}.basis.npy", allow_pickle=False)
        return cls(stored, basis, saved, state["longest"])
