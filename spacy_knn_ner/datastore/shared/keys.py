"""Keys that stay in a database, and are read where they are needed."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..blocks import Blocks
from .entry_ids import EntryIds

# Rows that are read at once, from one end of a table to the other.
_CHUNK = 1 << 13


class RemoteKeys(Blocks):
    """The keys of entries, by row.

    A row that is removed there has the first unit vector here.

    entry_ids (EntryIds): Of the rows.
    """

    def __init__(self, dtype: Any, width: int, entry_ids: EntryIds) -> None:
        """dtype (DTypeLike), width (int): Of the keys.
        entry_ids (EntryIds): Of the rows.
        """
        super().__init__(dtype, width)
        self.entry_ids = entry_ids
        self._recent = np.zeros(0, np.int64), np.zeros((0, width), self.dtype)

    @abstractmethod
    def read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read keys.

        ids (ndarray): Of entries, shape (n,), ascending, one or more.
        RETURNS (tuple[ndarray, ndarray]): The ids that there are, and their keys, in
            any order.
        """

    def __len__(self) -> int:
        return len(self.entry_ids)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.chunks(_CHUNK)

    def append(self, rows: np.ndarray) -> None:
        """Append rows: they are there already, with their ids."""

    def truncate(self, n: int) -> None:
        """Drop the rows after the first n: their ids are."""

    def chunks(self, size: int, start: int = 0) -> Iterator[np.ndarray]:
        """See `Blocks.chunks`."""
        for first in range(start, len(self), size):
            yield self.part(first, min(first + size, len(self)))

    def part(self, start: int, stop: int) -> np.ndarray:
        """See `Blocks.part`."""
        return self.take(np.arange(start, stop))

    def array(self) -> np.ndarray:
        """See `Blocks.array`."""
        return self.part(0, len(self))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Blocks.take`."""
        wanted = self.entry_ids.array()[np.asarray(rows).ravel()]
        ids, back = np.unique(wanted, return_inverse=True)
        taken = np.zeros((len(ids), *self.tail), self.dtype)
        taken[:, 0] = 1
        is_recent = np.isin(ids, self._recent[0], assume_unique=True)
        at = np.searchsorted(self._recent[0], ids[is_recent])
        taken[is_recent] = self._recent[1][at]
        if not is_recent.all():
            found, keys = self.read(ids[~is_recent])
            taken[np.searchsorted(ids, found)] = keys
            self.remember(ids, taken)  # all queries of a batch may need the same
        return taken[back].reshape(*np.shape(rows), *self.tail)

    def remember(self, ids: np.ndarray, keys: np.ndarray) -> None:
        """Keep keys until others are read.

        ids (ndarray): Of entries, shape (n,).
        keys (ndarray): Theirs, shape (n, width).
        """
        ids, first = np.unique(ids, return_index=True)
        self._recent = ids, keys[first]
