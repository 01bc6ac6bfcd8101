"""Exact search that looks at principal components first."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .blocks import Blocks
from .exhaustive import a_few_more, compare_all
from .pairs import compared, k_best, positive, side_by_side

COMPONENTS = "components"
# As many components as hold this share of the variance.
_SHARE = 0.92
# Queries that are asked at once, and the vectors they are compared with: few in the
# beginning, while little is known of how near the nearest are.
_TOGETHER, _FIRST_CHUNK, _CHUNK = 256, 1 << 11, 1 << 15
# From this share on it is quicker to compare all of them than one by one.
_TOO_MANY = 0.1
_GROWING = ("looks", "scale")


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
        saved (dict[str, Blocks] | None): `looks` and `scale`.
        longest (float): The greatest length of a vector, seen from there.
        """
        saved = saved or {}
        self.keys, self.metric, self.basis = keys, metric, basis
        # Components and the length of the rest; half the square of all that; and 1.
        looks = Blocks("float32", len(basis) + 2, on_disk=True)
        self.looks = saved.get("looks", looks)
        self.scale = saved.get("scale", Blocks("float32"))  # key → vector
        self.longest = longest
        self._looked = self._compared = 0

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
        n = int(np.searchsorted(held, _SHARE)) + 1
        if 2 * n > len(values):
            return None
        return cls(keys, metric, np.vstack([mean, vectors[:, ::-1].T[:n]]))

    def __len__(self) -> int:
        return len(self.looks)

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        return self.looks.nbytes + self.scale.nbytes + self.basis.nbytes

    def about(self) -> dict[str, Any]:
        """See `VectorIndex.about`."""
        return {"made": COMPONENTS, "components": len(self.basis) - 1}

    def add(self, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        looks, lengths = self._look(vectors)
        ones = scale = np.ones(len(vectors))
        if self.metric == "cosine":
            keys = self.keys.part(len(self), len(self) + len(vectors))
            scale = 1.0 / np.linalg.norm(keys.astype(np.float64), axis=1)
        looks = np.column_stack([looks, lengths**2 / 2, ones])
        self.scale.append(scale.astype(np.float32))
        self.looks.append(looks)
        self.longest = max(self.longest, float(lengths.max(initial=0.0)))

    @property
    def compared(self) -> float:
        """The share of all pairs that were worth a second look in searches so far."""
        return self._compared / max(1, self._looked)

    def proposes(self, k: int) -> int:
        """See `VectorIndex.proposes`."""
        return a_few_more(k)

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
        looks, lengths = self._look(queries)
        slack = self._slack(lengths)
        squared = np.full((len(queries), k), np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        start, size = 0, _FIRST_CHUNK
        while start < len(self):
            here = slice(start, min(start + size, len(self)))
            if start == 0:
                found = self._compare_all(queries, here, k)
            else:
                # ‖x − y‖² < limit, as a product that is positive.
                thresholds = (lengths**2 - squared[:, -1] - slack) / 2
                asking = np.column_stack([looks, -np.ones(len(looks)), -thresholds])
                found = self._compare_near(queries, asking.astype(np.float32), here, k)
            squared, rows = k_best(
                np.hstack([squared, found[0]]), np.hstack([rows, found[1]]), k
            )
            start, size = start + size, min(2 * size, _CHUNK)
        return squared, rows

    def _compare_near(
        self, queries: np.ndarray, asking: np.ndarray, here: slice, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and rows of those that look near enough.

        asking (ndarray): Their products with what is in `looks` tell.
        here (slice): The rows that may be looked at.
        """
        looks = self.looks.part(here.start, here.stop)
        counts, near = positive(asking, looks)
        n = len(queries) * len(looks)
        self._looked, self._compared = self._looked + n, self._compared + len(near)
        if len(near) > _TOO_MANY * n:
            return self._compare_all(queries, here, k)
        rows = side_by_side(near + here.start, counts)
        return self._squared(queries, rows), rows

    def _compare_all(
        self, queries: np.ndarray, here: slice, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest of some rows."""
        keys = self.keys.part(here.start, here.stop).astype(np.float32)
        if self.metric == "cosine":
            keys *= self.scale.part(here.start, here.stop)[:, None]
        squared, rows = compare_all(queries, [keys], min(k, len(keys)))
        return squared, rows + here.start

    def _look(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How vectors look, and how long they are from there. In float64, for the rest
        is the difference of two sums that are nearly equal."""
        away = vectors.astype(np.float64) - self.basis[0]
        # Not `@`: the threads of NumPy's BLAS would stay busy and in FAISS's way.
        parts = np.einsum("nw,cw->nc", away, self.basis[1:])
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
        there = rows >= 0
        lowest, highest = rows[there].min(initial=len(self)), rows.max(initial=-1)
        offset = 0
        for block in self.keys:
            if offset <= lowest and highest < offset + len(block):
                # Where there is none, the number stays below zero.
                squared = compared(queries, block, rows - offset, self.metric)
            elif offset <= highest and lowest < offset + len(block):
                here = (rows >= offset) & (rows < offset + len(block))
                mine = np.where(here, rows - offset, -1)
                squared[here] = compared(queries, block, mine, self.metric)[here]
            offset += len(block)
        if self.metric == "cosine":
            cosines = squared[there] * self.scale.take(rows[there])
            squared[there] = 2.0 - 2.0 * cosines
        squared[~there] = np.inf
        return squared

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
