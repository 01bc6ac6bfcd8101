"""A datastore on disk (format 5) and as bytes.

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
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import srsly

from ...errors import Errors, KnnNerError
from ...folders import writing
from ...tags import TagSet
from ..entries import EntryTable
from ..examples.base import CORRECTIONS, STORE
from ..examples.sqlite import ExampleStore
from ..rows import ENTRY, TAG
from . import persistence, saved_index
from .key_file import map_keys, write_keys
from .manifest import Manifest, checked
from .migration import Loaded, load_format_3
from .persistence import Generation
from .saved_files import ENTRIES, INDEX, KEYS, LABELS, SavedFiles, SavedTable

if TYPE_CHECKING:
    from ..datastore import Datastore

_FIELD_LIMIT = 4 * 1024**3 - 1
_EXAMPLES, _PROJECTION = "examples.sqlite", "projection.npy"


def to_disk(datastore: "Datastore", folder: Path) -> None:
    """Save as the next generation; see `Datastore.to_disk`."""
    with writing(folder), ExitStack() as stack:
        for table in datastore.tables.values():
            stack.enter_context(table.lock)  # changes wait
        based_on = datastore.saved_as.get(folder)
        generation = stack.enter_context(
            persistence.next_generation(folder, based_on=based_on)
        )
        _write_examples(datastore, generation)
        if datastore.projection is not None:
            np.save(generation.path / _PROJECTION, datastore.projection)
        about, index = _about(datastore), {}
        if datastore.width is not None:
            index = {
                part: _write_table(table, generation, part, datastore.width)
                for part, table in datastore.tables.items()
            }
        files = generation.commit({**about, "index": index})
        assert generation.version is not None
        datastore.saved_as[folder] = generation.version
        _note_saved(datastore, files, index)


def _about(datastore: "Datastore") -> dict[str, Any]:
    return {
        "width": datastore.width,
        "dtype": datastore.dtype,
        "tag_scheme": datastore.tag_set.scheme,
        "labels": datastore.tag_set.labels,
        "fingerprint": datastore.fingerprint,
        "examples": len(datastore.examples),
        "entries": {part: len(table) for part, table in datastore.tables.items()},
    }


def _saved_examples(datastore: "Datastore") -> ExampleStore:
    assert isinstance(datastore.examples, ExampleStore)  # see `Datastore.local`
    return datastore.examples


def _write_examples(datastore: "Datastore", generation: Generation) -> None:
    files = datastore.files
    examples = _saved_examples(datastore)
    if files is not None and not examples.has_changed:
        if generation.carry(files, {_EXAMPLES: _EXAMPLES}):
            return
        files.verify([_EXAMPLES])
    examples.save(generation.path / _EXAMPLES)


def _write_table(
    table: EntryTable, generation: Generation, part: str, width: int
) -> dict[str, Any] | None:
    """Write the files of a table, or take them over if it has not changed. Returns what
    the manifest says of its index."""
    saved, prefix = table.rows.saved, generation.path / part
    state = None if saved is None else saved.index_state
    if saved is None or state is None or not _carry(generation, saved, saved.index):
        index = saved_index.save(table, prefix)
    else:
        index = saved_index.describe(table, state)
    has_index_file = Path(f"{prefix}.{INDEX}").exists()
    keys = f"{part}.{KEYS if has_index_file else INDEX}"
    if saved is None or not generation.carry(
        saved.files, {saved.keys: keys} | {name: name for name in saved.columns}
    ):
        keep = ~table.removed
        table.entries.save(Path(f"{prefix}.{ENTRIES}"), keep)
        table.tags.save(Path(f"{prefix}.{LABELS}"), keep)
        write_keys(generation.path / keys, table.keys, keep, width)
    return index


def _carry(generation: Generation, saved: SavedTable, names: list[str]) -> bool:
    return generation.carry(saved.files, {name: name for name in names})


def _note_saved(
    datastore: "Datastore", files: SavedFiles, index: dict[str, Any]
) -> None:
    """Remember which files are as the datastore is now."""
    if datastore.files is not None:
        files.before_use = datastore.files.before_use
    datastore.files = files
    _saved_examples(datastore).has_changed = False
    for part, table in datastore.tables.items():
        about = index.get(part)
        table.rows.saved = SavedTable(
            files, part, None if about is None else about["state"]
        )


def move(datastore: "Datastore", old: Path, new: Path) -> None:
    """Note that the folder it was saved to has another name."""
    datastore.saved_as[new] = datastore.saved_as.pop(old)
    if datastore.files is not None:
        datastore.files.path = new / datastore.files.path.name


def from_disk(datastore: "Datastore", folder: Path, *, verify: bool | None) -> None:
    """Load the current generation; see `Datastore.from_disk`."""
    while True:
        version = persistence.version(folder)
        try:
            loaded, files = _load(datastore, folder, verify)
        except KnnNerError:
            if persistence.version(folder) == version:
                raise
            continue  # another process has just replaced what was being read
        if version is not None and persistence.version(folder) == version:
            break
    _use(datastore, loaded)
    datastore.saved_as[folder] = version
    datastore.files = files


def _load(
    datastore: "Datastore", folder: Path, verify: bool | None
) -> tuple[Loaded, SavedFiles | None]:
    files, manifest = persistence.current(folder, verify=verify)
    factory = datastore.store.index_factory
    if manifest.format == 3:
        return load_format_3(files, manifest), None
    tables = {}
    for part, n in manifest.entries.items():
        table = EntryTable(dtype=manifest.dtype)
        if manifest.width is not None:
            table = _load_table(files, part, manifest, n)
            with files.reading(f"{part}.{LABELS}"):
                _check_tags(manifest, table)
            if part == STORE:
                table.index_factory = factory
            if manifest.index.get(part) is not None:
                with files.reading(f"{part}.{INDEX}"):
                    saved_index.load(table, files.path / part, manifest.index[part])
        tables[part] = table
    with files.reading(_EXAMPLES) as path:
        examples = ExampleStore(path)
        _check_count(files, _EXAMPLES, len(examples), manifest.examples)
    projection = None
    if _PROJECTION in files.records:
        with files.reading(_PROJECTION) as path:
            projection = np.load(path, allow_pickle=False)
    return Loaded(manifest, tables, examples, projection), files


def _load_table(files: SavedFiles, part: str, manifest: Manifest, n: int) -> EntryTable:
    assert manifest.width is not None
    saved = SavedTable(files, part)
    with files.reading(saved.keys) as path:
        keys = map_keys(path, manifest.dtype, n, manifest.width)
    # Copied where written to: what is removed here is not removed there.
    columns = []
    for name, dtype in zip(saved.columns, (ENTRY, TAG), strict=True):
        with files.reading(name) as path:
            column = np.load(path, mmap_mode="c", allow_pickle=False)
            if column.dtype != dtype or column.ndim != 1:
                raise ValueError(f"it has rows of {column.dtype}")
        _check_count(files, name, len(column), n)
        columns.append(column)
    table = EntryTable.of_arrays(keys, *columns)
    table.rows.saved = saved
    return table


def _check_tags(manifest: Manifest, table: EntryTable) -> None:
    """RAISES (ValueError): If entries have tags that the labels do not make."""
    n_tags = len(TagSet(manifest.tag_scheme, manifest.labels))
    largest = int(table.tags.array().max(initial=0))
    if largest >= n_tags:
        raise ValueError(f"it has tag {largest} of {n_tags}")


def _check_count(files: SavedFiles, name: str, found: int, expected: int) -> None:
    if found != expected:
        raise files.error(f"{name} has {found} rows instead of {expected}")


def _use(datastore: "Datastore", loaded: Loaded) -> None:
    about = loaded.manifest
    datastore.dtype = about.dtype
    datastore.tag_set = TagSet(about.tag_scheme, about.labels)
    datastore.fingerprint = about.fingerprint
    loaded.tables[STORE].index_factory = datastore.store.index_factory
    datastore.store = loaded.tables[STORE]
    datastore.corrections = loaded.tables[CORRECTIONS]
    datastore.examples, datastore.projection = loaded.examples, loaded.projection


def to_bytes(datastore: "Datastore") -> bytes:
    """Serialize everything; see `Datastore.to_bytes`."""
    msg: dict[str, Any] = {
        "about": _about(datastore),
        "examples": _saved_examples(datastore).to_bytes(),
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
    try:
        loaded = _read_bytes(datastore, data)
    except Exception as error:  # of msgpack, numpy, SQLite
        raise KnnNerError(Errors.E110, reason=error) from error
    _use(datastore, loaded)
    datastore.files = None


def _read_bytes(datastore: "Datastore", data: bytes) -> Loaded:
    msg = srsly.msgpack_loads(data)
    about = checked({**msg["about"], "index": {}, "files": {}, "generation": 1})
    tables = {}
    for part in datastore.tables:
        names = [f"{part}.{name}" for name in ("keys", "entries", "tags")]
        keys, entries, tags = (_array(msg[name]) for name in names)
        n, width = about.entries[part], about.width or 0
        if (keys.dtype, entries.dtype, tags.dtype) != (about.dtype, ENTRY, TAG):
            raise ValueError(f"the {part} has columns of other types")
        if (n and keys.shape[1] != width) or {*map(len, (keys, entries, tags))} != {n}:
            raise ValueError(f"the {part} has not {n} entries")
        tables[part] = EntryTable.of_arrays(keys, entries, tags)
        _check_tags(about, tables[part])
    examples = ExampleStore.from_bytes(msg["examples"])
    projection = _array(msg["projection"]) if "projection" in msg else None
    return Loaded(about, tables, examples, projection)


def _array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
