"""Annotated texts ⇄ what SQLite keeps of them."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import Errors, KnnNerError
from ...types import AnnotatedText, StoredExample

# AUTOINCREMENT: an id is not used again after its example was forgotten.
SCHEMA = """
CREATE TABLE IF NOT EXISTS examples (
    example_id INTEGER PRIMARY KEY AUTOINCREMENT,
    part TEXT NOT NULL,
    text TEXT NOT NULL,
    annotation TEXT NOT NULL,
    source TEXT,
    words TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS corrections_by_words ON examples (words)
    WHERE part = 'corrections';
"""
_COLUMNS = ("example_id", "part", "text", "annotation", "source", "words")
_OBJECTS = {"examples", "sqlite_sequence", "corrections_by_words"}
# What a row that was damaged, or written by something else, causes.
_UNREADABLE = (sqlite3.Error, KeyError, TypeError, ValueError, RecursionError)


def check_schema(db: sqlite3.Connection, *, part: str = "part") -> None:
    """Refuse a database with other tables, or with views or triggers, which could run
    whenever an example is added.

    db (sqlite3.Connection): With PRAGMA trusted_schema = OFF afterwards.
    part (str): The name of that column.
    RAISES (ValueError): If there is something else in it.
    """
    db.execute("PRAGMA trusted_schema = OFF")
    found = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    columns = [row[1] for row in db.execute("PRAGMA table_xinfo(examples)")]
    expected = [part if name == "part" else name for name in _COLUMNS]
    if not {"examples"} <= found <= _OBJECTS or columns != expected:
        raise ValueError(f"it has {', '.join(sorted(found) + columns) or 'no table'}")


@contextmanager
def coded() -> Iterator[None]:
    """Make what SQLite or a row raises an error that says what to do.

    RAISES (KnnNerError): In place of those.
    """
    try:
        yield
    except KnnNerError:
        raise
    except _UNREADABLE as error:
        raise KnnNerError(Errors.E111, reason=error) from error


def digest(text: AnnotatedText) -> str:
    """Compute a digest of the words; where spaces are does not matter.

    text (AnnotatedText): The text.
    """
    words = json.dumps(text.words).encode()
    return hashlib.blake2b(words, digest_size=8).hexdigest()


def dump(text: AnnotatedText) -> str:
    """Serialize an annotated text as JSON.

    text (AnnotatedText): The text.
    """
    annotation: dict[str, Any] = {
        "words": text.words,
        "spaces": "".join("01"[space] for space in text.spaces),
        "entities": text.entities,
        "missing": text.missing,
        "sentence_starts": text.sentence_starts,
        "document": text.document,
    }
    if text.contexts is not None:
        annotation["contexts"] = text.contexts
    return json.dumps(annotation, ensure_ascii=False)


def load_example(row: tuple[int, str, str, str | None]) -> StoredExample:
    """Load an example.

    row (tuple): Its id, its part, what `dump` made of its text, and its source.
    """
    annotation = json.loads(row[2])
    annotated = AnnotatedText(
        words=annotation["words"],
        spaces=[space == "1" for space in annotation["spaces"]],
        entities=[(start, end, label) for start, end, label in annotation["entities"]],
        missing=annotation["missing"],
        sentence_starts=annotation["sentence_starts"],
        document=annotation.get("document"),  # not in the first files
        contexts=annotation.get("contexts"),
    )
    return StoredExample(row[0], row[1], annotated, row[3])
