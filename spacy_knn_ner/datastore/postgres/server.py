"""A connection to a PostgreSQL server with pgvector."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ...errors import Errors, KnnNerError
from ...ml.extras import require

# Connections of the parent process: closing them in a fork would end them there too.
_INHERITED: list[Any] = []
# Seconds after a connection that failed until the next one is tried.
_PAUSE = 0.5
# So that a server that does not answer is noticed: seconds, and milliseconds.
_DEFAULTS: dict[str, Any] = {
    "application_name": "knn_ner",
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
}


class Server:
    """A connection to the schema of a datastore, made when it is used: also again after
    a fork, in a copy, or after it was lost.

    url (str): Without user or password: libpq reads those from PGUSER, PGPASSWORD, a
        password file or a service file.
    name (str): The datastore's name, which is its schema.
    """

    def __init__(self, url: str, name: str) -> None:
        """url (str), name (str): See above.
        RAISES (KnnNerError): If the URL cannot be used, or has a password.
        """
        for package in ("psycopg", "pgvector"):
            require(package, "A store in PostgreSQL", "postgres")
        from psycopg import ProgrammingError, sql
        from psycopg.conninfo import conninfo_to_dict

        try:
            given = conninfo_to_dict(url)
        except ProgrammingError as error:
            raise KnnNerError(Errors.E118, reason=error) from None
        if {"password", "sslpassword"} & {*given}:
            raise KnnNerError(Errors.E119)
        self.url, self.name, self.schema = url, name, sql.Identifier(name)
        self._db: Any = None
        self._pid, self._given = os.getpid(), given
        self._failed_at, self._reason = -_PAUSE, ""

    def __str__(self) -> str:
        return f"{self.url} ({self.name})"

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection of this process."""
        has = self._db is not None and not self._db.closed
        return has and self._pid == os.getpid()

    @property
    def db(self) -> Any:
        """The connection (psycopg.Connection), in autocommit mode.

        RAISES (KnnNerError): If there is no server, or no pgvector.
        """
        if self._pid != os.getpid():
            _INHERITED.append(self._db)
            self._db, self._pid = None, os.getpid()
        if self._db is None or self._db.closed:
            if time.monotonic() - self._failed_at < _PAUSE:
                raise KnnNerError(Errors.E118, reason=self._reason)
            with self.coded():
                self._db = self._connect()
        return self._db

    def _connect(self) -> Any:
        import psycopg
        from pgvector.psycopg import register_vector
        from psycopg import sql
        from psycopg.conninfo import make_conninfo

        try:
            db = psycopg.connect(
                make_conninfo(**{**_DEFAULTS, **self._given}), autocommit=True
            )
        except psycopg.Error as error:
            self._failed_at, self._reason = (
                time.monotonic(),
                " ".join(str(error).split()),
            )
            raise
        path = sql.SQL("SET search_path TO {}, {}")
        db.execute(path.format(self.schema, sql.Identifier(_schema_of_pgvector(db))))
        register_vector(db)
        return db

    @contextmanager
    def another(self) -> Iterator[Any]:
        """Open a second connection, for what takes long.

        YIELDS (psycopg.Connection): In autocommit mode.
        """
        with self.coded():
            db = self._connect()
            try:
                yield db
            finally:
                db.close()

    @contextmanager
    def coded(self) -> Iterator[None]:
        """Make what PostgreSQL raises an error that says what to do. A connection that
        is lost is made again the next time.

        RAISES (KnnNerError): In place of a psycopg.Error.
        """
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            is_lost = isinstance(
                error, psycopg.OperationalError | psycopg.InterfaceError
            )
            is_lost = is_lost and not self.is_connected
            text = Errors.E118 if is_lost else Errors.E122
            raise KnnNerError(text, reason=reason) from error

    def close(self) -> None:
        """Close the connection."""
        if self._db is not None and self._pid == os.getpid():
            self._db.close()
        self._db = None

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "name": self.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


_SCHEMA = (
    "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
    "WHERE extname = 'vector'"
)


def _schema_of_pgvector(db: Any) -> str:
    """Where its types are; it is installed in the database if it is not."""
    import psycopg

    found = db.execute(_SCHEMA).fetchone()
    if found is None:
        # Another process may do the same.
        with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateObject):
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        found = db.execute(_SCHEMA).fetchone()
    return found[0]
