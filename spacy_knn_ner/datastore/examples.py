"""The truth of a datastore: its labelled texts, in SQLite."""

import json
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ..ty import Example, LabelledText

# AUTOINCREMENT: an id is not used again after its example was forgotten.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS examples (
    example_id INTEGER PRIMARY KEY AUTOINCREMENT,
    tier TEXT NOT NULL,
    text TEXT NOT NULL,
    annotation TEXT NOT NULL
)
"""


class ExampleStore:
    """Labelled texts by id: read one at a time, written in batches.

    A loaded file is read where it is and never written to: the first change
    copies it into a private temporary database.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        """path (str | Path | None): A saved file; None: start empty."""
        self._path = None if path is None else Path(path).resolve()
        self._lock = threading.Lock()
        self._connect()

    def _connect(self) -> None:
        self._pid = os.getpid()
        if self._path is None:
            # SQLite keeps this in memory while small, else in a file of its own.
            self._db = sqlite3.connect("", check_same_thread=False)
            self._db.execute(_SCHEMA)
        else:
            self._file = _identity(self._path)
            uri = f"{self._path.as_uri()}?mode=ro&immutable=1"
            self._db = sqlite3.connect(uri, uri=True, check_same_thread=False)

    def _reading(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A connection must not be shared with the process that forked us.
            inherited = self._db
            if self._is_there():
                self._connect()
            else:
                self._copy_from(inherited)
        return self._db

    def _writing(self) -> sqlite3.Connection:
        db = self._reading()
        if self._path is not None:
            self._copy_from(db)
        return self._db

    def _is_there(self) -> bool:
        """Whether the file that was opened is still the one at its path."""
        return self._path is not None and _identity(self._path) == self._file

    def _copy_from(self, other: sqlite3.Connection) -> None:
        self._path = None
        self._connect()
        other.backup(self._db)

    # --- contents ----------------------------------------------------------

    def __len__(self) -> int:
        with self._lock:
            return (
                self._reading().execute("SELECT COUNT(*) FROM examples").fetchone()[0]
            )

    def add(self, texts: Iterable[LabelledText], tier: str) -> list[int]:
        """Store labelled texts.

        texts (Iterable[LabelledText]): The texts.
        tier (str): `"store"` or `"corrections"`.
        RETURNS (list[int]): Their ids, in order.
        """
        with self._lock, self._writing() as db:
            statement = "INSERT INTO examples (tier, text, annotation) VALUES (?, ?, ?)"
            rows = ((tier, text.text, _dump(text)) for text in texts)
            return [db.execute(statement, row).lastrowid or 0 for row in rows]

    def forget(self, example_ids: Iterable[int]) -> list[int]:
        """Delete examples.

        example_ids (Iterable[int]): Unknown ones are passed over.
        RETURNS (list[int]): Those that were there.
        """
        statement = "DELETE FROM examples WHERE example_id = ?"
        with self._lock, self._writing() as db:
            return [i for i in example_ids if db.execute(statement, (i,)).rowcount]

    def get(self, example_id: int) -> Example:
        """One example.

        RAISES (KeyError): If there is none with this id.
        """
        query = "SELECT example_id, tier, annotation FROM examples WHERE example_id = ?"
        with self._lock:
            row = self._reading().execute(query, (int(example_id),)).fetchone()
        if row is None:
            raise KeyError(example_id)
        return _example(row)

    def ids(self, tier: str) -> list[int]:
        """The ids of a tier's examples, ascending.

        tier (str): `"store"` or `"corrections"`.
        """
        query = "SELECT example_id FROM examples WHERE tier = ? ORDER BY example_id"
        with self._lock:
            return [row[0] for row in self._reading().execute(query, (tier,))]

    def __iter__(self) -> Iterator[Example]:
        """Every example, by ascending id."""
        query = (
            "SELECT example_id, tier, annotation FROM examples "
            "WHERE example_id > ? ORDER BY example_id LIMIT 256"
        )
        last = 0
        while True:
            with self._lock:
                rows = self._reading().execute(query, (last,)).fetchall()
            if not rows:
                return
            yield from map(_example, rows)
            last = rows[-1][0]

    def copy(self, tier: str) -> "ExampleStore":
        """A copy with the examples of one tier; its ids go on from this one's.

        tier (str): `"store"` or `"corrections"`.
        """
        copy = ExampleStore()
        with self._lock:
            copy._copy_from(self._reading())
        with copy._db as db:
            db.execute("DELETE FROM examples WHERE tier != ?", (tier,))
        return copy

    # --- saving ------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write a new file that holds what is there, and nothing forgotten.

        path (Path): Must not exist.
        """
        with self._lock:
            self._reading().execute("VACUUM INTO ?", (str(path),))

    def to_bytes(self) -> bytes:
        """The file that `save` would write."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "examples.sqlite"
            self.save(path)
            return path.read_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ExampleStore":
        """A store of its own with these contents."""
        store = cls()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "examples.sqlite"
            path.write_bytes(data)
            with closing(sqlite3.connect(path)) as saved:
                store._copy_from(saved)
        return store

    def __getstate__(self) -> dict[str, Any]:
        if self._is_there():
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


def _dump(text: LabelledText) -> str:
    annotation = {
        "words": text.words,
        "spaces": "".join("01"[space] for space in text.spaces),
        "entities": text.entities,
        "missing": text.missing,
        "sentence_starts": text.sentence_starts,
        "document": text.document,
    }
    return json.dumps(annotation, ensure_ascii=False)


def _example(row: tuple[int, str, str]) -> Example:
    annotation = json.loads(row[2])
    labelled = LabelledText(
        words=annotation["words"],
        spaces=[space == "1" for space in annotation["spaces"]],
        entities=[(start, end, label) for start, end, label in annotation["entities"]],
        missing=annotation["missing"],
        sentence_starts=annotation["sentence_starts"],
        document=annotation.get("document"),  # not in the first files
    )
    return Example(row[0], row[1], labelled)
