"""Datastores of older formats.

Format 3 had keys, entries and tags in other files, and other column names. It is loaded
as it is; the next save writes the current format. An index is made again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from .entries import ENTRY, TAG, EntryTable
from .examples import ExampleStore


@dataclass(frozen=True)
class Loaded:
    """What was read from disk.

    manifest (dict[str, Any]): With the names of the current format.
    tables (dict[str, EntryTable]): By part.
    examples (ExampleStore): The examples.
    projection (ndarray | None): What keys were projected with.
    """

    manifest: dict[str, Any]
    tables: dict[str, EntryTable]
    examples: ExampleStore
    projection: np.ndarray | None = None


def load_format_3(generation: Path, manifest: dict[str, Any]) -> Loaded:
    """Read a datastore of format 3.

    generation (Path): The folder of its files.
    manifest (dict[str, Any]): As read.
    RETURNS (Loaded): With the manifest in the names of the current format.
    RAISES (KnnNerError): If it is damaged.
    """
    tables = {}
    for part, n in manifest["entries"].items():
        table = EntryTable(dtype=manifest["dtype"])
        if manifest["width"] is not None:
            table = _load_table(generation / part, n, manifest["width"])
        tables[part] = table
    examples = ExampleStore.from_format_3(generation / "examples.sqlite")
    renamed = {**manifest, "fingerprint": _fingerprint(manifest["encoder"])}
    return Loaded(renamed, tables, examples)


def _fingerprint(encoder: dict[str, Any] | None) -> dict[str, Any] | None:
    """A fingerprint with today's names. It lacks the config, which is not compared."""
    if encoder is None:
        return None
    names = {"component": "encoder", "sha256": "weights"}
    return {names.get(name, name): value for name, value in encoder.items()}


def _load_table(prefix: Path, n: int, width: int) -> EntryTable:
    keys = np.load(f"{prefix}.keys.npy", mmap_mode="r", allow_pickle=False)
    saved = np.load(f"{prefix}.entries.npy", mmap_mode="r", allow_pickle=False)
    if keys.shape != (n, width) or saved.shape != (n,):
        reason = f"{prefix.name} has {keys.shape} keys instead of {(n, width)}"
        raise KnnNerError(Errors.E032, path=prefix.parent.parent, reason=reason)
    entries = np.zeros(n, dtype=ENTRY)
    for name in ENTRY.names or ():
        entries[name] = saved[name]
    return EntryTable.of_arrays(keys, entries, saved["tag"].astype(TAG))
