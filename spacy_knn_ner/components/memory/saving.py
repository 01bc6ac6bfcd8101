"""The memory on disk and as bytes: its datastore, and beside it its calibration.

datastore/     see datastore/disk/saving.py
calibration    JSON, with a digest of itself
"""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import srsly
from spacy import util

from ...datastore.datastore import Datastore
from ...digest import read_json_object, signed_json, without_digest
from ...errors import Errors, KnnNerError
from ...folders import writing
from ...inference.confidence import Calibration
from . import sharing

if TYPE_CHECKING:
    from .memory import Memory

_PARTS = ("datastore", "calibration")


def to_disk(memory: "Memory", path: str | Path, exclude: Iterable[str]) -> None:
    """Save a memory.

    memory (Memory): With its datastore and calibration.
    path (str | Path): A folder.
    exclude (Iterable[str]): `"datastore"` or `"calibration"` to leave it out.
    RAISES (KnnNerError): If another process has saved there since it was loaded.
    """
    path, left_out = Path(path), _excluded(memory, exclude)
    with memory.lock, writing(path):
        path.mkdir(parents=True, exist_ok=True)
        draft = path / ".calibration.new"
        if "calibration" not in left_out:  # all that may not fit, before what counts
            _write(draft, signed_json(asdict(memory.calibration)))
        if "datastore" not in left_out:
            memory.datastore.to_disk(path / "datastore")
        if "calibration" not in left_out:
            draft.replace(path / "calibration")


def from_disk(
    memory: "Memory",
    path: str | Path,
    exclude: Iterable[str],
    verify: bool | None = None,
) -> None:
    """Load what `to_disk` saved.

    memory (Memory): Is filled.
    path (str | Path), exclude (Iterable[str]): As for `to_disk`.
    verify (bool | None): As for `Datastore.from_disk`.
    RAISES (KnnNerError): If it is missing or damaged.
    """
    path, calibration = Path(path), Calibration()
    datastore = memory.empty_datastore()
    if "datastore" not in _excluded(memory, exclude):
        datastore.from_disk(path / "datastore", verify=verify)
    if "calibration" not in exclude:
        file = path / "calibration"
        try:
            calibration = _read(file.read_text(encoding="utf8"))
        except (OSError, ValueError) as error:
            raise KnnNerError(Errors.E112, path=file, reason=error) from error
    _use(memory, datastore, calibration, exclude)


def to_bytes(memory: "Memory", exclude: Iterable[str]) -> bytes:
    """Serialize a memory.

    memory (Memory), exclude (Iterable[str]): As for `to_disk`.
    RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
    """
    with memory.lock:
        calibration = signed_json(asdict(memory.calibration)).encode()
        serializers = {
            "datastore": memory.datastore.to_bytes,
            "calibration": lambda: calibration,
        }
        return util.to_bytes(serializers, _excluded(memory, exclude))


def from_bytes(memory: "Memory", data: bytes, exclude: Iterable[str]) -> None:
    """Load what `to_bytes` serialized.

    memory (Memory): Is filled.
    data (bytes), exclude (Iterable[str]): What was serialized, and what to leave out.
    RAISES (KnnNerError): If it is something else.
    """
    excluded, datastore = _excluded(memory, exclude), memory.empty_datastore()
    try:
        parts: dict[str, bytes] = srsly.msgpack_loads(data)
        missing = set(_PARTS) - set(parts) - set(excluded)
        if missing:
            raise ValueError(f"there is no {' and no '.join(sorted(missing))}")
        calibration = Calibration()
        if "calibration" not in exclude:
            calibration = _read(parts["calibration"].decode())
    except Exception as error:  # of msgpack
        raise KnnNerError(Errors.E110, reason=error) from error
    if "datastore" not in excluded:
        datastore.from_bytes(parts["datastore"])
    _use(memory, datastore, calibration, exclude)


def _excluded(memory: "Memory", exclude: Iterable[str]) -> list[str]:
    """What is left out: also a shared datastore, which is saved elsewhere."""
    return [*exclude, *(["datastore"] if memory.place.is_shared else [])]


def _use(
    memory: "Memory",
    datastore: Datastore,
    calibration: Calibration,
    exclude: Iterable[str],
) -> None:
    with memory.lock:
        if "datastore" not in exclude:
            memory.use(sharing.loaded(memory.place) or datastore)
        if "calibration" not in exclude:
            memory.calibration = calibration


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read(text: str) -> Calibration:
    """RAISES (ValueError): If it is no calibration."""
    values = without_digest(read_json_object(text), required=False)
    known = {field.name for field in fields(Calibration)}
    for name, value in values.items():
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if name not in known or not (is_number or value is None):
            raise ValueError(f"{name} is {json.dumps(value)[:80]}")
    return Calibration(**values)
