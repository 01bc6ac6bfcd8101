"""Exact search that passes over what is too far away."""

from pathlib import Path
from typing import Any

import numpy as np

from .exhaustive import a_few_more
from .faiss_index import MOST_SAMPLED, SAMPLED, Faiss, from_factory

# Queries × clusters that are looked at together.
_TOGETHER = 1 << 22
CLUSTERS = "clusters"


class ClusterIndex(Faiss):
    """Vectors in clusters, each with a center and a radius.

    By the triangle inequality no member of a cluster is nearer to a query than the
    center is, less the radius. So the nearest clusters are searched first; and where
    that bound is beyond the k-th distance found there, the cluster is passed over.
    """

    exact = True

    def __init__(self, width: int, n: int) -> None:
        """width (int): Of the vectors.
        n (int): About how many there will be.
        """
        self.n_clusters = max(1, round(4 * n**0.5))
        self._index = from_factory(f"IVF{self.n_clusters},Flat", width)
        self.centers = np.zeros((self.n_clusters, width), dtype=np.float32)
        self.radii = np.zeros(self.n_clusters)
        self.sizes = np.zeros(self.n_clusters, dtype=np.int64)
        self._visited = self._asked = 0

    def reset(self) -> None:
        """See `Faiss.reset`."""
        super().reset()
        self.radii[:], self.sizes[:] = 0.0, 0

    def about(self) -> dict[str, Any]:
        """See `VectorIndex.about`."""
        return {"made": CLUSTERS, "clusters": self.n_clusters}

    def state(self) -> dict[str, Any]:
        """What is not in the file."""
        return {"radii": self.radii.tolist(), "sizes": self.sizes.tolist()}

    @classmethod
    def from_disk(cls, path: Path, about: dict[str, Any], width: int) -> "ClusterIndex":
        """See `FaissIndex.from_disk`."""
        new = cls(width, 1)
        new.load(path)
        new._learn_centers()
        new.radii = np.array(about["radii"])
        new.sizes = np.array(about["sizes"], dtype=np.int64)
        return new

    def _learn_centers(self) -> None:
        self.n_clusters = self._index.nlist
        self.centers = self._index.quantizer.reconstruct_n(0, self.n_clusters)

    @property
    def sample_size(self) -> int:
        """How many vectors `train` wants to see."""
        return max(self.n_clusters, min(MOST_SAMPLED, SAMPLED * self.n_clusters))

    @property
    def visited(self) -> float:
        """Share of the vectors that searches have compared so far."""
        return self._visited / max(1, self._asked)

    def train(self, sample: np.ndarray) -> None:
        """Find the clusters.

        sample (ndarray): Of the vectors, shape (n, width), float32.
        """
        self._index.cp.niter = 8
        self._index.cp.max_points_per_centroid = SAMPLED
        self._index.cp.min_points_per_centroid = 1  # a small sample is no mistake
        self._index.train(sample)
        self._learn_centers()

    def add(self, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        import faiss

        _, nearest = self._index.quantizer.search(vectors, 1)
        clusters = np.ascontiguousarray(nearest[:, 0])
        self._own().add_core(
            len(vectors), faiss.swig_ptr(vectors), None, faiss.swig_ptr(clusters)
        )
        away = (vectors - self.centers[clusters]).astype(np.float64)
        distances = np.sqrt(np.einsum("nw,nw->n", away, away))
        np.maximum.at(self.radii, clusters, distances)
        self.sizes += np.bincount(clusters, minlength=self.n_clusters)

    def proposes(self, k: int) -> int:
        """See `VectorIndex.proposes`."""
        return a_few_more(k)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        distances = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        step = max(1, _TOGETHER // self.n_clusters)
        for i in range(0, len(queries), step):
            part = slice(i, i + step)
            distances[part], rows[part] = self._search(queries[part], k)
        return distances, rows

    def _search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        squared, slack = self._to_centers(queries)
        # Enough clusters to have k vectors, if they are of ordinary size.
        first = 2 + 2 * k * self.n_clusters // max(1, len(self))
        first = min(first, self.n_clusters)
        near = np.argpartition(squared, first - 1, axis=1)[:, :first]
        found, _ = self._visit(queries, near, k)
        limit = np.sqrt(found[:, -1:]) * (1 + 1e-4)
        bounds = np.sqrt(np.maximum(squared - slack, 0.0)) - self.radii
        within = bounds <= limit
        most = int(within.sum(axis=1).max())
        order = np.argsort(np.where(within, bounds, np.inf), axis=1)[:, :most]
        order[~np.take_along_axis(within, order, axis=1)] = -1  # not visited
        self._visited += int(np.where(order < 0, 0, self.sizes[order]).sum())
        self._asked += len(queries) * len(self)
        return self._visit(queries, order, k)

    def _to_centers(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances to all centers, and by how much they may err: as a float32
        sum of products does."""
        centers = self.centers
        q = np.einsum("nw,nw->n", queries, queries)[:, None]
        c = np.einsum("nw,nw->n", centers, centers)[None]
        squared = q + c - 2.0 * (queries @ centers.T)
        lengths = np.sqrt(q) + np.sqrt(c.max())
        return squared, (queries.shape[1] + 8) * 2.0**-24 * lengths**2

    def _visit(
        self, queries: np.ndarray, clusters: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest in some clusters of each query; −1 stands for none."""
        self._index.nprobe = clusters.shape[1]
        # Distances to centers are asked for by FAISS, and not used by this index.
        unused = np.zeros(clusters.shape, dtype=np.float32)
        clusters = np.ascontiguousarray(clusters, dtype=np.int64)
        return self._index.search_preassigned(queries, k, clusters, unused)
