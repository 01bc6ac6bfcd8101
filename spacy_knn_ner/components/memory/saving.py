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

import srsly
from spacy import util

from ...datastore.datastore import Datastore
from ...digest import read_json_object, signed_json, without_digest
from ...errors import Errors, KnnNerError
from ...inference.confidence import Calibration

_PARTS = ("datastore", "calibration")


def to_disk(
    datastore: Datastore,
    calibration: Calibration,
    path: str | Path,
    exclude: Iterable[str],
) -> None:
    """Save a datastore and a calibration.

    datastore (Datastore), calibration (Calibration): The memory.
    path (str | Path): A folder.
    exclude (Iterable[str]): `"datastore"` or `"calibration"` to leave it out.
    RAISES (KnnNerError): If another process has saved there since it was loaded.
    """
    serializers = {
        "datastore": datastore.to_disk,
        "calibration": lambda file: _write(file, signed_json(asdict(calibration))),
    }
    util.to_disk(path, serializers, exclude)


def from_disk(
    datastore: Datastore,
    path: str | Path,
    exclude: Iterable[str],
    verify: bool | None = None,
) -> tuple[Datastore, Calibration]:
    """Load what `to_disk` saved.

    datastore (Datastore): An empty one, which is filled.
    path (str | Path), exclude (Iterable[str]): As for `to_disk`.
    verify (bool | None): As for `Datastore.from_disk`.
    RETURNS (tuple[Datastore, Calibration]): The memory.
    RAISES (KnnNerError): If it is missing or damaged.
    """
    path, calibration = Path(path), Calibration()
    if "datastore" not in exclude:
        datastore.from_disk(path / "datastore", verify=verify)
    if "calibration" not in exclude:
        file = path / "calibration"
        try:
            calibration = _read(file.read_text(encoding="utf8"))
        except (OSError, ValueError) as error:
            raise KnnNerError(Errors.E112, path=file, reason=error) from error
    return datastore, calibration


def to_bytes(
    datastore: Datastore, calibration: Calibration, exclude: Iterable[str]
) -> bytes:
    """Serialize a datastore and a calibration.

    datastore, calibration, exclude: As for `to_disk`.
    RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
    """
    serializers = {
        "datastore": datastore.to_bytes,
        "calibration": lambda: signed_json(asdict(calibration)).encode(),
    }
    return util.to_bytes(serializers, exclude)


def from_bytes(
    datastore: Datastore, data: bytes, exclude: Iterable[str]
) -> tuple[Datastore, Calibration]:
    """Load what `to_bytes` serialized.

    datastore (Datastore): An empty one, which is filled.
    data (bytes), exclude (Iterable[str]): What was serialized, and what to leave out.
    RETURNS (tuple[Datastore, Calibration]): The memory.
    RAISES (KnnNerError): If it is something else.
    """
    try:
        parts: dict[str, bytes] = srsly.msgpack_loads(data)
        missing = set(_PARTS) - set(parts) - set(exclude)
        if missing:
            raise ValueError(f"there is no {' and no '.join(sorted(missing))}")
        calibration = Calibration()
        if "calibration" not in exclude:
            calibration = _read(parts["calibration"].decode())
    except Exception as error:  # of msgpack
        raise KnnNerError(Errors.E110, reason=error) from error
    if "datastore" not in exclude:
        datastore.from_bytes(parts["datastore"])
    return datastore, calibration


def _write(path: Path, text: str) -> None:
    """Write a file in one step: what is interrupted leaves the one that was there."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _read(text: str) -> Calibration:
    """RAISES (ValueError): If it is no calibration."""
    values = without_digest(read_json_object(text), required=False)
    known = {field.name for field in fields(Calibration)}
    for name, value in values.items():
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if name not in known or not (is_number or value is None):
            raise ValueError(f"{name} is {json.dumps(value)[:80]}")
    return Calibration(**values)
