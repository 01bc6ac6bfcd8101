"""Entries of a datastore in PostgreSQL: rows that are written there too."""

from typing import Any

import numpy as np

from ..blocks import Blocks
from ..shared.rows import RemoteRows
from .changes import Changes
from .keys import PostgresKeys


class PostgresRows(RemoteRows):
    """Entries and their tags as on the server; of corrections, also their keys."""

    def __init__(self, changes: Changes, part: str, dtype: Any) -> None:
        """changes (Changes): What changes the server.
        part (str): `"store"` or `"corrections"`.
        dtype (DTypeLike): Of the keys.
        """
        self._on_server = changes
        super().__init__(part, dtype)

    def remote_keys(self, dtype: Any, width: int) -> PostgresKeys:
        """See `RemoteRows.remote_keys`."""
        server = self._on_server.server
        return PostgresKeys(server, self._part, dtype, width, self.entry_ids)

    def append(self, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray) -> None:
        """See `Rows.append`."""
        keys = keys.astype(self._keys.dtype, copy=False)
        ids = self._on_server.insert(self._part, keys, entries, tags)
        self.take_over(ids, keys, entries, tags)

    def remove(self, rows: np.ndarray) -> None:
        """See `Rows.remove`."""
        if len(rows):
            self._on_server.delete(self._part, self.entry_ids.array()[rows])
            super().remove(rows)

    def retag(self, ids: np.ndarray) -> None:
        """See `Rows.retag`."""
        self._on_server.retag(self._part, ids)
        self.give_tags(ids)

    def start_empty(self, keys: Blocks) -> None:
        """See `Rows.start_empty`."""
        width = keys.tail[0]
        self._on_server.create(self._part, keys.dtype.name, width)
        self.read_again(keys.dtype, width)
