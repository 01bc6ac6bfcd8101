"""The ids that entries have on the server, by row."""

import numpy as np

from ..blocks import Blocks


class EntryIds:
    """Ascending ids of rows."""

    def __init__(self, first: np.ndarray | None = None) -> None:
        """first (ndarray | None): Ids to begin with. Default: none."""
        self._blocks = Blocks("int64", None, first)
        self._array: np.ndarray | None = None  # all of them, since the last change

    def __len__(self) -> int:
        return len(self._blocks)

    def append(self, ids: np.ndarray) -> None:
        """Append the ids of new rows.

        ids (ndarray): Shape (n,), int64, larger than all that there are.
        """
        self._blocks.append(ids)
        self._array = None

    def truncate(self, n: int) -> None:
        """Drop the ids after the first n."""
        self._blocks.truncate(n)
        self._array = None

    def array(self) -> np.ndarray:
        """All ids, shape (n_rows,)."""
        if self._array is None:
            self._array = self._blocks.array()
        return self._array

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """Find the rows of ids; −1 of an unknown one.

        ids (ndarray): In any shape.
        RETURNS (ndarray): Of the same shape.
        """
        known = self.array()
        if not len(known):
            return np.full(np.shape(ids), -1)
        rows = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[rows] == ids, rows, -1)
