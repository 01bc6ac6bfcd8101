"""Keys that stay in PostgreSQL, and are read where they are needed."""

from typing import Any

import numpy as np

from ..shared.entry_ids import EntryIds
from ..shared.keys import RemoteKeys
from .server import Server

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


class PostgresKeys(RemoteKeys):
    """The keys of a table of entries, by row.

    table (str): With the columns entry_id and key.
    """

    def __init__(
        self, server: Server, table: str, dtype: Any, width: int, entry_ids: EntryIds
    ) -> None:
        """server (Server): The connection.
        table (str): See above.
        dtype (DTypeLike), width (int): Of the keys.
        entry_ids (EntryIds): Of the rows.
        """
        super().__init__(dtype, width, entry_ids)
        self.server, self.table = server, table

    def read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `RemoteKeys.read`."""
        statement = (
            f"SELECT entry_id, {key_as_sent(self.dtype.name)} FROM {self.table} "
            "WHERE entry_id = ANY(%s)"
        )
        with self.server.coded():
            db, values = self.server.db, [ids.tolist()]
            found = db.execute(statement, values, binary=True).fetchall()
        there = np.array([entry_id for entry_id, _ in found], np.int64)
        return there, self.decoded([key for _, key in found])

    def decoded(self, sent: list[bytes]) -> np.ndarray:
        """Read keys as they were sent.

        sent (list[bytes]): A key each.
        RETURNS (ndarray): Shape (n, width).
        """
        return decoded(b"".join(sent), self.dtype.name, self.tail[0])

    def longest(self, start: int = 0) -> float:
        """See `Blocks.longest`."""
        if start >= len(self):
            return 0.0
        norm = {"float32": "vector_norm", "float16": "l2_norm"}[self.dtype.name]
        statement = f"SELECT max({norm}(key)) FROM {self.table} WHERE entry_id >= %s"
        first = [int(self.entry_ids.array()[start])]
        with self.server.coded():
            return float(self.server.db.execute(statement, first).fetchone()[0] or 0.0)

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
