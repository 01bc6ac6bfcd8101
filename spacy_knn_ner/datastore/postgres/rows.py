"""Entries of a shared datastore: rows that are written on the server too."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..blocks import Blocks
from ..entry_ids import EntryIds
from ..examples.base import CORRECTIONS
from ..rows import Rows, RowsState
from .changes import Changes
from .keys import SharedKeys


@dataclass(frozen=True)
class SharedRowsState(RowsState):
    """The columns at one time, and the ids of their rows."""

    entry_ids: EntryIds


class SharedRows(Rows):
    """Entries and their tags as on the server; of corrections, also their keys.

    entry_ids (EntryIds): Of the rows.
    """

    def __init__(self, changes: Changes, part: str, dtype: Any, width: int) -> None:
        """changes (Changes): What changes the server.
        part (str): `"store"` or `"corrections"`.
        dtype (DTypeLike), width (int): Of the keys; width 0 while there are none.
        """
        self._server, self._part = changes, part
        self.entry_ids = EntryIds()
        super().__init__(self._keys_of(dtype, width))

    def _keys_of(self, dtype: Any, width: int) -> Blocks:
        if self._part == CORRECTIONS or not width:
            return Blocks(dtype, width)
        server = self._server.server
        return SharedKeys(server, self._part, dtype, width, self.entry_ids)

    # --- as on the server ---------------------------------------------------------

    def take_over(
        self, ids: np.ndarray, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> None:
        """Append rows that are on the server.

        ids (ndarray): Shape (n,), ascending.
        keys, entries, tags (ndarray): As for `append`; no keys of the store.
        """
        self.entry_ids.append(ids)
        super().append(keys, entries, tags)

    def take_away(self, ids: np.ndarray) -> np.ndarray:
        """Mark rows as removed that are not on the server any more.

        ids (ndarray): Their ids; unknown ones are passed over.
        RETURNS (ndarray): Their numbers.
        """
        rows = self.entry_ids.rows_of(ids)
        rows = rows[rows >= 0]
        rows = rows[~self.removed[rows]]
        super().remove(rows)
        return rows

    def give_tags(self, ids: np.ndarray) -> None:
        """Give every row the tag id that it has on the server.

        ids (ndarray): New ids by old ones.
        """
        super().retag(ids)

    def read_again(self, dtype: Any, width: int) -> None:
        """Drop all rows, to take them over again.

        dtype (DTypeLike), width (int): Of the keys.
        """
        self.entry_ids = EntryIds()
        super().start_empty(self._keys_of(dtype, width))

    # --- here and on the server ---------------------------------------------------

    def append(self, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray) -> None:
        """See `Rows.append`."""
        keys = keys.astype(self._keys.dtype, copy=False)
        ids = self._server.insert(self._part, keys, entries, tags)
        self.take_over(ids, keys, entries, tags)

    def remove(self, rows: np.ndarray) -> None:
        """See `Rows.remove`."""
        if len(rows):
            self._server.delete(self._part, self.entry_ids.array()[rows])
            super().remove(rows)

    def retag(self, ids: np.ndarray) -> None:
        """See `Rows.retag`."""
        self._server.retag(self._part, ids)
        super().retag(ids)

    def start_empty(self, keys: Blocks) -> None:
        """See `Rows.start_empty`."""
        width = keys.tail[0]
        self._server.create(self._part, keys.dtype.name, width)
        self.read_again(keys.dtype, width)

    def _kept_keys(self, keep: np.ndarray, dtype: Any) -> Blocks:
        """Of a table that shrinks, which drops only what is removed on the server."""
        kept = self.entry_ids.array()[keep]
        is_remote = isinstance(self._keys, SharedKeys)
        keys = None if is_remote else super()._kept_keys(keep, dtype)
        self.entry_ids = EntryIds(kept)
        return self._keys_of(dtype, self._keys.tail[0]) if keys is None else keys

    # --- all or nothing -----------------------------------------------------------

    def state(self) -> SharedRowsState:
        """See `Rows.state`."""
        return SharedRowsState(**vars(super().state()), entry_ids=self.entry_ids)

    def restore(self, state: RowsState) -> None:
        """See `Rows.restore`."""
        assert isinstance(state, SharedRowsState)
        self.entry_ids = state.entry_ids
        self.entry_ids.truncate(len(state.removed))
        super().restore(state)
