"""Exact search that looks at principal components first."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .blocks import Blocks
from .exhaustive import a_few_more, compare_all
from .pairs import compared, k_best, positive, side_by_side

COMPONENTS = "components"
# As many components as hold this share of the variance.
_SHARE = 0.94
# The first few tell who is near, well enough to begin with so many.
_FIRST, _BEGIN_WITH = 16, 128
# Queries and vectors that are compared at once.
_TOGETHER, _CHUNK = 256, 1 << 14
_GROWING = ("looks", "first", "scale")
# A query for which more vectors look near, as a share or a number, has a crowd.
_CROWD, _LARGEST_CROWD = 0.05, 1 << 15


class ComponentIndex:
    """How vectors look: a few principal components, and the length of the rest.

    No two vectors are nearer than they look: by the Cauchy–Schwarz inequality,
    ‖x − y‖² ≥ ‖Px − Py‖² + (‖x − Px‖ − ‖y − Py‖)² for any orthogonal projection P.
    So those that look farther away than k vectors are need no second look; the
    distances of the others are computed in full, from the keys.
    """

    exact = True

    def __init__(
        self,
        keys: Blocks,
        metric: str,
        basis: np.ndarray,
        saved: dict[str, Blocks] | None = None,
        longest: float = 0.0,
    ) -> None:
        """keys (Blocks): What the vectors are made of, in the order of `add`.
        metric (str): What the distances are to order.
        basis (ndarray): Where to look from, and the components, as rows; float64.
        saved (dict[str, Blocks] | None): `looks`, `first` and `scale`.
        longest (float): The greatest length of a vector, seen from there.
        """
        saved = saved or {}
        self.keys, self.metric, self.basis = keys, metric, basis
        # Components and the length of the rest; half the square of all that; and 1.
        self.looks = saved.get("looks", Blocks("float32", len(basis) + 2))
        self.first = saved.get("first", Blocks("float32", _FIRST))
        self.scale = saved.get("scale", Blocks("float32"))  # key → vector
        self.longest = longest

    @classmethod
    def fitted(
        cls, keys: Blocks, metric: str, sample: np.ndarray
    ) -> "ComponentIndex | None":
        """An empty index for vectors like these.

        keys (Blocks), metric (str): As for `ComponentIndex`.
        sample (ndarray): Of the vectors, shape (n, width).
        RETURNS (ComponentIndex | None): None if it takes so many components that
            nothing is saved.
        """
        mean = sample.mean(axis=0, dtype=np.float64)
        values, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
        held = np.cumsum(values[::-1]) / max(values.sum(), 1e-30)
        n = max(_FIRST, int(np.searchsorted(held, _SHARE)) + 1)
        if 2 * n > len(values):
            return None
        return cls(keys, metric, np.vstack([mean, vectors[:, ::-1].T[:n]]))

    def __len__(self) -> int:
        return len(self.looks)

    def about(self) -> dict[str, Any]:
        """See `VectorIndex.about`."""
        return {"made": COMPONENTS, "components": len(self.basis) - 1}

    def add(self, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        looks, lengths = self._look(vectors)
        rows = np.arange(len(self), len(self) + len(vectors))
        scale = np.ones(len(rows))
        if self.metric == "cosine":
            keys = self.keys.take(rows).astype(np.float64)
            scale = 1.0 / np.linalg.norm(keys, axis=1)
        self.first.append(looks[:, :_FIRST])
        self.scale.append(scale.astype(np.float32))
        self.looks.append(np.column_stack([looks, lengths**2 / 2, np.ones(len(rows))]))
        self.longest = max(self.longest, float(lengths.max(initial=0.0)))

    def proposes(self, k: int) -> int:
        """See `VectorIndex.proposes`."""
        return a_few_more(k)

    # --- search ------------------------------------------------------------

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        squared = np.empty((len(queries), k), dtype=np.float32)
        rows = np.empty((len(queries), k), dtype=np.int64)
        for i in range(0, len(queries), _TOGETHER):
            some = np.arange(i, min(i + _TOGETHER, len(queries)))
            near, crowded = self._near(queries[some], k)
            found = k_best(self._squared(queries[some], near), near, k)
            squared[some], rows[some] = found
            if crowded.any():
                some = some[crowded]
                found = compare_all(queries[some], self._vectors(), k)
                squared[some], rows[some] = found
        return squared, rows

    def crowded(self, queries: np.ndarray, k: int) -> float:
        """The share of queries that have a crowd, and are compared with everything.

        queries (ndarray), k (int): As for `search`, but not many.
        """
        return float(self._near(queries, k)[1].mean())

    def _near(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """What may be among the k nearest.

        RETURNS (tuple[ndarray, ndarray]): Row numbers, shape (n, m ≥ k), −1 where there
            are no more; and which queries have a crowd, shape (n,), of which there are
            no rows.
        """
        looks, lengths = self._look(queries)
        first = np.ascontiguousarray(looks[:, :_FIRST])
        n = min(len(self), max(_BEGIN_WITH, 2 * k))
        _, rows = compare_all(first, self.first, n)
        known = np.partition(self._squared(queries, rows), k - 1, axis=1)[:, k - 1]
        limits = known + self._slack(lengths)
        # ‖x − y‖² < limit as a product that is positive.
        ones, thresholds = np.ones(len(looks)), (lengths**2 - limits) / 2
        asking = np.column_stack([looks, -ones, -thresholds]).astype(np.float32)
        most = max(k, min(_LARGEST_CROWD, int(_CROWD * len(self))))
        asked, counts = np.arange(len(asking)), np.zeros(len(asking), dtype=np.int64)
        whose, found, offset = [], [], 0
        for chunk in self.looks.chunks(_CHUNK):
            n_found, rows = positive(asking[asked], chunk)
            whose.append(np.repeat(asked, n_found))
            found.append(rows + offset)
            offset += len(chunk)
            counts[asked] += n_found
            asked = asked[counts[asked] <= most]
        crowded = counts > most
        counts[crowded] = 0
        queries_of, rows = np.concatenate(whose), np.concatenate(found)
        keep = ~crowded[queries_of]
        return side_by_side(queries_of[keep], rows[keep], counts, k), crowded

    def _look(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How vectors look, and how long they are from there. In float64, for the rest
        is the difference of two sums that are nearly equal."""
        away = vectors.astype(np.float64) - self.basis[0]
        parts = away @ self.basis[1:].T
        squared = np.einsum("nw,nw->n", away, away)
        rest = squared - np.einsum("nw,nw->n", parts, parts)
        looks = np.column_stack([parts, np.sqrt(np.maximum(rest, 0.0))])
        return looks.astype(np.float32), np.sqrt(squared)

    def _slack(self, lengths: np.ndarray) -> np.ndarray:
        """By how much squared distances may err, per query, as in `search`: those of
        looks, and those of vectors, which may be of unit length."""
        squared = (lengths + self.longest) ** 2 + 4.0 * (self.metric == "cosine")
        return 2.0 * (self.keys.tail[0] + 8) * 2.0**-24 * squared

    def _squared(self, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Squared distances from each query to its own vectors; inf for none (−1).

        queries (ndarray): Shape (n, width), float32.
        rows (ndarray): Shape (n, m).
        """
        squared = np.full(rows.shape, np.inf, dtype=np.float32)
        offset = 0
        for block in self.keys:
            here = (rows >= offset) & (rows < offset + len(block))
            if here.any():
                mine = np.where(here, rows - offset, -1)
                squared[here] = compared(queries, block, mine, self.metric)[here]
            offset += len(block)
        if self.metric == "cosine":
            there = rows >= 0
            cosines = squared[there] * self.scale.take(rows[there])
            squared[there] = 2.0 - 2.0 * cosines
        return squared

    def _vectors(self) -> Iterator[np.ndarray]:
        """All vectors, made anew."""
        offset = 0
        for chunk in self.keys.chunks(_CHUNK):
            scale = self.scale.take(np.arange(offset, offset + len(chunk)))
            vectors = chunk.astype(np.float32, copy=False)
            yield vectors * scale[:, None] if self.metric == "cosine" else vectors
            offset += len(chunk)

    # --- saving and loading ------------------------------------------------

    def writers(
        self, keep: np.ndarray, kept: Iterable[np.ndarray]
    ) -> dict[str, Callable[[Path], None]]:
        """What writes each of its files.

        keep (ndarray): Which vectors are to be saved, shape (n,), bool.
        kept (Iterable[ndarray]): These vectors, which are not needed here.
        """
        found = {
            f"{name}.npy": partial(getattr(self, name).save, keep=keep)
            for name in _GROWING
        }
        return {**found, "basis.npy": lambda path: np.save(path, self.basis)}

    def state(self) -> dict[str, Any]:
        """What is not in the files."""
        return {"longest": self.longest}

    @classmethod
    def from_disk(
        cls, prefix: Path, about: dict[str, Any], keys: Blocks, metric: str
    ) -> "ComponentIndex":
        """What was saved, mapped into memory.

        prefix (Path): What the paths of its files begin with.
        about (dict[str, Any]): What the manifest says of it.
        keys (Blocks), metric (str): As for `ComponentIndex`.
        """
        saved = {}
        for name in _GROWING:
            rows = np.load(f"{prefix}.{name}.npy", mmap_mode="r", allow_pickle=False)
            width = rows.shape[1] if rows.ndim == 2 else None
            saved[name] = Blocks("float32", width, rows)
        basis = np.load(f"{prefix}.basis.npy", allow_pickle=False)
        return cls(keys, metric, basis, saved, about["longest"])
