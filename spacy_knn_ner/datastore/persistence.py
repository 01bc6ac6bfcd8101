"""Numbered generations on disk, and a manifest that names the current one.

    manifest.json     format, generation, counts, size and SHA-256 of each file
    gen-3/…           the files
    .lock             held during a save

A save writes the next generation completely and then replaces the manifest in one step,
so that a reader sees the old datastore or the new one, and a save that is interrupted
changes nothing.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import srsly
from filelock import FileLock, Timeout

from ..digest import sha256
from ..errors import Errors, KnnNerError

FORMAT = 4
READABLE = (3, 4)  # see migration.py
MANIFEST = "manifest.json"
LOCK = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, so that no other thread or process saves to it.

    folder (Path): Of a datastore; made if missing.
    RAISES (KnnNerError): If another one holds it; this does not wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The same object for the same path, so that one's own save passes.
    lock = FileLock(folder.resolve() / LOCK, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise KnnNerError(Errors.E077, path=folder) from None
    try:
        yield
    finally:
        lock.release()


class Generation:
    """The next generation of a datastore, while it is written.

    path (Path): Its folder, for the files.
    version (str | None): The new version, after `commit`.
    """

    def __init__(self, folder: Path) -> None:
        """folder (Path): Of the datastore. Its lock must be held."""
        self._folder = folder
        numbers = (_number(path) for path in folder.glob("gen-*"))
        self._number = 1 + max(numbers, default=0)
        self.path = folder / f"gen-{self._number}"
        self.version: str | None = None
        self.path.mkdir()

    def commit(self, about: dict[str, Any]) -> None:
        """Make the generation the current one, and delete the earlier ones.

        about (dict[str, Any]): Goes into the manifest as it is.
        """
        files = {}
        for path in sorted(self.path.iterdir()):
            _flush(path)
            files[path.name] = {"size": path.stat().st_size, "sha256": sha256(path)}
        manifest = {"format": FORMAT, "generation": self._number, **about}
        draft = self.path / MANIFEST
        srsly.write_json(draft, {**manifest, "files": files})
        _flush(draft)
        self.version = sha256(draft)
        os.replace(draft, self._folder / MANIFEST)
        for path in self._folder.glob("gen-*"):
            if path != self.path:
                # A mapped file that cannot be deleted is deleted by the next save.
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def next_generation(folder: Path, *, based_on: str | None) -> Iterator[Generation]:
    """Write a generation; it is deleted if it is not committed.

    folder (Path): Of the datastore; made if missing.
    based_on (str | None): The `version` there that this is made from; None: whatever
        is there is replaced.
    YIELDS (Generation): To be filled with files and committed.
    RAISES (KnnNerError): If there is another version, or another process is saving;
        then nothing is changed.
    """
    with only_writer(folder):
        if based_on is not None and version(folder) not in (None, based_on):
            raise KnnNerError(Errors.E076, path=folder)
        generation = Generation(folder)
        try:
            yield generation
        finally:
            if generation.version is None:
                shutil.rmtree(generation.path, ignore_errors=True)


def current(folder: Path, *, check: bool = False) -> tuple[Path, dict[str, Any]]:
    """Find the current generation.

    folder (Path): Of the datastore.
    check (bool): Also compare the SHA-256 of every file. Sizes are always compared.
        Default: False.
    RETURNS (tuple[Path, dict[str, Any]]): The generation's folder, and the manifest.
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
    if format_ not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise KnnNerError(Errors.E033, path=folder, found=format_, known=known)
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
    """Compute what tells one save from another, even if the folder was deleted in
    between: the SHA-256 of the manifest, which has those of all files. None if there is
    no manifest."""
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
