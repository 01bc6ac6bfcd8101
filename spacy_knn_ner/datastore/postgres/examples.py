"""The annotated texts of a shared datastore."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...types import StoredExample
from ..examples.base import Examples
from ..examples.rows import digest, dump
from ..examples.sqlite import ExampleStore
from .server import Server

if TYPE_CHECKING:
    from .home import PostgresHome


class PostgresExamples(Examples):
    """Annotated texts by id, in PostgreSQL."""

    find = "strpos"

    def __init__(self, server: Server, home: "PostgresHome") -> None:
        """server (Server): The connection.
        home (PostgresHome): Its transactions.
        """
        self._server, self._home = server, home

    @contextmanager
    def reading(self) -> Iterator["_Statements"]:
        """See `Examples.reading`."""
        with self._server.coded():
            yield _Statements(self._server.db)

    @contextmanager
    def changing(self) -> Iterator["_Statements"]:
        """See `Examples.changing`."""
        with self.transaction(), self._server.coded():
            yield _Statements(self._server.db)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Examples.transaction`: that of the datastore, which has begun."""
        assert self._home.is_changing
        yield

    def copy(self, parts: Collection[str]) -> ExampleStore:
        """See `Examples.copy`: a copy in SQLite."""
        copy = ExampleStore()
        copy.fill((e for e in self if e.part in parts), self.last_id)
        return copy

    @property
    def last_id(self) -> int:
        """See `Examples.last_id`."""
        query = "SELECT last_value, is_called FROM examples_example_id_seq"
        with self.reading() as db:
            last, is_called = db.execute(query).fetchone()
        return last if is_called else 0

    def fill(self, examples: Iterable[StoredExample], last_id: int) -> None:
        """See `Examples.fill`."""
        columns = "example_id, part, text, annotation, source, words"
        with (
            self.changing() as db,
            db.copy(f"COPY examples ({columns}) FROM STDIN") as copy,
        ):
            for example in examples:
                text, source = example.annotated, example.source
                values = example.example_id, example.part, text.text, dump(text)
                copy.write_row([*map(_storable, (*values, source, digest(text)))])
        with self.changing() as db:
            last = max(last_id, self.last_id)  # no id is used again
            sequence = "examples_example_id_seq", max(1, last), last > 0
            db.execute("SELECT setval(?, ?, ?)", sequence)


class _Statements:
    """A connection that takes statements with `?` for values, as SQLite does."""

    def __init__(self, db: Any) -> None:
        self._db = db

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        stored = [*map(_storable, values)]
        return self._db.execute(statement.replace("?", "%s"), stored)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._db.cursor() as cursor:
            stored = ([*map(_storable, row)] for row in rows)
            cursor.executemany(statement.replace("?", "%s"), stored)

    def copy(self, statement: str) -> Any:
        return self._db.cursor().copy(statement)


def _storable(value: Any) -> Any:
    """A value without U+0000, which PostgreSQL's texts cannot have. Words are stored as
    JSON, where it is escaped; what is replaced is only searched in."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
