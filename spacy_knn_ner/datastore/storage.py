"""A datastore on disk: numbered generations, and a manifest that names one.

    manifest.json     format, generation, counts, size and SHA-256 of each file
    gen-3/…           the files
    .lock             held while somebody saves

A save writes the next generation completely and then replaces the manifest in
one step, so that a reader sees the old datastore or the new one, and a save
that is interrupted changes nothing.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly
from filelock import FileLock, Timeout

from ..digest import sha256
from ..errors import Errors, KnnNerError

FORMAT = 3
MANIFEST = "manifest.json"
LOCK = ".lock"

Writers = dict[str, Callable[[Path], None]]


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Nobody else, here or in another process, saves to this folder meanwhile.

    folder (Path): Of a datastore; made if missing.
    RAISES (KnnNerError): If somebody else is at it; nobody waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The same object for the same path, so that one's own `save` passes.
    lock = FileLock(folder.resolve() / LOCK, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise KnnNerError(Errors.E077, path=folder) from None
    try:
        yield
    finally:
        lock.release()


def save(
    folder: Path, writers: Writers, about: dict[str, Any], *, based_on: str | None
) -> str:
    """Write a generation and make it the current one.

    folder (Path): Of the datastore; made if missing.
    writers (Writers): File name → function that writes it to a path.
    about (dict[str, Any]): Goes into the manifest as it is.
    based_on (str | None): The `version` there that this is made from; None: whatever
        is there is replaced.
    RETURNS (str): The new version.
    RAISES (KnnNerError): If there is another one, or somebody else is saving; then
        nothing is changed.
    """
    with only_writer(folder):
        if based_on is not None and version(folder) not in (None, based_on):
            raise KnnNerError(Errors.E076, path=folder)
        return _save(folder, writers, about)


def _save(folder: Path, writers: Writers, about: dict[str, Any]) -> str:
    number = 1 + max((_number(path) for path in folder.glob("gen-*")), default=0)
    target = folder / f"gen-{number}"
    target.mkdir()
    try:
        files = {}
        for name, write in writers.items():
            write(target / name)
            _flush(target / name)
            size = (target / name).stat().st_size
            files[name] = {"size": size, "sha256": sha256(target / name)}
        manifest = {"format": FORMAT, "generation": number, **about, "files": files}
        draft = target / MANIFEST
        srsly.write_json(draft, manifest)
        _flush(draft)
        made = sha256(draft)
        os.replace(draft, folder / MANIFEST)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    for path in folder.glob("gen-*"):
        if path != target:
            # Where a mapped file cannot be deleted, the next save will.
            shutil.rmtree(path, ignore_errors=True)
    return made


def current(folder: Path, *, check: bool = False) -> tuple[Path, dict[str, Any]]:
    """The current generation.

    folder (Path): Of the datastore.
    check (bool): Also compare the SHA-256 of every file. Sizes are always
        compared.
    RETURNS (tuple[Path, dict[str, Any]]): The generation's folder, and the
        manifest.
    RAISES (KnnNerError): If something is missing, damaged or too new.
    """
    if not (folder / MANIFEST).exists():
        raise KnnNerError(Errors.E032, path=folder, reason="it has no manifest.json")
    try:
        manifest = srsly.read_json(folder / MANIFEST)
        format_, files = manifest["format"], manifest["files"]
        generation = folder / f"gen-{manifest['generation']}"
    except (ValueError, KeyError, TypeError) as error:
        reason = f"its manifest.json cannot be read ({error})"
        raise KnnNerError(Errors.E032, path=folder, reason=reason) from error
    if format_ != FORMAT:
        raise KnnNerError(Errors.E033, path=folder, found=format_, known=FORMAT)
    for name, expected in files.items():
        path = generation / name
        if not path.exists():
            raise KnnNerError(Errors.E032, path=folder, reason=f"{name} is missing")
        size = path.stat().st_size
        if size != expected["size"]:
            reason = f"{name} has {size} bytes instead of {expected['size']}"
            raise KnnNerError(Errors.E032, path=folder, reason=reason)
        if check and sha256(path) != expected["sha256"]:
            reason = f"the SHA-256 of {name} is not the saved one"
            raise KnnNerError(Errors.E032, path=folder, reason=reason)
    return generation, manifest


def version(folder: Path) -> str | None:
    """What tells one save from another, even if the folder was deleted in between: the
    SHA-256 of the manifest, which has those of all files. None if there is none."""
    try:
        return sha256(folder / MANIFEST)
    except OSError:
        return None


def _number(path: Path) -> int:
    number = path.name.removeprefix("gen-")
    return int(number) if number.isdigit() else 0


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
