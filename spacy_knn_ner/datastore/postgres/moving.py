"""A datastore of this process → one on a server, and back."""

import numpy as np

from ...errors import Errors, KnnNerError
from ..datastore import Datastore
from ..entries import EntryTable
from ..examples.base import PARTS
from .index import EXACT
from .server import Server
from .shared import SharedHome

# Rows that are moved at once.
_CHUNK = 1 << 14


def connect(server: Server, index: str = EXACT) -> Datastore:
    """Use the datastore on a server.

    server (Server): The connection.
    index (str): Of the store, `"exact"` (default) or `"hnsw"`.
    RETURNS (Datastore): Changes of it are made on the server; those of other processes
        are seen.
    RAISES (KnnNerError): If there is none, or the server is away.
    """
    datastore = attached(server, index)
    with datastore.home.reading(datastore):
        return datastore


def attached(server: Server, index: str = EXACT, *, creates: bool = False) -> Datastore:
    """Use the datastore on a server, once it is there.

    server (Server), index (str): As for `connect`.
    creates (bool): Make an empty one where there is none. Default: False.
    RETURNS (Datastore): As from `connect`; empty until it is read.
    """
    datastore = Datastore()
    SharedHome(server, index, creates=creates).attach(datastore)
    return datastore


def publish(
    datastore: Datastore,
    server: Server,
    old: Datastore | None = None,
    index: str = EXACT,
) -> Datastore:
    """Put a datastore on a server, in place of what it has under this name: all or
    nothing. Processes that use it see the new one.

    datastore (Datastore): Is not changed.
    server (Server): The connection.
    old (Datastore | None): What it was made from.
    index (str): As for `connect`.
    RETURNS (Datastore): That on the server.
    RAISES (KnnNerError): If another process has changed the old one meanwhile.
    """
    shared = attached(server, index, creates=True)
    home = shared.home
    assert isinstance(home, SharedHome)
    before = None if old is None else old.home
    with shared.transaction():
        if isinstance(before, SharedHome) and before.version not in (0, home.version):
            raise KnnNerError(Errors.E052, name=server.name)
        home.saved_index = None
        shared.examples.clear()
        last_id = datastore.examples.last_id
        shared.examples.fill(datastore.examples, last_id)
        for table in shared.tables.values():
            table.start_empty(datastore.dtype)
        shared.dtype, shared.tag_set = datastore.dtype, datastore.tag_set
        shared.fingerprint = datastore.fingerprint
        shared.projection = datastore.projection
        for part, table in datastore.tables.items():
            _copy_rows(table, shared.tables[part])
    return shared


def local_copy(shared: Datastore) -> Datastore:
    """Copy a datastore from a server.

    shared (Datastore): Is not changed.
    RETURNS (Datastore): With the same examples and entries.
    """
    with shared.home.reading(shared):
        copy = shared.copy_examples(
            PARTS,
            dtype=shared.dtype,
            scheme=shared.tag_set.scheme,
            fingerprint=shared.fingerprint,
        )
        copy.tag_set, copy.projection = shared.tag_set, shared.projection
        for part, table in shared.tables.items():
            _copy_rows(table, copy.tables[part])
    return copy


def _copy_rows(source: EntryTable, target: EntryTable) -> None:
    """Append the rows of a table that are not removed to an empty one."""
    if source.width is None:
        return
    target.start_with(source.width)
    keep = np.flatnonzero(~source.removed)
    for start in range(0, len(keep), _CHUNK):
        rows = keep[start : start + _CHUNK]
        columns = source.entries.take(rows), source.tags.take(rows)
        target.rows.append(source.keys.take(rows), *columns)
