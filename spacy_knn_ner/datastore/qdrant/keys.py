"""Keys that stay in Qdrant, and are read where they are needed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..blocks import Blocks
from ..entry_ids import EntryIds
from .points import KEY
from .server import Server

_CHUNK = 1 << 12  # rows that are read at once


class QdrantKeys(Blocks):
    """The keys of the store, by row.

    A row that is gone has the first unit vector here.

    collection (str): Where they are.
    version (int): Of the datastore that is searched.
    """

    def __init__(
        self,
        server: Server,
        collection: str,
        dtype: Any,
        width: int,
        entry_ids: EntryIds,
    ) -> None:
        """server (Server): The connection.
        collection (str): With points of entries.
        dtype (DTypeLike), width (int): Of the keys.
        entry_ids (EntryIds): Of the rows.
        """
        super().__init__(dtype, width)
        self.server, self.collection = server, collection
        self.entry_ids, self.version, self.longest_key = entry_ids, 0, 0.0
        self._recent = np.zeros(0, np.int64), np.zeros((0, width), self.dtype)

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

    def longest(self, start: int = 0) -> float:
        """See `Blocks.longest`; of all keys that there have been."""
        return self.longest_key

    def take(self, rows: np.ndarray) -> np.ndarray:
        """See `Blocks.take`."""
        wanted = self.entry_ids.array()[np.asarray(rows).ravel()]
        ids, back = np.unique(wanted, return_inverse=True)
        taken = np.zeros((len(ids), *self.tail), self.dtype)
        taken[:, 0] = 1
        is_recent = np.isin(ids, self._recent[0], assume_unique=True)
        at = np.searchsorted(self._recent[0], ids[is_recent])
        taken[is_recent] = self._recent[1][at]
        missing = ids[~is_recent].tolist()
        for i in range(0, len(missing), _CHUNK):
            with self.server.coded():
                found = self.server.client.retrieve(
                    self.collection,
                    missing[i : i + _CHUNK],
                    with_payload=False,
                    with_vectors=[KEY],
                )
            if found:
                at = np.searchsorted(ids, [point.id for point in found])
                taken[at] = [point.vector[KEY] for point in found]
        return taken[back].reshape(*np.shape(rows), *self.tail)

    def remember(self, ids: np.ndarray, keys: list[list[float]]) -> None:
        """Keep the keys that a search has found until the next one.

        ids (ndarray): Of entries, shape (n,).
        keys (list[list[float]]): Their keys.
        """
        ids, first = np.unique(ids, return_index=True)
        self._recent = ids, np.array([keys[i] for i in first], self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "arguments": (
                self.server,
                self.collection,
                self.dtype,
                self.tail[0],
                self.entry_ids,
            ),
            "version": self.version,
            "longest_key": self.longest_key,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["arguments"])  # type: ignore[misc]
        self.version, self.longest_key = state["version"], state["longest_key"]
