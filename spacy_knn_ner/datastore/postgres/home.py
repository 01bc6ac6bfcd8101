"""Transactions of a shared datastore, and what other processes have changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import Errors, KnnNerError
from ..entries import METRIC_OF
from ..examples.base import CORRECTIONS, PARTS
from ..rows import ENTRY, TAG
from ..shared.home import AUTO, RemoteHome
from ..shared.rows import RemoteRows
from .changes import Changes
from .examples import PostgresExamples
from .hnsw import create_index
from .index import PostgresIndexFactory
from .keys import decoded, key_as_sent
from .rows import PostgresRows
from .schema import REMEMBERED, check_format, create, has_tables
from .server import Server

if TYPE_CHECKING:
    from ..datastore import Datastore

# Rows that are read at once.
_CHUNK = 1 << 16
# A row without its key, as bytes: SQL and NumPy.
_SENT_AS = (
    "int8send(entry_id) || int8send(example_id) || int4send(token) || "
    "int4send(weight) || int4send(tag)"
)
_SENT = np.dtype(
    [
        ("entry_id", ">i8"),
        ("example_id", ">i8"),
        ("token", ">i4"),
        ("weight", ">i4"),
        ("tag", ">i4"),
    ]
)
_ABOUT = (
    "SELECT format, store_id, version, oldest, dtype, width, scheme, labels, "
    "fingerprint, search, projection, correction_radius FROM about"
)
_JSON = "labels", "fingerprint", "search"
_PATIENCE = "120s"  # until a process gives up changing what others are changing


@dataclass(frozen=True)
class About:
    """What the server says of the datastore: the row of `about`; see `State`."""

    format: int
    store_id: str
    version: int
    oldest: int
    dtype: str
    width: int
    scheme: str
    labels: tuple[str, ...]
    fingerprint: Any
    search: dict[str, Any] | None
    projection: bytes | None
    correction_radius: float | None


class PostgresHome(RemoteHome):
    """Keeps a datastore on a server, and in step with it.

    server (Server): The connection.
    """

    def __init__(
        self, server: Server, index: str = AUTO, *, creates: bool = False
    ) -> None:
        """server (Server): The connection.
        index (str): Of the store, `"auto"` (default), `"exact"` or `"hnsw"`.
        creates (bool): Make an empty datastore where there is none. Default: False.
        """
        self.server = server
        self.changes = Changes(server)
        factory = PostgresIndexFactory(index)
        super().__init__(server.name, index, factory, creates=creates)

    def exists(self) -> bool:
        """See `RemoteHome.exists`."""
        return has_tables(self.server)

    def _create(self) -> None:
        create(self.server)

    def _make_examples(self, datastore: "Datastore") -> PostgresExamples:
        return PostgresExamples(self.server, self)

    def _make_rows(self, part: str, dtype: str) -> PostgresRows:
        return PostgresRows(self.changes, part, dtype)

    @property
    def is_changing(self) -> bool:
        """Whether a change has begun."""
        return self._depth > 0

    # --- transactions -------------------------------------------------------------

    @contextmanager
    def reading(self, datastore: "Datastore") -> Iterator[None]:
        """Read one state of the datastore; also within each other, and in a change.

        datastore (Datastore): Is brought up to date.
        RAISES (KnnNerError): If the server is away.
        """
        self._make_ready()
        if self._is_reading or self.is_changing:
            yield
            return
        with self.server.coded():
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            self.server.db.execute(begin)
        self._is_reading = True
        try:
            self._lock_out_replacements()
            self._catch_up(datastore, self._about())
            yield
        finally:
            self._is_reading = False
            self._end("COMMIT")

    def begin(self, datastore: "Datastore") -> None:
        """Begin a change; only one process changes the datastore at a time.

        datastore (Datastore): Is brought up to date.
        """
        self._make_ready()
        if self._depth:
            self._execute(f"SAVEPOINT change_{self._depth}")
        else:
            self._execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE")
            try:
                self._lock_out_changes()
                self._lock_out_replacements()
                about = self._about()
                self._catch_up(datastore, about)
                self._remember()
            except BaseException:
                self._end("ROLLBACK")
                raise
            self.changes.version = about.version + 1
        self._depth += 1

    def commit(self, datastore: "Datastore") -> None:
        """End a change. The server has it, and other processes see it.

        datastore (Datastore): What was changed.
        """
        if self._depth > 1:
            self._execute(f"RELEASE SAVEPOINT change_{self._depth - 1}")
        else:
            self._write_about(datastore)
            self._execute("COMMIT")
            self.version, self.changes.version = self.changes.version, 0
        self._depth -= 1

    def rollback(self) -> None:
        """Take a change back on the server."""
        self._depth -= 1
        if self._depth:
            self._end(f"ROLLBACK TO SAVEPOINT change_{self._depth}")
        else:
            self._end("ROLLBACK")
            self.changes.version = 0
            self._take_back()

    def _execute(self, statement: str, values: Any = ()) -> Any:
        with self.server.coded():
            return self.server.db.execute(statement, values)

    def _end(self, statement: str) -> None:
        """End a transaction; if the server is away, it has ended."""
        if self.server.is_connected:
            try:
                self._execute(statement)
            except KnnNerError:
                self.server.close()

    def _lock_out_changes(self) -> None:
        """Before all other locks, so that no two processes wait for each other."""
        import psycopg

        with self.server.coded():
            db = self.server.db
            db.execute("SELECT set_config('lock_timeout', %s, true)", [_PATIENCE])
            try:
                lock = "SELECT pg_advisory_xact_lock(hashtext(%s))"
                db.execute(lock, [f"{self.name}.changes"])
            except psycopg.errors.LockNotAvailable as error:
                raise KnnNerError(Errors.E127, name=self.name) from error

    def _lock_out_replacements(self) -> None:
        """Before the snapshot is taken; so that no table is replaced meanwhile."""
        import psycopg
        from psycopg import sql

        with self.server.coded():
            # With the schema, so that it is no other table of this name.
            lock = sql.SQL("LOCK TABLE {}.about IN ACCESS SHARE MODE")
            try:
                self.server.db.execute(lock.format(self.server.schema))
            except (
                psycopg.errors.InvalidSchemaName,
                psycopg.errors.UndefinedTable,
            ):
                name, url = self.server.name, self.server.url
                raise KnnNerError(Errors.E120, name=name, url=url) from None

    def _about(self) -> About:
        row = self._execute(_ABOUT).fetchone()
        check_format(row[0], str(self.server))
        values = dict(zip([field.name for field in fields(About)], row, strict=True))
        values |= {name: json.loads(values[name]) for name in _JSON}
        return About(**{**values, "labels": tuple(values["labels"])})

    def _write_about(self, datastore: "Datastore") -> None:
        version, tag_set = self.changes.version, datastore.tag_set
        projection = datastore.projection
        self._execute(
            "UPDATE about SET version = %s, dtype = %s, width = %s, scheme = %s, "
            "labels = %s, fingerprint = %s, projection = %s, search = %s, "
            "correction_radius = %s",
            [
                version,
                datastore.dtype,
                datastore.width or 0,
                tag_set.scheme,
                json.dumps(tag_set.labels),
                json.dumps(datastore.fingerprint),
                None if projection is None else projection.astype("<f4").tobytes(),
                json.dumps(self.saved_index),
                self.correction_radius,
            ],
        )
        if version % REMEMBERED == 0:
            oldest = [max(1, version - REMEMBERED)]
            for table in ("removed", "changes"):
                self._execute(f"DELETE FROM {table} WHERE version <= %s", oldest)
            self._execute("UPDATE about SET oldest = %s", oldest)

    # --- an approximate index ---------------------------------------------------------

    def make_index(self, datastore: "Datastore", metric: str) -> None:
        """See `Home.make_index`."""
        if self._wants_index(datastore):
            unit = metric == "cosine"
            create_index(self.server, datastore.dtype, METRIC_OF[unit])

    # --- catching up ----------------------------------------------------------------

    def _catch_up(self, datastore: "Datastore", about: About) -> None:
        """Bring the entries here up to date."""
        if self._is_current(datastore, about):
            return
        since, self.version = self._seen(about), 0  # if this fails, all is read again
        statement = "SELECT tags FROM changes WHERE version > %s ORDER BY version"
        retags = [row[0] for row in self._execute(statement, [since]).fetchall()]
        tables = [(part, datastore.tables[part]) for part in PARTS]
        widths = {self._rows(datastore, part).unread_keys.tail[0] for part in PARTS}
        if since < about.oldest or None in retags or widths != {about.width}:
            since = 0
            self._read_again(datastore, about)
        for part, table in tables if about.width else ():
            rows = self._rows(datastore, part)
            if since:
                for tags in retags:
                    rows.give_tags(np.array(json.loads(tags)))
                statement = (
                    "SELECT entry_id FROM removed WHERE part = %s AND version > %s"
                )
                removed = self._execute(statement, [part, since]).fetchall()
                table.removed_rows(rows.take_away(np.array(removed, np.int64).ravel()))
            self._take_over(part, rows, since)
        is_reread = bool(since == 0 or retags)
        self._take_over_state(datastore, about, about.projection, is_reread=is_reread)

    def _take_over(self, part: str, rows: RemoteRows, since: int) -> None:
        """Read the rows that are new."""
        last, kind = 0, rows.unread_keys.dtype.name
        with_keys = part == CORRECTIONS
        key = f"string_agg({key_as_sent(kind)}, ''::bytea ORDER BY entry_id)"
        query = (
            f"SELECT string_agg({_SENT_AS}, ''::bytea ORDER BY entry_id), "
            f"{key if with_keys else 'NULL'} FROM (SELECT * FROM {part} "
            "WHERE version > %s AND entry_id > %s ORDER BY entry_id LIMIT %s) AS new"
        )
        width = rows.unread_keys.tail[0]
        while True:
            with self.server.coded():
                values = since, last, _CHUNK
                sent, keys = self.server.db.execute(
                    query, values, binary=True
                ).fetchone()
            if sent is None:
                return
            found = np.frombuffer(sent, _SENT)
            entries = np.zeros(len(found), ENTRY)
            for name in ("example_id", "token", "weight"):
                entries[name] = found[name]
            vectors = np.zeros((len(found), 0), np.float32)
            if with_keys:
                vectors = decoded(keys, kind, width)
            ids = found["entry_id"].astype(np.int64)
            rows.take_over(ids, vectors, entries, found["tag"].astype(TAG))
            last = int(ids[-1])
