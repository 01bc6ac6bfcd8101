"""The neighbors of keys, and their votes."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Neighbors:
    """The nearest entries of each query, nearest first; ties by entry.

    distances (ndarray): Shape (n, k), float64; inf where there is none.
    rows (ndarray): Entries, shape (n, k); −1 where there is none.
    tags (ndarray): Their tag ids, shape (n, k); 0 where there is none.
    weights (ndarray): How many equal entries each of them stands for, shape (n, k);
        0 where there is none.
    """

    distances: np.ndarray
    rows: np.ndarray
    tags: np.ndarray
    weights: np.ndarray

    @property
    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.distances, self.rows, self.tags, self.weights

    @classmethod
    def empty(cls, n: int, k: int) -> "Neighbors":
        """Make neighbors of n queries that have none."""
        zeros = np.zeros((n, k), dtype=np.int64)
        return cls(np.full((n, k), np.inf), zeros - 1, zeros, zeros)

    @classmethod
    def concatenate(cls, parts: "list[Neighbors]") -> "Neighbors":
        """Put the queries of all parts one after the other."""
        columns = zip(*(part._columns for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def of_queries(self, chosen: np.ndarray) -> "Neighbors":
        """Select queries.

        chosen (ndarray): A mask of shape (n,), or numbers of queries.
        """
        return Neighbors(*(column[chosen] for column in self._columns))

    def replaced(self, queries: np.ndarray, others: "Neighbors") -> "Neighbors":
        """Replace the neighbors of some queries.

        queries (ndarray): Their numbers, shape (n_others,).
        others (Neighbors): The new neighbors.
        """
        columns = tuple(column.copy() for column in self._columns)
        for column, other in zip(columns, others._columns, strict=True):
            column[queries] = other
        return Neighbors(*columns)

    def truncate(self, k: int) -> "Neighbors":
        """Keep the k that vote, counted by weight: an entry of weight w counts as w
        equal ones."""
        weights = self.weights[:, :k]
        before = np.cumsum(weights, axis=1) - weights
        return Neighbors(
            self.distances[:, :k],
            self.rows[:, :k],
            self.tags[:, :k],
            np.clip(k - before, 0, weights),
        )

    def excluding(self, mask: np.ndarray, k: int) -> "Neighbors":
        """Keep the first k of those outside a mask, with their full weights.

        mask (ndarray): What to leave out, shape (n, more than k), bool.
        """
        distances = np.where(mask, np.inf, self.distances)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances = np.take_along_axis(distances, order, axis=1)
        valid = np.isfinite(distances)
        rows = np.where(valid, np.take_along_axis(self.rows, order, axis=1), -1)
        tags = np.where(valid, np.take_along_axis(self.tags, order, axis=1), 0)
        weights = np.where(valid, np.take_along_axis(self.weights, order, axis=1), 0)
        return Neighbors(distances, rows, tags, weights)


@dataclass(frozen=True)
class Votes:
    """The store's votes, per key or per token.

    p_knn (ndarray): Equation 3, shape (n, n_tags); rows of zeros where there are no
        neighbors.
    nearest (ndarray): Distance of the nearest entry, shape (n,); inf if there is
        none.
    """

    p_knn: np.ndarray
    nearest: np.ndarray

    @classmethod
    def empty(cls, n: int, n_tags: int) -> "Votes":
        """Make votes without neighbors."""
        return cls(np.zeros((n, n_tags)), np.full(n, np.inf))
