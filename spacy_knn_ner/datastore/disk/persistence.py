"""Numbered generations on disk, and a manifest that names the current one.

    manifest.json     format, generation, counts, size and SHA-256 of each file
    gen-3/…           the files
    .lock             held during a save

A save writes the next generation completely and then replaces the manifest in one step,
so that a reader sees the old datastore or the new one, and a save that is interrupted
changes nothing. What it leaves behind is deleted by the next one.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ...digest import sha256
from ...errors import Errors, KnnNerError
from . import manifest
from .manifest import Manifest, SavedFile
from .saved_files import SavedFiles

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
        self._carried: dict[str, SavedFile] = {}
        self._unverified: dict[str, Any] = {}
        self.path.mkdir()

    def carry(self, saved: SavedFiles, names: dict[str, str]) -> bool:
        """Take files over from another generation, with their SHA-256: all or none.

        saved (SavedFiles): Of that generation.
        names (dict[str, str]): Their names there and here.
        RETURNS (bool): Whether they are still there.
        RAISES (KnnNerError): If one is damaged.
        """
        if not all(saved.carry(old, self.path / new) for old, new in names.items()):
            for new in names.values():  # not to be written into: it may be a link
                (self.path / new).unlink(missing_ok=True)
            return False
        for old, new in names.items():
            self._carried[new] = saved.records[old]
            if (mapped := saved.unverified(old)) is not None:
                self._unverified[new] = mapped
        return True

    def commit(self, about: dict[str, Any]) -> SavedFiles:
        """Make the generation the current one, and delete the earlier ones.

        about (dict[str, Any]): The manifest but for number and files.
        RETURNS (SavedFiles): What was saved.
        """
        files = {}
        for path in sorted(self.path.iterdir()):
            _flush(path)
            record = self._carried.get(path.name)
            files[path.name] = record or SavedFile(path.stat().st_size, sha256(path))
        made = Manifest(generation=self._number, files=files, **about)
        draft = self.path / manifest.MANIFEST
        draft.write_text(made.to_json(), encoding="utf8")
        _flush(draft)
        self.version = sha256(draft)
        _flush_folder(self.path)
        os.replace(draft, self._folder / manifest.MANIFEST)
        _flush_folder(self._folder)  # before the earlier ones are deleted
        clean(self._folder, self._number)
        return SavedFiles(self.path, files, self._unverified)


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
        check_version(folder, based_on)
        _clean_interrupted(folder)  # a full disk needs the room
        generation = Generation(folder)
        try:
            yield generation
        finally:
            if generation.version is None:
                shutil.rmtree(generation.path, ignore_errors=True)


def current(folder: Path, *, verify: bool | None = None) -> tuple[SavedFiles, Manifest]:
    """Find the current generation.

    folder (Path): Of the datastore.
    verify (bool | None): As for `SavedFiles.open`.
    RETURNS (tuple[SavedFiles, Manifest]): The generation's files, and the manifest.
    RAISES (KnnNerError): If something is missing, damaged or too new.
    """
    found = manifest.read(folder)
    files = SavedFiles(folder / f"gen-{found.generation}", found.files)
    files.open(verify=verify)
    return files, found


def clean(folder: Path, current: int | None) -> None:
    """Delete the generations that are not the current one: earlier ones, and what saves
    left that were interrupted. The lock must be held.

    folder (Path): Of the datastore.
    current (int | None): The number of the current one.
    """
    for path in folder.glob("gen-*"):
        if path.is_dir() and _number(path) not in (0, current):
            # A mapped file that cannot be deleted is deleted by the next save.
            shutil.rmtree(path, ignore_errors=True)


def _clean_interrupted(folder: Path) -> None:
    try:
        number = manifest.read(folder).generation
    except KnnNerError:
        if (folder / manifest.MANIFEST).exists():
            return  # damaged, or of a newer version: the files may be worth something
        number = None
    clean(folder, number)


def check_version(folder: Path, based_on: str | None) -> None:
    """Refuse to replace what another process has saved.

    folder (Path): Of the datastore.
    based_on (str | None): As for `next_generation`.
    RAISES (KnnNerError): If there is another version.
    """
    if based_on is not None and version(folder) not in (None, based_on):
        raise KnnNerError(Errors.E076, path=folder)


def version(folder: Path) -> str | None:
    """Compute what tells one save from another, even if the folder was deleted in
    between: the SHA-256 of the manifest, which has those of all files. None if there is
    no manifest."""
    try:
        return sha256(folder / manifest.MANIFEST)
    except OSError:
        return None


def _number(path: Path) -> int:
    """The number of a generation; 0 for what is not named as one."""
    found = re.fullmatch(r"gen-([0-9]{1,18})", path.name)
    return int(found[1]) if found else 0


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # which cannot open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
