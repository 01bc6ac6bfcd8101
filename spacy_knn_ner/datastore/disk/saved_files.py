"""The files of a saved generation: compared with what was saved, and carried over.

Files are compared by their SHA-256 before what is in them is used: small ones when they
are loaded, others by default before the first search. A file that did not change keeps
its SHA-256 in the next generation, so that no save vouches for what it has not read.
"""

import hashlib
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...digest import sha256
from ...errors import Errors, KnnNerError
from .manifest import SavedFile

# Keys and indexes of up to so many bytes are compared at once: a fifth of a second.
AT_ONCE = 1 << 28
_LARGE = ".faiss"  # how the names of files end that are mapped into memory
# What the names of a table's files end with; its index may have others.
KEYS, INDEX, ENTRIES, LABELS = (
    "keys.faiss",
    "index.faiss",
    "entries.npy",
    "labels.npy",
)


class SavedFiles:
    """The files of one generation.

    path (Path): Their folder.
    records (dict[str, SavedFile]): As they were saved, by name.
    before_use (bool): Whether they are compared before they are used.
    """

    def __init__(
        self,
        path: Path,
        records: dict[str, SavedFile],
        unverified: dict[str, Any] | None = None,
    ) -> None:
        """path (Path), records (dict[str, SavedFile]): See above.
        unverified (dict[str, mmap | None] | None): Those that are still to be compared,
            mapped into memory: so that they can be also when another process has
            replaced the generation. Default: all, not mapped yet.
        """
        self.path, self.records, self.before_use = path, records, True
        self._unverified = dict.fromkeys(records) if unverified is None else unverified

    def open(self, *, verify: bool | None = None) -> None:
        """Compare sizes, and the SHA-256 of files.

        verify (bool | None): Of all files (True); of all but keys and indexes (False);
            by default (None) of those too, before they are used if they are larger
            than `AT_ONCE`.
        RAISES (KnnNerError): If one is missing or damaged.
        """
        for name, record in self.records.items():
            with self.reading(name) as path:
                if not path.is_file():
                    raise self.error(f"{name} is missing")
                size = path.stat().st_size
            if size != record.size:
                raise self.error(f"{name} has {size} bytes instead of {record.size}")
        large = {name for name in self.records if name.endswith(_LARGE)}
        size = sum(self.records[name].size for name in large)
        at_once = verify or (verify is None and size <= AT_ONCE)
        self.before_use = verify is not False
        self.verify(set(self.records) - (set() if at_once else large))
        for name in self._unverified:
            with self.reading(name) as path, path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._unverified[name] = mapped

    def __getitem__(self, name: str) -> Path:
        """The path of a file.

        RAISES (KnnNerError): If there is none of this name.
        """
        if name not in self.records:
            raise self.error(f"{name} is not in its manifest")
        return self.path / name

    def named(self, prefix: str) -> list[str]:
        """List the names that begin with this."""
        return sorted(name for name in self.records if name.startswith(prefix))

    # --- comparing ---------------------------------------------------------------

    @property
    def is_pending(self) -> bool:
        """Whether some are still to be compared before they are used."""
        return self.before_use and bool(self._unverified)

    def verify(self, names: Iterable[str]) -> None:
        """Compare the SHA-256 of files, each of them once.

        names (Iterable[str]): Of files.
        RAISES (KnnNerError): If one is damaged.
        """
        for name in names:
            if name not in self._unverified:
                continue
            mapped = self._unverified[name]
            if mapped is None:
                with self.reading(name) as path:
                    found = sha256(path)
            else:
                found = hashlib.sha256(mapped).hexdigest()
            if found != self.records[name].sha256:
                raise self._damaged(name)
            del self._unverified[name]

    def unverified(self, name: str) -> Any:
        """The mapped bytes of a file that is still to be compared, or None."""
        return self._unverified.get(name)

    def carry(self, name: str, path: Path) -> bool:
        """Put a file into another folder, as it was saved.

        Within a datastore that is a link: both names are of the same bytes. For another
        one it is copied and compared.

        name (str): Of the file.
        path (Path): Where to; it must not exist.
        RETURNS (bool): Whether it is still there.
        RAISES (KnnNerError): If it is damaged.
        """
        source = self.path / name
        try:
            if source.parent.parent == path.parent.parent and _linked(source, path):
                return True
            shutil.copyfile(source, path)
        except FileNotFoundError:
            return False
        if sha256(path) != self.records[name].sha256:
            raise self._damaged(name)
        return True

    # --- errors ------------------------------------------------------------------

    def _damaged(self, name: str) -> KnnNerError:
        return self.error(f"the SHA-256 of {name} is not the saved one")

    def error(self, reason: str) -> KnnNerError:
        """Make the error that says what is wrong with the datastore."""
        return KnnNerError(Errors.E032, path=self.path.parent, reason=reason)

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Read a file: whatever is wrong in it is an error that names it.

        name (str): Of the file.
        YIELDS (Path): Its path.
        RAISES (KnnNerError): If it is not there, or cannot be read.
        """
        path = self[name]
        try:
            yield path
        except KnnNerError:
            raise
        except Exception as error:  # of numpy, SQLite, JSON, FAISS
            raise self.error(f"{name} cannot be read ({error})") from error

    def __getstate__(self) -> dict[str, Any]:
        """What is copied to another process is compared before."""
        self.verify(self.records)
        return self.__dict__


def _linked(source: Path, path: Path) -> bool:
    """Whether a link could be made; not every file system has them.

    RAISES (FileNotFoundError): If the source is gone.
    """
    try:
        os.link(source, path)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True


@dataclass
class SavedTable:
    """The files of a table of entries that has not changed since they were saved.

    files (SavedFiles): Of the generation.
    part (str): What their names begin with.
    index_state (dict[str, Any] | None): What the saved index needs besides; None: it
        is not the one that is in use.
    """

    files: SavedFiles
    part: str
    index_state: dict[str, Any] | None = None

    @property
    def names(self) -> list[str]:
        """All files."""
        return self.files.named(f"{self.part}.")

    @property
    def keys(self) -> str:
        """The file with the keys: of its own beside an index."""
        apart = f"{self.part}.{KEYS}"
        return apart if apart in self.files.records else f"{self.part}.{INDEX}"

    @property
    def columns(self) -> list[str]:
        """The files with entries and labels."""
        return [f"{self.part}.{ENTRIES}", f"{self.part}.{LABELS}"]

    @property
    def index(self) -> list[str]:
        """The files of the index."""
        return sorted(set(self.names) - {self.keys, *self.columns})

    def verify_before_use(self) -> None:
        """As `verify`, unless that was done, or switched off; for every search."""
        if self.files.is_pending:
            self.verify()

    def verify(self) -> None:
        """See `SavedFiles.verify`."""
        self.files.verify(self.names)
