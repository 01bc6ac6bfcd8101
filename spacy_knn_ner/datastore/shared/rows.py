"""Rows of entries that a database has too, under ids."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..blocks import Blocks
from ..examples.base import CORRECTIONS
from ..rows import Rows, RowsState
from .entry_ids import EntryIds
from .keys import RemoteKeys

_CHUNK = 1 << 13  # rows that are read at once


@dataclass(frozen=True)
class RemoteRowsState(RowsState):
    """The columns at one time, and the ids of their rows."""

    entry_ids: EntryIds


class RemoteRows(Rows):
    """Entries and their tags as in a database; of corrections, also their keys.

    entry_ids (EntryIds): Of the rows.
    """

    def __init__(self, part: str, dtype: Any) -> None:
        """part (str): `"store"` or `"corrections"`.
        dtype (DTypeLike): Of the keys.
        """
        self._part, self.entry_ids = part, EntryIds()
        super().__init__(Blocks(dtype, 0))

    @abstractmethod
    def remote_keys(self, dtype: Any, width: int) -> RemoteKeys:
        """Make the keys of the store, with the present ids.

        dtype (DTypeLike), width (int): Of the keys.
        """

    def _keys_of(self, dtype: Any, width: int) -> Blocks:
        if self._part == CORRECTIONS or not width:
            return Blocks(dtype, width)
        return self.remote_keys(dtype, width)

    # --- as in the database -----------------------------------------------------------

    def take_over(
        self, ids: np.ndarray, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> None:
        """Append rows that are there.

        ids (ndarray): Shape (n,), ascending.
        keys, entries, tags (ndarray): As for `append`; no keys of the store.
        """
        self.entry_ids.append(ids)
        Rows.append(self, keys, entries, tags)

    def take_away(self, ids: np.ndarray) -> np.ndarray:
        """Mark rows as removed that are not there any more.

        ids (ndarray): Their ids; unknown ones are passed over.
        RETURNS (ndarray): Their numbers.
        """
        rows = self.entry_ids.rows_of(ids)
        rows = rows[rows >= 0]
        rows = rows[~self.removed[rows]]
        Rows.remove(self, rows)
        return rows

    def give_tags(self, ids: np.ndarray) -> None:
        """Give every row the tag id that it has there.

        ids (ndarray): New ids by old ones.
        """
        Rows.retag(self, ids)

    def read_again(self, dtype: Any, width: int) -> None:
        """Drop all rows, to take them over again.

        dtype (DTypeLike), width (int): Of the keys.
        """
        self.entry_ids = EntryIds()
        Rows.start_empty(self, self._keys_of(dtype, width))

    def _kept_keys(self, keep: np.ndarray, dtype: Any) -> Blocks:
        """Of a table that shrinks, which drops only what is removed there."""
        kept = EntryIds(self.entry_ids.array()[keep])
        is_remote = isinstance(self._keys, RemoteKeys)
        keys = None if is_remote else super()._kept_keys(keep, dtype)
        self.entry_ids = kept
        return self._keys_of(dtype, self._keys.tail[0]) if keys is None else keys

    def n_without_key(self, rows: np.ndarray) -> int:
        """Count the rows whose key is not there, or is no number.

        rows (ndarray): Their numbers.
        """
        keys, n = self._keys, 0
        for i in range(0, len(rows), _CHUNK):
            some = rows[i : i + _CHUNK]
            if isinstance(keys, RemoteKeys):
                _, found = keys.read(self.entry_ids.array()[some])
            else:
                found = keys.take(some)
            n += len(some) - int(np.isfinite(found).all(axis=1).sum())
        return n

    # --- all or nothing ---------------------------------------------------------------

    def state(self) -> RemoteRowsState:
        """See `Rows.state`."""
        return RemoteRowsState(**vars(super().state()), entry_ids=self.entry_ids)

    def restore(self, state: RowsState) -> None:
        """See `Rows.restore`."""
        assert isinstance(state, RemoteRowsState)
        self.entry_ids = state.entry_ids
        self.entry_ids.truncate(len(state.removed))
        super().restore(state)
