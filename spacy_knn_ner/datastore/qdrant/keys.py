"""Keys that stay in Qdrant, and are read where they are needed."""

from typing import Any

import numpy as np

from ..shared.entry_ids import EntryIds
from ..shared.keys import RemoteKeys
from .points import KEY, Visible
from .server import Server

_CHUNK = 1 << 12  # points that are read at once


class QdrantKeys(RemoteKeys):
    """The keys of the store, by row.

    collection (str): Where they are.
    visible (Visible): Of the datastore that is searched.
    longest_key (float): The length of the longest that there has been.
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
        super().__init__(dtype, width, entry_ids)
        self.server, self.collection = server, collection
        self.visible, self.longest_key = Visible(), 0.0

    def longest(self, start: int = 0) -> float:
        """See `Blocks.longest`; of all keys that there have been."""
        return self.longest_key

    def read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `RemoteKeys.read`."""
        found: list[Any] = []
        for i in range(0, len(ids), _CHUNK):
            with self.server.coded():
                found += self.server.client.retrieve(
                    self.collection,
                    ids[i : i + _CHUNK].tolist(),
                    with_payload=False,
                    with_vectors=[KEY],
                )
        keys = np.array([point.vector[KEY] for point in found], self.dtype)
        there = np.array([point.id for point in found], np.int64)
        return there, keys.reshape(-1, *self.tail)

    def __getstate__(self) -> dict[str, Any]:
        arguments = self.server, self.collection, self.dtype, self.tail[0]
        return {
            "arguments": (*arguments, self.entry_ids),
            "visible": self.visible,
            "longest_key": self.longest_key,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["arguments"])  # type: ignore[misc]
        self.visible, self.longest_key = state["visible"], state["longest_key"]
