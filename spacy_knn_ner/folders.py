"""Folders that are replaced in one step."""

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Write a folder completely, and put it in the place of the one that is there.

    A reader sees the old or the new one. What is interrupted leaves the old one, and
    beside it a folder `.NAME.new` that the next one deletes. Files of the old folder
    that the new one does not have stay.

    folder (Path): Perhaps with something in it.
    YIELDS (Path): A new folder beside it.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.new")
    _remove(draft)
    draft.mkdir()
    try:
        yield draft
        if not folder.exists():
            os.rename(draft, folder)
            return
        for path in folder.iterdir():
            if not (draft / path.name).exists():
                _copy(path, draft / path.name)
        _exchange(draft, folder)
    finally:
        _remove(draft)


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
