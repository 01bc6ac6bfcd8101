"""The manifest of a saved datastore: what it holds, and the files of its generation."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...digest import read_json_object, signed_json, without_digest
from ...errors import Errors, KnnNerError
from ...tags import PREFIXES
from ..blocks import DTYPES
from ..examples.base import PARTS

MANIFEST = "manifest.json"
FORMAT = 5
# 4 had no digest of the manifest itself; 3 had other files: see migration.py.
READABLE = (3, 4, 5)


@dataclass(frozen=True)
class SavedFile:
    """A file as it was saved.

    size (int): In bytes.
    sha256 (str): In hex.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a generation holds.

    generation (int): Its number.
    width (int | None): Numbers per key; None: there are no keys.
    dtype (str): Of the keys.
    tag_scheme (str), labels (tuple[str, ...]): The meaning of tag ids.
    fingerprint (dict[str, Any] | None): Of the encoder.
    examples (int), entries (dict[str, int]): How many; entries by part.
    index (dict[str, Any]): By part what `saved_index.save` returned.
    files (dict[str, SavedFile]): By name.
    format (int): Of the files.
    """

    generation: int
    width: int | None
    dtype: str
    tag_scheme: str
    labels: tuple[str, ...]
    fingerprint: dict[str, Any] | None
    examples: int
    entries: dict[str, int]
    index: dict[str, Any]
    files: dict[str, SavedFile]
    format: int = FORMAT

    def to_json(self) -> str:
        """Serialize it, with a digest of itself."""
        return signed_json(asdict(self))


def read(folder: Path) -> Manifest:
    """Read the manifest of a datastore.

    folder (Path): The datastore's.
    RETURNS (Manifest): Checked: each value has its type.
    RAISES (KnnNerError): If it is missing, damaged or of another format.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf8")
    except FileNotFoundError as error:
        raise KnnNerError(
            Errors.E032, path=folder, reason=f"it has no {MANIFEST}"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
    try:
        content = read_json_object(text)
        format_ = content.get("format")
        if _is_count(format_) and format_ not in READABLE:
            known = ", ".join(map(str, READABLE))
            raise KnnNerError(Errors.E033, path=folder, found=format_, known=known)
        content = without_digest(content, required=format_ == FORMAT)
        return checked(_of_format_3(content) if format_ == 3 else content)
    except KnnNerError:
        raise
    except ValueError as error:
        raise _unreadable(folder, error) from error


def checked(content: dict[str, Any]) -> Manifest:
    """Make a manifest of values that may be wrong.

    content (dict[str, Any]): By name; without a format it is the current one.
    RETURNS (Manifest): Each value has its type.
    RAISES (ValueError): If one has not, is missing, or is unknown.
    """
    content = {"format": FORMAT, "index": {}, **content}
    if set(content) != set(_VALID):
        names = sorted(set(content) ^ set(_VALID))
        raise ValueError(f"missing or unknown: {', '.join(names)}")
    for name, is_valid in _VALID.items():
        if not is_valid(content[name]):
            raise ValueError(f"{name} is {str(content[name])[:80]}")
    files = {name: SavedFile(**about) for name, about in content["files"].items()}
    return Manifest(**{**content, "labels": tuple(content["labels"]), "files": files})


def _unreadable(folder: Path, error: Exception) -> KnnNerError:
    reason = f"its {MANIFEST} cannot be used ({error})"
    return KnnNerError(Errors.E032, path=folder, reason=reason)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _are_labels(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and all(isinstance(label, str) and label for label in value)
        and len(set(value)) == len(value)
    )


def _are_entries(value: Any) -> bool:
    return (
        _is_dict(value)
        and set(value) == set(PARTS)
        and all(map(_is_count, value.values()))
    )


def _are_files(value: Any) -> bool:
    return _is_dict(value) and all(
        Path(name).name == name
        and _is_dict(about)
        and set(about) == {"size", "sha256"}
        and _is_count(about["size"])
        and isinstance(about["sha256"], str)
        for name, about in value.items()
    )


_VALID: dict[str, Callable[[Any], bool]] = {
    "format": _is_count,
    "generation": _is_count,
    "width": lambda value: value is None or (_is_count(value) and value > 0),
    "dtype": lambda value: value in DTYPES,
    "tag_scheme": lambda value: value in tuple(PREFIXES),
    "labels": _are_labels,
    "fingerprint": lambda value: value is None or _is_dict(value),
    "examples": _is_count,
    "entries": _are_entries,
    "index": lambda value: _is_dict(value) and set(value) <= set(PARTS),
    "files": _are_files,
}


def _of_format_3(content: dict[str, Any]) -> dict[str, Any]:
    """With the names of the current format. Its fingerprint lacks the config, which is
    then not compared."""
    content = dict(content)
    encoder = content.pop("encoder", None)
    names = {"component": "encoder", "sha256": "weights"}
    if encoder is not None:
        encoder = {names.get(name, name): value for name, value in encoder.items()}
    return {**content, "fingerprint": encoder, "index": {}}
