"""Folders that are written: in one step, and with errors that name them."""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import Errors, KnnNerError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


@contextmanager
def writing(folder: str | Path) -> Iterator[None]:
    """Name the folder in errors of writing: the system does not, if a disk is full.

    folder (str | Path): What is written.
    RAISES (KnnNerError): In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise KnnNerError(Errors.E117, path=folder, reason=reason) from error


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: what is interrupted leaves the one that was there.

    path (Path): The file.
    text (str): What it has from now on.
    RAISES (KnnNerError): If it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    with writing(path):
        try:
            with draft.open("w", encoding="utf8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Write a folder completely, and put it in the place of the one that is there.

    A reader sees the old or the new one. What is interrupted leaves the old one, and
    beside it a folder `.NAME.new` that the next one deletes. Files of the old folder
    that the new one does not have stay.

    folder (Path): Perhaps with something in it.
    YIELDS (Path): A new folder beside it.
    RAISES (KnnNerError): If it cannot be written; then nothing is changed.
    """
    folder = folder.resolve()
    draft = folder.with_name(f".{folder.name}.new")
    try:
        with writing(folder):
            _remove(draft)
            draft.mkdir(parents=True)
            yield draft
            _put(draft, folder)
    finally:
        _remove(draft)


def _put(draft: Path, folder: Path) -> None:
    """Put a folder in the place of another one."""
    if not folder.exists():
        os.rename(draft, folder)
        return
    for path in folder.iterdir():
        if not (draft / path.name).exists():
            _copy(path, draft / path.name)
    _exchange(draft, folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)


def _exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders: in one step where the system can."""
    if sys.platform == "linux":
        renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if renameat2 is not None:
            names = _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other)
            if renameat2(*names, _RENAME_EXCHANGE) == 0:
                return
            code = ctypes.get_errno()
            if code not in (errno.EINVAL, errno.ENOSYS):  # not on this file system
                raise OSError(code, os.strerror(code), str(other))
    between = one.with_name(f"{one.name}.old")
    _remove(between)
    os.rename(other, between)
    os.rename(one, other)
    os.rename(between, one)
