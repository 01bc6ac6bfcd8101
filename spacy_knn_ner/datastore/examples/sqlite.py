"""The annotated texts of a datastore, in SQLite."""

import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ...locking import Lock
from ...types import StoredExample
from .base import PARTS, Examples
from .rows import SCHEMA, check_schema, coded


class ExampleStore(Examples):
    """Annotated texts by id, in a file or in memory.

    A loaded file is read where it is and never written to: the first change
    copies it into a private temporary database.

    has_changed (bool): Whether it is another than what was loaded or saved.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        """path (str | Path | None): A saved file; None: start empty.
        RAISES (ValueError, sqlite3.Error): If it is something else.
        """
        self._path = None if path is None else Path(path).resolve()
        self.has_changed = path is None
        self._lock = Lock()
        self._connect()

    def _connect(self) -> None:
        self._pid = os.getpid()
        if self._path is None:
            # SQLite keeps this in memory while small, else in a file of its own.
            self._db = sqlite3.connect("", check_same_thread=False)
            self._db.executescript(SCHEMA)
        else:
            self._file = _identity(self._path)
            uri = f"{self._path.as_uri()}?mode=ro&immutable=1"
            self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)
            check_schema(self._db)

    def _connection(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A connection must not be shared with the parent process.
            inherited = self._db
            if self._is_unchanged():
                self._connect()
            else:
                self._copy_from(inherited)
        return self._db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See `Examples.reading`."""
        with self._lock, coded():
            yield self._connection()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change examples all or not at all; also within each other.

        YIELDS (sqlite3.Connection): In a transaction.
        RAISES (KnnNerError): If SQLite cannot do it, as on a full disk.
        """
        with self._lock:
            with coded():
                if self._path is not None:
                    self._copy_from(self._connection())
                db, self.has_changed = self._connection(), True
                is_inner = db.in_transaction
                if not is_inner:
                    db.execute("BEGIN")
            try:
                yield db
                if not is_inner:
                    with coded():
                        db.commit()
            except BaseException:
                if not is_inner:
                    db.rollback()
                raise

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """See `Examples.changing`."""
        with self.transaction() as db, coded():
            yield db

    def _is_unchanged(self) -> bool:
        """Check whether the file that was opened is still the one at its path."""
        return self._path is not None and _identity(self._path) == self._file

    def _copy_from(self, other: sqlite3.Connection) -> None:
        self._path, self.has_changed = None, True
        self._connect()
        other.backup(self._db)

    def fill(self, examples: Iterable[StoredExample], last_id: int) -> None:
        """See `Examples.fill`."""
        with self.changing() as db:
            for example in examples:
                self.restore(example)
            db.execute("DELETE FROM sqlite_sequence WHERE name = 'examples'")
            db.execute("INSERT INTO sqlite_sequence VALUES ('examples', ?)", (last_id,))

    @property
    def last_id(self) -> int:
        """See `Examples.last_id`."""
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'examples'"
        with self.reading() as db:
            row = db.execute(query).fetchone()
        return 0 if row is None else row[0]

    def copy(self, parts: Collection[str]) -> "ExampleStore":
        """See `Examples.copy`."""
        copy = ExampleStore()
        with self.reading() as db:
            copy._copy_from(db)
        with copy.changing() as db:
            for part in set(PARTS) - set(parts):
                db.execute("DELETE FROM examples WHERE part = ?", (part,))
        return copy

    # --- saving ------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write a new file, without anything that was forgotten.

        path (Path): Must not exist.
        """
        with self.reading() as db:
            db.execute("VACUUM INTO ?", (str(path),))

    def to_bytes(self) -> bytes:
        """Serialize the file that `save` would write."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "examples.sqlite"
            self.save(path)
            return path.read_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ExampleStore":
        """Load from `to_bytes`."""
        store = cls()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "examples.sqlite"
            path.write_bytes(data)
            with closing(sqlite3.connect(path)) as saved:
                check_schema(saved)
                store._copy_from(saved)
        return store

    @classmethod
    def from_format_3(cls, path: Path) -> "ExampleStore":
        """Load a file in which the column `part` was named `tier`.

        path (Path): The file; it is not changed.
        """
        store = cls()
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as saved:
            check_schema(saved, part="tier")
            store._copy_from(saved)
        with store.changing() as db:
            db.execute("ALTER TABLE examples RENAME COLUMN tier TO part")
        return store

    def __getstate__(self) -> dict[str, Any]:
        if self._is_unchanged():
            return {"path": self._path}
        return {"data": self.to_bytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "path" in state:
            self.__init__(state["path"])  # type: ignore[misc]
        else:
            self.__dict__ = self.from_bytes(state["data"]).__dict__


def _identity(path: Path) -> tuple[int, ...] | None:
    """Tells a file from another one that took its place."""
    if not path.exists():
        return None
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns
