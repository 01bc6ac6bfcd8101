"""Changes of a shared datastore's entries, as SQL."""

import json
from typing import Any

import numpy as np

from .keys import TYPES
from .schema import create_entries
from .server import Server


class Changes:
    """Changes entries on the server, within a transaction.

    server (Server): The connection.
    version (int): Of the change that is made; 0 if none is.
    """

    def __init__(self, server: Server) -> None:
        """server (Server): The connection."""
        self.server, self.version = server, 0

    def _execute(self, statement: str, values: Any = ()) -> Any:
        assert self.version, "only within a transaction"
        with self.server.coded():
            return self.server.db.execute(statement, values)

    def insert(
        self, part: str, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray
    ) -> np.ndarray:
        """Add entries.

        part (str): `"store"` or `"corrections"`.
        keys, entries, tags (ndarray): As for `Rows.append`.
        RETURNS (ndarray): Their ids, ascending.
        """
        from pgvector import HalfVector, Vector

        sequence = f"SELECT nextval('{part}_entry_id_seq') FROM generate_series(1, %s)"
        ids = np.array(
            self._execute(sequence, [len(keys)]).fetchall(), np.int64
        ).ravel()
        kind = TYPES[keys.dtype.name][0]
        make = {"vector": Vector, "halfvec": HalfVector}[kind]
        columns = [entries[name].tolist() for name in ("example_id", "token", "weight")]
        rows = zip(ids.tolist(), *columns, tags.tolist(), keys, strict=True)
        statement = (
            f"COPY {part} (entry_id, example_id, token, weight, tag, version, key) "
            "FROM STDIN WITH (FORMAT BINARY)"
        )
        with self.server.coded(), self.server.db.cursor().copy(statement) as copy:
            copy.set_types(["int8", "int8", "int4", "int4", "int4", "int8", kind])
            for *row, key in rows:
                copy.write_row([*row, self.version, make(key)])
        return ids

    def delete(self, part: str, ids: np.ndarray) -> None:
        """Remove entries.

        part (str): Their table.
        ids (ndarray): Their ids.
        """
        given = ids.tolist()
        self._execute(f"DELETE FROM {part} WHERE entry_id = ANY(%s)", [given])
        statement = "INSERT INTO removed SELECT %s, %s, unnest(%s::bigint[])"
        self._execute(statement, [self.version, part, given])

    def retag(self, part: str, ids: np.ndarray) -> None:
        """Give every entry another tag id.

        part (str): Their table.
        ids (ndarray): New ids by old ones.
        """
        given = ids.tolist()
        self._execute(
            f"UPDATE {part} SET tag = (%s::int[])[tag + 1] "
            "WHERE tag <> (%s::int[])[tag + 1]",
            [given, given],
        )
        self._note(json.dumps(given))

    def create(self, part: str, dtype: str, width: int) -> None:
        """Make the empty table of a part, in place of the one that there is.

        part (str): The table.
        dtype (str), width (int): Of the keys; width 0: none are known yet.
        """
        with self.server.coded():
            create_entries(self.server.db, part, dtype, width)
        self._note(None)

    def _note(self, tags: str | None) -> None:
        """Let other processes know of new tags, or that they must read all again."""
        statement = (
            "INSERT INTO changes VALUES (%s, %s) ON CONFLICT (version) DO UPDATE "
            "SET tags = CASE WHEN changes.tags IS NOT DISTINCT FROM excluded.tags "
            "THEN changes.tags END"
        )
        self._execute(statement, [self.version, tags])
