"""A datastore of this process → one that is shared, and back."""

import numpy as np

from ...errors import Errors, KnnNerError
from ..datastore import Datastore
from ..entries import EntryTable
from ..examples.base import PARTS
from ..home import SharedHome

# Rows that are moved at once.
_CHUNK = 1 << 14


def opened(shared: Datastore) -> Datastore:
    """Read a shared datastore for the first time.

    shared (Datastore): Empty as yet.
    RAISES (KnnNerError): If there is none, or it is away.
    """
    with shared.home.reading(shared):
        return shared


def publish(
    datastore: Datastore, shared: Datastore, old: Datastore | None = None
) -> Datastore:
    """Put a datastore where others share it, in place of what is there: all or nothing.
    Processes that use it see the new one.

    datastore (Datastore): Is not changed.
    shared (Datastore): That which is there; perhaps empty.
    old (Datastore | None): What it was made from.
    RETURNS (Datastore): The shared one.
    RAISES (KnnNerError): If another process has changed the old one meanwhile.
    """
    home = shared.home
    assert isinstance(home, SharedHome)
    before = None if old is None else old.home
    with shared.transaction():
        if isinstance(before, SharedHome) and before.version not in (0, home.version):
            raise KnnNerError(Errors.E052, name=home.name)
        home.saved_index = home.correction_radius = None
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
    """Copy a shared datastore into this process.

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
