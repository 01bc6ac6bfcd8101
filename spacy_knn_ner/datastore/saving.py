"""A datastore on disk (format 4) and as bytes.

    store.index.faiss      the FAISS index; of exhaustive search the keys themselves
    store.keys.faiss       the keys, where the index holds something else
    store.labels.npy       the tag id of each entry
    store.entries.npy      example, token and weight of each entry
    store.*.npy            more of the index, such as projections
    corrections.*          the same of the corrections
    projection.npy         what keys were projected with, if they were
    examples.sqlite        the annotated texts

Every file named `*.faiss` is readable by `faiss.read_index`, with one vector per entry.
"""

import io
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import srsly

from ..errors import Errors, KnnNerError
from ..tags import TagSet
from . import persistence
from .entries import ENTRY, TAG, EntryTable
from .examples import CORRECTIONS, STORE, ExampleStore
from .key_file import map_keys, write_keys
from .migration import Loaded, load_format_3

if TYPE_CHECKING:
    from .datastore import Datastore

_FIELD_LIMIT = 4 * 1024**3 - 1
_INDEX, _KEYS, _PROJECTION = "index.faiss", "keys.faiss", "projection.npy"


def to_disk(datastore: "Datastore", folder: Path) -> None:
    """Save as the next generation; see `Datastore.to_disk`."""
    with ExitStack() as stack:
        for table in datastore.tables.values():
            stack.enter_context(table.lock)  # changes wait
        based_on = datastore.saved_as.get(folder)
        generation = stack.enter_context(
            persistence.next_generation(folder, based_on=based_on)
        )
        datastore.examples.save(generation.path / "examples.sqlite")
        if datastore.projection is not None:
            np.save(generation.path / _PROJECTION, datastore.projection)
        about = _about(datastore)
        if datastore.width is not None:
            about["index"] = {
                part: _write_table(table, generation.path / part, datastore.width)
                for part, table in datastore.tables.items()
            }
        generation.commit(about)
    assert generation.version is not None
    datastore.saved_as[folder] = generation.version


def _about(datastore: "Datastore") -> dict[str, Any]:
    return {
        "width": datastore.width,
        "dtype": datastore.dtype,
        "tag_scheme": datastore.tag_set.scheme,
        "labels": list(datastore.tag_set.labels),
        "fingerprint": datastore.fingerprint,
        "examples": len(datastore.examples),
        "entries": {part: len(table) for part, table in datastore.tables.items()},
    }


def _write_table(table: EntryTable, prefix: Path, width: int) -> dict[str, Any] | None:
    """Write the files of a table. Returns what the manifest says of its index."""
    keep = ~table.removed
    table.entries.save(Path(f"{prefix}.entries.npy"), keep)
    table.tags.save(Path(f"{prefix}.labels.npy"), keep)
    index = table.save_index(prefix)
    path = Path(f"{prefix}.{_INDEX}")
    if path.exists():
        path = Path(f"{prefix}.{_KEYS}")
    write_keys(path, table.keys, keep, width)
    return index


def from_disk(datastore: "Datastore", folder: Path, *, check: bool) -> None:
    """Load the current generation; see `Datastore.from_disk`."""
    while True:
        version = persistence.version(folder)
        try:
            loaded = _load(datastore, folder, check)
        except (KnnNerError, OSError, sqlite3.Error):
            if persistence.version(folder) == version:
                raise
            continue  # another process has just replaced what was being read
        if version is not None and persistence.version(folder) == version:
            break
    _use(datastore, loaded)
    datastore.saved_as[folder] = version


def _load(datastore: "Datastore", folder: Path, check: bool) -> Loaded:
    generation, manifest = persistence.current(folder, check=check)
    factory = datastore.store.index_factory
    if manifest["format"] == 3:
        return load_format_3(generation, manifest)
    tables = {}
    for part, n in manifest["entries"].items():
        table = EntryTable(dtype=manifest["dtype"])
        if manifest["width"] is not None:
            table = _load_table(generation / part, manifest, n)
            if part == STORE:
                table.index_factory = factory
            index = manifest["index"][part]
            if index is not None:
                table.load_index(generation / part, index)
        tables[part] = table
    path = generation / _PROJECTION
    projection = np.load(path, allow_pickle=False) if path.exists() else None
    examples = ExampleStore(generation / "examples.sqlite")
    return Loaded(manifest, tables, examples, projection)


def _load_table(prefix: Path, manifest: dict[str, Any], n: int) -> EntryTable:
    folder, width = prefix.parent.parent, manifest["width"]
    path = Path(f"{prefix}.{_KEYS}")
    if not path.exists():
        path = Path(f"{prefix}.{_INDEX}")
    try:
        keys = map_keys(path, manifest["dtype"], n, width)
    except ValueError as error:
        reason = f"{path.name}: {error}"
        raise KnnNerError(Errors.E032, path=folder, reason=reason) from error
    # Copied where written to: what is removed here is not removed there.
    columns = {
        name: np.load(f"{prefix}.{name}.npy", mmap_mode="c", allow_pickle=False)
        for name in ("entries", "labels")
    }
    for name, dtype in (("entries", ENTRY), ("labels", TAG)):
        column = columns[name]
        if column.shape != (n,) or column.dtype != dtype:
            reason = f"{prefix.name}.{name}.npy has {column.shape} rows instead of {n}"
            raise KnnNerError(Errors.E032, path=folder, reason=reason)
    return EntryTable.of_arrays(keys, columns["entries"], columns["labels"])


def _use(datastore: "Datastore", loaded: Loaded) -> None:
    about = loaded.manifest
    datastore.dtype = about["dtype"]
    datastore.tag_set = TagSet(about["tag_scheme"], tuple(about["labels"]))
    datastore.fingerprint = about["fingerprint"]
    loaded.tables[STORE].index_factory = datastore.store.index_factory
    datastore.store = loaded.tables[STORE]
    datastore.corrections = loaded.tables[CORRECTIONS]
    datastore.examples, datastore.projection = loaded.examples, loaded.projection


def to_bytes(datastore: "Datastore") -> bytes:
    """Serialize everything; see `Datastore.to_bytes`."""
    msg: dict[str, Any] = {
        "about": _about(datastore),
        "examples": datastore.examples.to_bytes(),
    }
    if datastore.projection is not None:
        msg["projection"] = _npy(datastore.projection)
    for part, table in datastore.tables.items():
        keep = ~table.removed
        for name in ("keys", "entries", "tags"):
            msg[f"{part}.{name}"] = _npy(getattr(table, name).array()[keep])
    size = sum(len(value) for value in msg.values() if isinstance(value, bytes))
    if size > _FIELD_LIMIT:
        raise KnnNerError(Errors.E036, size=size)
    return srsly.msgpack_dumps(msg)


def from_bytes(datastore: "Datastore", data: bytes) -> None:
    """Load from `to_bytes`; see `Datastore.from_bytes`."""
    msg = srsly.msgpack_loads(data)
    tables = {}
    for part in datastore.tables:
        names = [f"{part}.{name}" for name in ("keys", "entries", "tags")]
        columns = [_array(msg[name]) for name in names]
        tables[part] = EntryTable.of_arrays(*columns)
    examples = ExampleStore.from_bytes(msg["examples"])
    projection = _array(msg["projection"]) if "projection" in msg else None
    _use(datastore, Loaded(msg["about"], tables, examples, projection))


def _array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
