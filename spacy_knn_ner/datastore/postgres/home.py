"""Transactions of a shared datastore, and what other processes have changed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import Errors, KnnNerError
from ...tags import TagSet
from ..disk import saved_index
from ..entries import METRIC_OF, EntryTable
from ..examples.base import CORRECTIONS, PARTS
from ..rows import ENTRY, TAG
from .changes import Changes
from .examples import PostgresExamples
from .hnsw import create_index
from .index import EXACT, HNSW, PostgresIndexFactory
from .keys import decoded, key_as_sent
from .rows import PostgresRows
from .schema import REMEMBERED, check_format, create
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
    "SELECT format, version, oldest, dtype, width, scheme, labels, fingerprint, "
    "projection, search FROM about"
)


@dataclass(frozen=True)
class About:
    """What the server says of the datastore: the row of `about`."""

    format: int
    version: int
    oldest: int
    dtype: str
    width: int | None
    scheme: str
    labels: str
    fingerprint: str
    projection: bytes | None
    search: str


class PostgresHome:
    """Keeps a datastore on a server, and in step with it.

    server (Server): The connection.
    name (str): The datastore's.
    version (int): Of the entries here; 0 before the first time.
    saved_index (dict[str, Any] | None): How an approximate index is searched, so that
        it is faithful; see disk/saved_index.py.
    """

    def __init__(
        self, server: Server, index: str = EXACT, *, creates: bool = False
    ) -> None:
        """server (Server): The connection.
        index (str): Of the store, `"exact"` (default) or `"hnsw"`.
        creates (bool): Make an empty datastore where there is none. Default: False.
        """
        self.server, self.version, self._creates = server, 0, creates
        self.name, self.index = server.name, index
        self.saved_index: dict[str, Any] | None = None
        self.changes = Changes(server)
        self._start()

    def _start(self) -> None:
        """Begin without a transaction."""
        self._pid = os.getpid()
        self._depth = 0  # of changes within each other
        self._is_reading = False

    def _make_ready(self) -> None:
        """Before each transaction."""
        if self._pid != os.getpid():  # those of the parent process are not ours
            self._start()
        if self._creates:
            create(self.server)
            self._creates = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pid": None}  # a copy is in no transaction

    @property
    def is_changing(self) -> bool:
        """Whether a change has begun."""
        return self._depth > 0

    def attach(self, datastore: "Datastore") -> None:
        """Keep a datastore here from now on.

        datastore (Datastore): An empty one, which is filled when it is first read.
        """
        datastore.home = self
        datastore.examples = PostgresExamples(self.server, self)
        for part in PARTS:
            rows = PostgresRows(self.changes, part, datastore.dtype)
            table = EntryTable(rows=rows)
            if part != CORRECTIONS:
                table.index_factory = PostgresIndexFactory(self.index)
            setattr(datastore, part, table)

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
                self._lock_out_replacements()
                about = self._about(" FOR UPDATE")
                self._catch_up(datastore, about)
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

    def _lock_out_replacements(self) -> None:
        """Before the snapshot is taken; so that no table is replaced meanwhile."""
        import psycopg

        with self.server.coded():
            try:
                self.server.db.execute("LOCK TABLE about IN ACCESS SHARE MODE")
            except psycopg.errors.UndefinedTable:
                name, url = self.server.name, self.server.url
                raise KnnNerError(Errors.E120, name=name, url=url) from None

    def _about(self, lock: str = "") -> About:
        row = self._execute(_ABOUT + lock).fetchone()
        check_format(row[0], str(self.server))
        return About(*row)

    def _write_about(self, datastore: "Datastore") -> None:
        version, tag_set = self.changes.version, datastore.tag_set
        projection = datastore.projection
        self._execute(
            "UPDATE about SET version = %s, dtype = %s, width = %s, scheme = %s, "
            "labels = %s, fingerprint = %s, projection = %s, search = %s",
            [
                version,
                datastore.dtype,
                datastore.width,
                tag_set.scheme,
                json.dumps(tag_set.labels),
                json.dumps(datastore.fingerprint),
                None if projection is None else projection.astype("<f4").tobytes(),
                json.dumps(self.saved_index),
            ],
        )
        if version % REMEMBERED == 0:
            for table in ("removed", "changes"):
                self._execute(f"DELETE FROM {table} WHERE version <= %s", [version])
            self._execute("UPDATE about SET oldest = %s", [version])

    # --- an approximate index ---------------------------------------------------------

    def make_index(self, datastore: "Datastore", metric: str) -> None:
        """See `Home.make_index`."""
        if self.index == HNSW and datastore.store.width:
            unit = metric == "cosine"
            create_index(self.server, datastore.dtype, METRIC_OF[unit])

    def keep_index(self, datastore: "Datastore") -> None:
        """See `Home.keep_index`."""
        if datastore.store.fidelity is not None:
            found = saved_index.describe(datastore.store, {})
            if found != self.saved_index:
                with datastore.transaction():
                    self.saved_index = found

    # --- catching up ----------------------------------------------------------------

    def _catch_up(self, datastore: "Datastore", about: About) -> None:
        """Bring the entries here up to date."""
        if about.version == self.version:
            return
        since, self.version = self.version, 0  # if this fails, all is read again
        statement = "SELECT tags FROM changes WHERE version > %s ORDER BY version"
        retags = [row[0] for row in self._execute(statement, [since]).fetchall()]
        tables = [(part, datastore.tables[part]) for part in PARTS]
        width = about.width or 0
        widths = {self._rows(datastore, part).unread_keys.tail[0] for part in PARTS}
        if since < about.oldest or None in retags or widths != {width}:
            since = 0
        if since == 0:
            for part, table in tables:
                self._rows(datastore, part).read_again(about.dtype, width)
                table.forget_index()
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
        datastore.dtype = about.dtype
        datastore.tag_set = TagSet(about.scheme, tuple(json.loads(about.labels)))
        datastore.fingerprint = json.loads(about.fingerprint)
        datastore.projection = None
        if about.projection is not None:
            flat = np.frombuffer(about.projection, "<f4")
            datastore.projection = flat.reshape(-1, about.width or 1)
        before, self.saved_index = self.saved_index, json.loads(about.search)
        if self.saved_index and (since == 0 or before != self.saved_index):
            saved_index.load(datastore.store, Path(), self.saved_index)
        datastore.n_changes += 1
        datastore.n_rereads += bool(since == 0 or retags)
        self.version = about.version

    def _rows(self, datastore: "Datastore", part: str) -> PostgresRows:
        rows = datastore.tables[part].rows
        assert isinstance(rows, PostgresRows)
        return rows

    def _take_over(self, part: str, rows: PostgresRows, since: int) -> None:
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
