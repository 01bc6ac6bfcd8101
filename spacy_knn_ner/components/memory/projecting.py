"""Projecting: keys as an encoder makes them → keys in a contrastive projection."""

import numpy as np

from ...datastore.datastore import Datastore
from ...datastore.entries import EntryTable
from ...ml.projection import fit_projection, project
from ...reading.encoder import KeyEncoder

# Keys that a projection is fitted to, in entities and outside, at most.
_MOST = 100_000
# Keys projected at once.
_AT_ONCE = 65_536


def projected(datastore: Datastore, encoder: KeyEncoder) -> Datastore:
    """Fit a projection to the store's keys and tags, and project all keys.

    datastore (Datastore): With the keys as the encoder makes them.
    encoder (KeyEncoder): With `keys.projection` in its settings.
    RETURNS (Datastore): With the same examples, and the projection; the same one, if
        there is nothing in its store.
    RAISES (KnnNerError): If no two entries of the store have the same tag.
    """
    store, width = datastore.store, encoder.settings.projection
    if not len(store) or width is None:
        return datastore
    tags = store.tags.array().astype(np.int64)
    rows = _sample(tags)
    keys = store.keys.take(rows).astype(np.float32)
    projection = fit_projection(keys, tags[rows], width=width)
    datastore.projection = projection
    datastore.fingerprint = encoder.with_projection(projection).fingerprint()
    datastore.store = _projected(store, projection)
    datastore.corrections = _projected(datastore.corrections, projection)
    return datastore


def _sample(tags: np.ndarray) -> np.ndarray:
    """Rows to fit to, in order."""
    rng = np.random.default_rng(0)
    parts = [np.flatnonzero(tags != 0), np.flatnonzero(tags == 0)]
    chosen = [
        rows if len(rows) <= _MOST else rng.choice(rows, _MOST, replace=False)
        for rows in parts
    ]
    return np.sort(np.concatenate(chosen))


def _projected(table: EntryTable, projection: np.ndarray) -> EntryTable:
    new = EntryTable(dtype=table.dtype)
    new.index_factory = table.index_factory
    entries, tags = table.entries.array(), table.tags.array()
    for start in range(0, table.n_rows, _AT_ONCE):
        part = slice(start, min(start + _AT_ONCE, table.n_rows))
        new.add(
            project(table.keys.part(part.start, part.stop), projection),
            entries["example_id"][part],
            entries["token"][part],
            tags[part],
        )
    return new
