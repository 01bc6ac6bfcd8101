"""Annotated texts by id, in any database that knows SQL."""

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

from spacy.util import minibatch

from ...types import AnnotatedText, StoredExample
from .rows import digest, dump, load_example

STORE, CORRECTIONS = PARTS = ("store", "corrections")

_AT_ONCE = 256  # examples that are read
_COLUMNS = "example_id, part, annotation, source"


class Examples(ABC):
    """Annotated texts by id: read one at a time, written in batches.

    Statements are SQL with `?` for values.

    find (str): The SQL function that finds a text in another one, counting from 1.
    """

    find = "instr"

    @abstractmethod
    def reading(self) -> AbstractContextManager[Any]:
        """Open the database for queries.

        YIELDS (Any): What has `execute(statement, values)`, which returns a cursor.
        RAISES (KnnNerError): If the database cannot be read.
        """

    @abstractmethod
    def changing(self) -> AbstractContextManager[Any]:
        """Open the database for changes: all or none; also within a transaction.

        YIELDS (Any): As from `reading`; and `executemany`.
        RAISES (KnnNerError): If the database cannot be changed.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """Change examples all or not at all; also within each other."""

    @property
    @abstractmethod
    def last_id(self) -> int:
        """The last id that was given; 0 if none was."""

    @abstractmethod
    def fill(self, examples: Iterable[StoredExample], last_id: int) -> None:
        """Store examples with their ids, where there are none.

        examples (Iterable[StoredExample]): By ascending id.
        last_id (int): The next one follows this id.
        """

    @abstractmethod
    def copy(self, parts: Collection[str]) -> "Examples":
        """Copy the examples of some parts; new ids follow this one's.

        parts (Collection[str]): Of `"store"` and `"corrections"`.
        """

    def __len__(self) -> int:
        with self.reading() as db:
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
            "VALUES (?, ?, ?, ?, ?) RETURNING example_id"
        )
        with self.changing() as db:
            rows = (
                (part, text.text, dump(text), source, digest(text)) for text in texts
            )
            return [db.execute(statement, row).fetchone()[0] for row in rows]

    def restore(self, example: StoredExample) -> None:
        """Store an example that was forgotten or revised, as it was."""
        text = example.annotated
        statement = (
            f"INSERT INTO examples ({_COLUMNS}, text, words) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (example_id) DO UPDATE SET "
            "part = excluded.part, annotation = excluded.annotation, "
            "source = excluded.source"
        )
        row = example.example_id, example.part, dump(text), example.source
        with self.changing() as db:
            db.execute(statement, (*row, text.text, digest(text)))

    def forget(self, example_ids: Iterable[int]) -> list[int]:
        """Delete examples.

        example_ids (Iterable[int]): Unknown ones are passed over.
        RETURNS (list[int]): Those that were there.
        """
        statement = "DELETE FROM examples WHERE example_id = ?"
        with self.changing() as db:
            return [i for i in example_ids if db.execute(statement, (i,)).rowcount]

    def clear(self) -> None:
        """Delete all examples. Their ids are not used again."""
        with self.changing() as db:
            db.execute("DELETE FROM examples")

    def present(self, example_ids: Iterable[int]) -> list[int]:
        """Select the examples that there are.

        example_ids (Iterable[int]): Perhaps unknown.
        """
        query = "SELECT 1 FROM examples WHERE example_id = ?"
        with self.reading() as db:
            return [i for i in example_ids if db.execute(query, (int(i),)).fetchone()]

    def get(self, example_id: int) -> StoredExample:
        """Get one example.

        RAISES (KeyError): If there is none with this id.
        """
        query = f"SELECT {_COLUMNS} FROM examples WHERE example_id = ?"
        with self.reading() as db:
            row = db.execute(query, (int(example_id),)).fetchone()
            if row is not None:
                return load_example(row)
        raise KeyError(example_id)

    def each(self, example_ids: Iterable[int]) -> Iterator[StoredExample | None]:
        """Get examples, some hundred at once.

        example_ids (Iterable[int]): Perhaps unknown.
        YIELDS (StoredExample | None): Each example, in order; None where there is none.
        """
        for ids in minibatch(example_ids, _AT_ONCE):
            marks = ", ".join("?" * len(ids))
            query = f"SELECT {_COLUMNS} FROM examples WHERE example_id IN ({marks})"
            with self.reading() as db:
                rows = [*map(load_example, db.execute(query, ids))]
            found = {example.example_id: example for example in rows}
            yield from map(found.get, ids)

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
            "SELECT example_id FROM examples WHERE part = coalesce(?, part) "
            "AND (CAST(? AS TEXT) IS NULL OR source = ?) "
            f"AND (CAST(? AS TEXT) IS NULL OR {self.find}(text, ?) > 0) "
            "ORDER BY example_id"
        )
        values = (part, source, source, contains, contains)
        with self.reading() as db:
            return [row[0] for row in db.execute(query, values)]

    def has_label(self, label: str) -> bool:
        """Check whether any example has an entity with this label."""
        with closing(self._with_label(label)) as found:
            return any(True for _ in found)

    def _with_label(self, label: str) -> Generator[StoredExample]:
        query = (
            f"SELECT {_COLUMNS} FROM examples "
            f"WHERE {self.find}(annotation, ?) > 0 ORDER BY example_id"
        )
        part = json.dumps(label, ensure_ascii=False)  # may be a word, too
        with self.reading() as db:
            for row in db.execute(query, (part,)):
                example = load_example(row)
                if any(label == given for *_, given in example.annotated.entities):
                    yield example

    def corrections_of(self, text: AnnotatedText) -> list[StoredExample]:
        """List the corrections with the same words, by ascending id."""
        query = (
            f"SELECT {_COLUMNS} FROM examples "
            "WHERE part = 'corrections' AND words = ? ORDER BY example_id"
        )
        with self.reading() as db:
            found = map(load_example, db.execute(query, (digest(text),)))
            return [e for e in found if e.annotated.words == text.words]

    def replace(self, example_id: int, text: AnnotatedText) -> None:
        """Replace the annotation of an example."""
        statement = "UPDATE examples SET annotation = ? WHERE example_id = ?"
        with self.changing() as db:
            db.execute(statement, (dump(text), example_id))

    def move(self, example_ids: Iterable[int], part: str) -> None:
        """Move examples to a part.

        example_ids (Iterable[int]): The examples.
        part (str): `"store"` or `"corrections"`.
        """
        statement = "UPDATE examples SET part = ? WHERE example_id = ?"
        with self.changing() as db:
            db.executemany(statement, ((part, i) for i in example_ids))

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label in all examples.

        RETURNS (int): How many examples have it.
        """
        changed = []
        for example in self._with_label(old_label):
            entities = [
                (start, end, new_label if label == old_label else label)
                for start, end, label in example.annotated.entities
            ]
            new = replace(example.annotated, entities=entities)
            changed.append((dump(new), example.example_id))
        statement = "UPDATE examples SET annotation = ? WHERE example_id = ?"
        with self.changing() as db:
            db.executemany(statement, changed)
        return len(changed)

    def __iter__(self) -> Iterator[StoredExample]:
        """Yield every example, by ascending id."""
        query = (
            f"SELECT {_COLUMNS} FROM examples "
            f"WHERE example_id > ? ORDER BY example_id LIMIT {_AT_ONCE}"
        )
        last = 0
        while True:
            with self.reading() as db:
                found = [*map(load_example, db.execute(query, (last,)))]
            if not found:
                return
            yield from found
            last = found[-1].example_id
