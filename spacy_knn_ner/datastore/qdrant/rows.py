"""Entries of a datastore in Qdrant: rows that are written there too."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks import Blocks
from ..shared.rows import RemoteRows
from .keys import QdrantKeys

if TYPE_CHECKING:
    from .change import Change


class QdrantRows(RemoteRows):
    """Entries and their tags as in Qdrant; of corrections, also their keys."""

    def __init__(self, change: "Change", part: str, dtype: Any) -> None:
        """change (Change): What is written, within a transaction.
        part (str): `"store"` or `"corrections"`.
        dtype (DTypeLike): Of the keys.
        """
        self._change = change
        super().__init__(part, dtype)

    def remote_keys(self, dtype: Any, width: int) -> QdrantKeys:
        """See `RemoteRows.remote_keys`."""
        change, ids = self._change, self.entry_ids
        keys = QdrantKeys(change.server, change.collection, dtype, width, ids)
        keys.visible, keys.longest_key = change.visible, change.longest
        return keys

    def search_now(self) -> None:
        """Search what is visible now."""
        if isinstance(self._keys, QdrantKeys):
            change = self._change
            self._keys.visible, self._keys.longest_key = change.visible, change.longest

    def append(self, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray) -> None:
        """See `Rows.append`."""
        keys = keys.astype(self._keys.dtype, copy=False)
        ids = self._change.add_entries(self._part, keys, entries, tags)
        self.take_over(ids, keys, entries, tags)
        self.search_now()

    def remove(self, rows: np.ndarray) -> None:
        """See `Rows.remove`."""
        if len(rows):
            self._change.remove_entries(self.entry_ids.array()[rows])
            super().remove(rows)

    def retag(self, ids: np.ndarray) -> None:
        """See `Rows.retag`."""
        self._change.retag(self._part, ids)
        self.give_tags(ids)

    def start_empty(self, keys: Blocks) -> None:
        """See `Rows.start_empty`."""
        self._change.remove_entries(self.entry_ids.array()[~self.removed])
        self._change.restart(keys.dtype.name, keys.tail[0])
        self.read_again(keys.dtype, keys.tail[0])
