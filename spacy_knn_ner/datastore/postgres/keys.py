"""Keys that stay in PostgreSQL, and are read where they are needed."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..blocks import Blocks
from ..entry_ids import EntryIds
from .server import Server

# Rows that are read at once, from one end of a table to the other.
_CHUNK = 1 << 14
# By dtype: PostgreSQL's type, the function that sends it, and its numbers as sent.
TYPES = {
    "float32": ("vector", "vector_send", ">f4"),
    "float16": ("halfvec", "halfvec_send", ">f2"),
}


def key_as_sent(dtype: str) -> str:
    """SQL: the column key as bytes, for `decoded`.

    dtype (str): Of the keys.
    """
    return f"{TYPES[dtype][1]}(key)"


def decoded(sent: bytes, dtype: str, width: int) -> np.ndarray:
    """Read keys as PostgreSQL sends them: of each two int16, then its numbers.

    sent (bytes): Keys, one after the other.
    dtype (str), width (int): Of the keys.
    RETURNS (ndarray): Shape (n, width).
    """
    row = np.dtype([("about", ">i2", 2), ("key", TYPES[dtype][2], (width,))])
    return np.frombuffer(sent, row)["key"].astype(dtype)


class SharedKeys(Blocks):
    """The keys of a table of entries, by row.

    A row that was removed on the server has the first unit vector here.
    """

    def __init__(
        self, server: Server, table: str, dtype: Any, width: int, entry_ids: EntryIds
    ) -> None:
        """server (Server): The connection.
        table (str): With the columns entry_id and key.
        dtype (DTypeLike), width (int): Of the keys.
        entry_ids (EntryIds): Of the rows.
        """
        super().__init__(dtype, width)
        self.server, self.table, self.entry_ids = server, table, entry_ids
        self._recent = np.zeros(0, np.int64), np.zeros((0, width), self.dtype)

    def __len__(self) -> int:
        return len(self.entry_ids)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.chunks(_CHUNK)

    def append(self, rows: np.ndarray) -> None:
        """Append rows: they are on the server already, with their ids."""

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
        missing = ids[~is_recent]
        if len(missing):
            statement = (
                f"SELECT entry_id, {key_as_sent(self.dtype.name)} FROM {self.table} "
                "WHERE entry_id = ANY(%s) ORDER BY entry_id"
            )
            with self.server.coded():
                values = [missing.tolist()]
                found = self.server.db.execute(
                    statement, values, binary=True
                ).fetchall()
            if found:
                at = np.searchsorted(ids, [entry_id for entry_id, _ in found])
                taken[at] = self._decoded([key for _, key in found])
        return taken[back].reshape(*np.shape(rows), *self.tail)

    def remember(self, ids: np.ndarray, keys: list[bytes]) -> None:
        """Keep the keys that a search has found until the next one.

        ids (ndarray): Of entries, shape (n,).
        keys (list[bytes]): As they were sent.
        """
        ids, first = np.unique(ids, return_index=True)
        self._recent = ids, self._decoded([keys[i] for i in first])

    def _decoded(self, keys: list[bytes]) -> np.ndarray:
        return decoded(b"".join(keys), self.dtype.name, self.tail[0])

    def __getstate__(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "table": self.table,
            "dtype": self.dtype,
            "width": self.tail[0],
            "entry_ids": self.entry_ids,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def longest(self, start: int = 0) -> float:
        """See `Blocks.longest`; of all rows."""
        norm = {"float32": "vector_norm", "float16": "l2_norm"}[self.dtype.name]
        statement = f"SELECT max({norm}(key)) FROM {self.table}"
        with self.server.coded():
            return float(self.server.db.execute(statement).fetchone()[0] or 0.0)
