"""What a vector index is, and what makes one.

An index works in *search space*, where squared Euclidean distances order vectors as the
metric does: for `"cosine"` all vectors have unit length. Its ids are the rows of the
stored keys, so they are added in ascending order without gaps.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import distances
from ..blocks import Blocks

_CHUNK = 1 << 14


class StoredKeys:
    """The keys of a store, as vectors in search space."""

    def __init__(self, keys: Blocks, metric: str) -> None:
        """keys (Blocks): The keys as they are stored.
        metric (str): What distances are to order: `"cosine"`, `"euclidean"` or
            `"sqeuclidean"`.
        """
        self.keys, self.metric = keys, metric
        self._longest, self._measured = 0.0, 0

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def width(self) -> int:
        """Numbers per vector."""
        return self.keys.tail[0]

    @property
    def in_search_space(self) -> bool:
        """Whether the stored keys are search-space vectors as they are."""
        return self.metric != "cosine" and self.keys.dtype == np.float32

    def vectors(self, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ids and vectors, in chunks.

        start (int): The first id. Default: 0.
        YIELDS (tuple[ndarray, ndarray]): Shapes (n,) and (n, width), float32.
        """
        for chunk in self.keys.chunks(_CHUNK, start=start):
            ids = np.arange(start, start + len(chunk))
            start += len(chunk)
            yield ids, distances.to_search_space(chunk, self.metric)

    def selected(self, keep: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the vectors of some ids, in chunks.

        keep (ndarray): Shape (n,), bool.
        """
        for part in self.keys.kept(keep):
            if len(part):
                yield distances.to_search_space(part, self.metric)

    def sample(self, size: int) -> np.ndarray:
        """Draw vectors, the same every time.

        size (int): At most so many.
        """
        rows = np.random.default_rng(0).permutation(len(self.keys))[:size]
        chosen = self.keys.take(np.sort(rows))
        return distances.to_search_space(chosen, self.metric)

    def longest(self) -> float:
        """Compute the length of the longest vector."""
        if self.metric == "cosine":
            return 1.0
        self._longest = max(self._longest, self.keys.longest(self._measured))
        self._measured = len(self.keys)
        return self._longest


class VectorIndex(ABC):
    """Finds the nearest vectors by squared Euclidean distance.

    An index is pickled and copied with its pipeline; one thread at a time uses it.

    exact (bool): Whether the k nearest are found, as far as float32 can tell.
        Default: False.
    true_distances (bool): Whether distances and ids are final. Otherwise they are
        candidates, which are ranked again by the stored keys in float64. Default:
        False.
    is_remote (bool): Whether it searches the stored keys where they are, so that none
        are added. Default: False.
    search_param (int | None): Of an approximate index, how long to search (nprobe,
        efSearch); None where there is no choice. Calibration sets 1, 2, 4, … 256.
    refine_factor (int): Of an approximate index, how many times k candidates are
        ranked. Default: 1.
    most_refine (int): The largest that calibration sets; 1 where candidates come with
        the distances of the keys themselves, so that more of them would not help.
        Default: 16.
    """

    exact: bool = False
    true_distances: bool = False
    is_remote: bool = False
    search_param: int | None = None
    refine_factor: int = 1
    most_refine: int = 16

    @abstractmethod
    def __len__(self) -> int:
        """Number of vectors that were added, removed ones included."""

    @abstractmethod
    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Add vectors.

        ids (ndarray): Shape (n,), int64, ascending, following those that are there.
        vectors (ndarray): Shape (n, width), float32.
        """

    @abstractmethod
    def remove(self, ids: np.ndarray) -> None:
        """Remove vectors. An index without true distances may still return them, and
        count them in `len`: re-ranking drops them.

        ids (ndarray): Shape (n,), int64.
        """

    @abstractmethod
    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find the k nearest vectors, nearest first.

        queries (ndarray): Shape (n, width), float32.
        k (int): At most `len(self)`.
        RETURNS (tuple[ndarray, ndarray]): Squared distances and ids, each of shape
            (n, k); inf and −1 where there is none.
        """

    def emptied(self, stored: StoredKeys) -> "VectorIndex | None":
        """Make an empty index for other keys, with what was learned in training.

        stored (StoredKeys): The other keys.
        RETURNS (VectorIndex | None): The index; None (default) where training again is
            as quick.
        """
        return None

    @property
    def nbytes(self) -> int:
        """Size in bytes besides the stored keys, in memory or mapped into it."""
        return 0

    def info(self) -> dict[str, Any]:
        """Describe the index, as JSON. `kind` is its name."""
        return {"kind": type(self).__name__}

    def save(self, prefix: Path, keep: np.ndarray) -> dict[str, Any]:
        """Write files, if the index takes longer to make than to read. Files are named
        `{prefix}.*`; one that FAISS can read is named `{prefix}.index.faiss`.

        prefix (Path): What the paths of files begin with.
        keep (ndarray): The ids to be saved, shape (n,), bool; renumbered from 0 on.
        RETURNS (dict[str, Any]): What `IndexFactory.load` needs besides, as JSON.
        """
        return {}


class IndexFactory(ABC):
    """Makes indexes. A function registered as `knn_indexes` returns one."""

    @abstractmethod
    def create(self, stored: StoredKeys) -> VectorIndex:
        """Make an empty index, trained where it needs training.

        stored (StoredKeys): The keys, which are added afterwards.
        """

    def load(
        self, stored: StoredKeys, prefix: Path, state: dict[str, Any]
    ) -> VectorIndex:
        """Read an index that was saved. By default it is made again.

        stored (StoredKeys): The keys; they are added where the index is empty.
        prefix (Path), state (dict[str, Any]): As for `VectorIndex.save`.
        """
        return self.create(stored)

    def __eq__(self, other: object) -> bool:
        """Factories are equal if they make equal indexes."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.identity())

    def identity(self) -> str:
        """Name the factory with its arguments; a saved index is used where this is
        the same."""
        arguments = ", ".join(f"{k}={v!r}" for k, v in sorted(vars(self).items()))
        return f"{type(self).__name__}({arguments})"


def n_candidates(index: VectorIndex, k: int) -> int:
    """Count the candidates to be ranked where the k nearest are wanted: a few more than
    k, so that float32 leaves no doubt; of an approximate index `refine_factor` · k."""
    few_more = k + max(8, k // 4)
    return few_more if index.exact else max(few_more, index.refine_factor * k)
