"""Datastores of older formats.

Format 3 had keys, entries and tags in other files, and other column names. It is loaded
as it is; the next save writes the current format. An index is made again.
"""

from dataclasses import dataclass

import numpy as np

from ..entries import EntryTable
from ..examples.sqlite import ExampleStore
from ..rows import ENTRY, TAG
from .manifest import Manifest
from .saved_files import SavedFiles


@dataclass(frozen=True)
class Loaded:
    """What was read from disk.

    manifest (Manifest): What it is.
    tables (dict[str, EntryTable]): By part.
    examples (ExampleStore): The examples.
    projection (ndarray | None): What keys were projected with.
    """

    manifest: Manifest
    tables: dict[str, EntryTable]
    examples: ExampleStore
    projection: np.ndarray | None = None


def load_format_3(files: SavedFiles, manifest: Manifest) -> Loaded:
    """Read a datastore of format 3.

    files (SavedFiles): Of its generation.
    manifest (Manifest): With the names of the current format.
    RETURNS (Loaded): The datastore.
    RAISES (KnnNerError): If it is damaged.
    """
    tables = {}
    for part, n in manifest.entries.items():
        table = EntryTable(dtype=manifest.dtype)
        if manifest.width is not None:
            table = _load_table(files, part, n, manifest.width)
        tables[part] = table
    with files.reading("examples.sqlite") as path:
        examples = ExampleStore.from_format_3(path)
    return Loaded(manifest, tables, examples)


def _load_table(files: SavedFiles, part: str, n: int, width: int) -> EntryTable:
    with files.reading(f"{part}.keys.npy") as path:
        keys = np.load(path, mmap_mode="r", allow_pickle=False)
    with files.reading(f"{part}.entries.npy") as path:
        saved = np.load(path, mmap_mode="r", allow_pickle=False)
        entries = np.zeros(n, dtype=ENTRY)
        for name in ENTRY.names or ():
            entries[name] = saved[name]
        tags = saved["tag"].astype(TAG)
    if keys.shape != (n, width) or len(tags) != n:
        raise files.error(f"{part} has {keys.shape} keys instead of {(n, width)}")
    return EntryTable.of_arrays(keys, entries, tags)
