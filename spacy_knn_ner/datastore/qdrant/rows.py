"""Entries of a datastore in Qdrant: rows that are written there too."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks import Blocks
from ..entry_ids import EntryIds
from ..examples.base import CORRECTIONS
from ..rows import Rows, RowsState
from .keys import QdrantKeys

if TYPE_CHECKING:
    from .change import Change


@dataclass(frozen=True)
class QdrantRowsState(RowsState):
    """The columns at one time, and the ids of their rows."""

    entry_ids: EntryIds


class QdrantRows(Rows):
    """Entries and their tags as in Qdrant; of corrections, also their keys.

    entry_ids (EntryIds): Of the rows.
    """

    def __init__(self, change: "Change", part: str, dtype: Any) -> None:
        """change (Change): What is written, within a transaction.
        part (str): `"store"` or `"corrections"`.
        dtype (DTypeLike): Of the keys.
        """
        self._change, self._part = change, part
        self.entry_ids = EntryIds()
        super().__init__(Blocks(dtype, 0))

    def _keys_of(self, dtype: Any, width: int, ids: EntryIds) -> Blocks:
        if self._part == CORRECTIONS or not width:
            return Blocks(dtype, width)
        change = self._change
        keys = QdrantKeys(change.server, change.collection, dtype, width, ids)
        keys.version, keys.longest_key = change.visible, change.longest
        return keys

    # --- as in Qdrant -----------------------------------------------------------------

    def see(self, version: int, longest: float) -> None:
        """Search in a version of the datastore.

        version (int): The version.
        longest (float): The length of its longest key.
        """
        if isinstance(self._keys, QdrantKeys):
            self._keys.version, self._keys.longest_key = version, longest

    def take_over(
        self, ids: np.ndarray, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> None:
        """Append rows that are there.

        ids (ndarray): Shape (n,), ascending.
        keys, entries, tags (ndarray): As for `append`; no keys of the store.
        """
        self.entry_ids.append(ids)
        super().append(keys, entries, tags)

    def take_away(self, ids: np.ndarray) -> np.ndarray:
        """Mark rows as removed that are not there any more.

        ids (ndarray): Their ids; unknown ones are passed over.
        RETURNS (ndarray): Their numbers.
        """
        rows = self.entry_ids.rows_of(ids)
        rows = rows[rows >= 0]
        rows = rows[~self.removed[rows]]
        super().remove(rows)
        return rows

    def read_again(self, dtype: Any, width: int) -> None:
        """Drop all rows, to take them over again.

        dtype (DTypeLike), width (int): Of the keys.
        """
        self.entry_ids = EntryIds()
        super().start_empty(self._keys_of(dtype, width, self.entry_ids))

    # --- here and in Qdrant -----------------------------------------------------------

    def append(self, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray) -> None:
        """See `Rows.append`."""
        keys = keys.astype(self._keys.dtype, copy=False)
        ids = self._change.add_entries(self._part, keys, entries, tags)
        self.take_over(ids, keys, entries, tags)
        self.see(self._change.visible, self._change.longest)

    def remove(self, rows: np.ndarray) -> None:
        """See `Rows.remove`."""
        if len(rows):
            self._change.remove_entries(self.entry_ids.array()[rows])
            super().remove(rows)

    def retag(self, ids: np.ndarray) -> None:
        """See `Rows.retag`."""
        self._change.retag(self._part, ids)
        super().retag(ids)

    def start_empty(self, keys: Blocks) -> None:
        """See `Rows.start_empty`."""
        alive = self.entry_ids.array()[~self.removed]
        if len(alive):
            self._change.remove_entries(alive)
        self._change.restart(keys.dtype.name, keys.tail[0])
        self.read_again(keys.dtype, keys.tail[0])

    def _kept_keys(self, keep: np.ndarray, dtype: Any) -> Blocks:
        """Of a table that shrinks, which drops only what is removed there."""
        kept = EntryIds(self.entry_ids.array()[keep])
        is_remote = isinstance(self._keys, QdrantKeys)
        keys = None if is_remote else super()._kept_keys(keep, dtype)
        self.entry_ids = kept
        return self._keys_of(dtype, self._keys.tail[0], kept) if keys is None else keys

    # --- all or nothing ---------------------------------------------------------------

    def state(self) -> QdrantRowsState:
        """See `Rows.state`."""
        return QdrantRowsState(**vars(super().state()), entry_ids=self.entry_ids)

    def restore(self, state: RowsState) -> None:
        """See `Rows.restore`."""
        assert isinstance(state, QdrantRowsState)
        self.entry_ids = state.entry_ids
        self.entry_ids.truncate(len(state.removed))
        super().restore(state)
