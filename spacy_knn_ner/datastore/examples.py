"""The annotated texts of a datastore, in SQLite."""

import json
import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..locking import Lock
from ..types import AnnotatedText, StoredExample
from .example_rows import SCHEMA, check_schema, coded, digest, dump, load_example

STORE, CORRECTIONS = PARTS = ("store", "corrections")

_COLUMNS = "example_id, part, annotation, source"


class ExampleStore:
    """Annotated texts by id: read one at a time, written in batches.

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
    def _reading(self) -> Iterator[sqlite3.Connection]:
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
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self.transaction() as db, coded():
            yield db

    def _is_unchanged(self) -> bool:
        """Check whether the file that was opened is still the one at its path."""
        return self._path is not None and _identity(self._path) == self._file

    def _copy_from(self, other: sqlite3.Connection) -> None:
        self._path, self.has_changed = None, True
        self._connect()
        other.backup(self._db)

    # --- contents ----------------------------------------------------------

    def __len__(self) -> int:
        with self._reading() as db:
            return db.execute("SELECT COUNT(*) FROM examples").fetchone()[0]

    def add(
        self, texts: Iterable[AnnotatedText], part: str, source: str | None = None
    ) -> list[int]:
        """Store annotated texts.

        texts (Iterable[AnnotatedText]): The texts.
        part (str): `"store"` or `"corrections"`.
        source (str | None): Where they come from.
        RETURNS (list[int]): Their ids, in order.
        """
        statement = (
            "INSERT INTO examples (part, text, annotation, source, words) "
            "VALUES (?, ?, ?, ?, ?)"
        )
        with self._changing() as db:
            rows = (
                (part, text.text, dump(text), source, digest(text)) for text in texts
            )
            return [db.execute(statement, row).lastrowid or 0 for row in rows]

    def restore(self, example: StoredExample) -> None:
        """Store an example that was forgotten or revised, as it was."""
        text = example.annotated
        statement = (
            f"INSERT OR REPLACE INTO examples ({_COLUMNS}, text, words) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        row = example.example_id, example.part, dump(text), example.source
        with self._changing() as db:
            db.execute(statement, (*row, text.text, digest(text)))

    def forget(self, example_ids: Iterable[int]) -> list[int]:
        """Delete examples.

        example_ids (Iterable[int]): Unknown ones are passed over.
        RETURNS (list[int]): Those that were there.
        """
        statement = "DELETE FROM examples WHERE example_id = ?"
        with self._changing() as db:
            return [i for i in example_ids if db.execute(statement, (i,)).rowcount]

    def present(self, example_ids: Iterable[int]) -> list[int]:
        """Select the examples that there are.

        example_ids (Iterable[int]): Perhaps unknown.
        """
        query = "SELECT 1 FROM examples WHERE example_id = ?"
        with self._reading() as db:
            return [i for i in example_ids if db.execute(query, (int(i),)).fetchone()]

    def get(self, example_id: int) -> StoredExample:
        """Get one example.

        RAISES (KeyError): If there is none with this id.
        """
        query = f"SELECT {_COLUMNS} FROM examples WHERE example_id = ?"
        with self._reading() as db:
            row = db.execute(query, (int(example_id),)).fetchone()
            if row is not None:
                return load_example(row)
        raise KeyError(example_id)

    def ids(
        self,
        part: str | None = None,
        *,
        source: str | None = None,
        contains: str | None = None,
    ) -> list[int]:
        """List the ids of examples, ascending.

        part (str | None): Of this part; None: of both.
        source (str | None): Only from there.
        contains (str | None): Only those with this in their text, case-sensitive.
        """
        query = (
            "SELECT example_id FROM examples WHERE part = ifnull(?, part) "
            "AND (? IS NULL OR source = ?) AND (? IS NULL OR instr(text, ?)) "
            "ORDER BY example_id"
        )
        values = (part, source, source, contains, contains)
        with self._reading() as db:
            return [row[0] for row in db.execute(query, values)]

    def has_label(self, label: str) -> bool:
        """Check whether any example has an entity with this label."""
        query = f"SELECT {_COLUMNS} FROM examples WHERE instr(annotation, ?)"
        part = json.dumps(label, ensure_ascii=False)  # may be a word, too
        with self._reading() as db:
            rows = db.execute(query, (part,))
            entities = (e for row in rows for e in load_example(row).annotated.entities)
            return any(label == given for *_, given in entities)

    def corrections_of(self, text: AnnotatedText) -> list[StoredExample]:
        """List the corrections with the same words, by ascending id."""
        query = (
            f"SELECT {_COLUMNS} FROM examples "
            "WHERE part = 'corrections' AND words = ? ORDER BY example_id"
        )
        with self._reading() as db:
            found = map(load_example, db.execute(query, (digest(text),)))
            return [e for e in found if e.annotated.words == text.words]

    def replace(self, example_id: int, text: AnnotatedText) -> None:
        """Replace the annotation of an example."""
        statement = "UPDATE examples SET annotation = ? WHERE example_id = ?"
        with self._changing() as db:
            db.execute(statement, (dump(text), example_id))

    def move(self, example_ids: Iterable[int], part: str) -> None:
        """Move examples to a part.

        example_ids (Iterable[int]): The examples.
        part (str): `"store"` or `"corrections"`.
        """
        statement = "UPDATE examples SET part = ? WHERE example_id = ?"
        with self._changing() as db:
            db.executemany(statement, ((part, i) for i in example_ids))

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label in all examples.

        RETURNS (int): How many examples have it.
        """
        changed = []
        for example in self:
            text = example.annotated
            entities = [
                (start, end, new_label if label == old_label else label)
                for start, end, label in text.entities
            ]
            if entities != text.entities:
                new = replace(text, entities=entities)
                changed.append((dump(new), example.example_id))
        statement = "UPDATE examples SET annotation = ? WHERE example_id = ?"
        with self._changing() as db:
            db.executemany(statement, changed)
        return len(changed)

    def __iter__(self) -> Iterator[StoredExample]:
        """Yield every example, by ascending id."""
        query = (
            f"SELECT {_COLUMNS} FROM examples "
            "WHERE example_id > ? ORDER BY example_id LIMIT 256"
        )
        last = 0
        while True:
            with self._reading() as db:
                found = [*map(load_example, db.execute(query, (last,)))]
            if not found:
                return
            yield from found
            last = found[-1].example_id

    def copy(self, parts: Collection[str]) -> "ExampleStore":
        """Copy the examples of some parts; new ids follow this one's.

        parts (Collection[str]): Of `"store"` and `"corrections"`.
        """
        copy = ExampleStore()
        with self._reading() as db:
            copy._copy_from(db)
        with copy._changing() as db:
            for part in set(PARTS) - set(parts):
                db.execute("DELETE FROM examples WHERE part = ?", (part,))
        return copy

    # --- saving ------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write a new file, without anything that was forgotten.

        path (Path): Must not exist.
        """
        with self._reading() as db:
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
        with store._changing() as db:
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
