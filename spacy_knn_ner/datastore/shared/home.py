"""What datastores in databases have in common: one state, which all processes see."""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...errors import Errors, KnnNerError
from ...tags import TagSet
from ..disk import saved_index
from ..entries import EntryTable
from ..examples.base import CORRECTIONS, PARTS, Examples
from ..index.base import IndexFactory
from .rows import RemoteRows

if TYPE_CHECKING:
    from ..datastore import Datastore

# Of the index of the store: all keys are compared, or near ones are found; or as suits
# its size.
EXACT, HNSW, AUTO = "exact", "hnsw", "auto"
_MANY = 10_000  # entries from which on "auto" is an approximate index


class State(Protocol):
    """What a database says of a datastore.

    store_id (str): Of this datastore: another one of the same name has another.
    version (int): Counts changes.
    width (int): Of the keys; 0: not known yet.
    search (dict[str, Any] | None): See `RemoteHome.saved_index`.
    correction_radius (float | None): See `Calibration`.
    dtype, scheme, labels, fingerprint: As in `Datastore`.
    """

    @property
    def store_id(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def search(self) -> dict[str, Any] | None: ...
    @property
    def correction_radius(self) -> float | None: ...
    @property
    def dtype(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> Any: ...


class RemoteHome(ABC):
    """Keeps a datastore in a database, and in step with it; see `Home`.

    name (str): The datastore's.
    version (int): Of the entries here; 0 before the first time.
    saved_index (dict[str, Any] | None): How an approximate index is searched, so that
        it is faithful; see disk/saved_index.py.
    correction_radius (float | None): See `Calibration`.
    """

    def __init__(
        self, name: str, index: str, index_factory: IndexFactory, *, creates: bool
    ) -> None:
        """name (str): The datastore's.
        index (str): Of the store, `"auto"`, `"exact"` or `"hnsw"`.
        index_factory (IndexFactory): Makes it.
        creates (bool): Make an empty datastore where there is none.
        """
        self.name, self.index, self._index_factory = name, index, index_factory
        self.version, self._store_id, self._creates = 0, "", creates
        self.saved_index: dict[str, Any] | None = None
        self.correction_radius: float | None = None
        self._start()

    def _start(self) -> None:
        """Begin without a transaction."""
        self._pid = os.getpid()
        self._depth = 0  # of changes within each other
        self._is_reading = False
        self._remember()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pid": None}  # a copy is in no transaction

    def _make_ready(self) -> None:
        """Before each transaction."""
        if self._pid != os.getpid():  # those of the parent process are not ours
            self._start()
        if self._creates:
            self._create()
            self._creates = False

    @abstractmethod
    def exists(self) -> bool:
        """Check whether there is a datastore."""

    @abstractmethod
    def _create(self) -> None:
        """Make an empty datastore, unless there is one."""

    @abstractmethod
    def _make_examples(self, datastore: "Datastore") -> Examples:
        """Make the examples of a datastore.

        datastore (Datastore): Which they belong to.
        """

    @abstractmethod
    def _make_rows(self, part: str, dtype: str) -> RemoteRows:
        """Make the rows of a part.

        part (str): `"store"` or `"corrections"`.
        dtype (str): Of the keys.
        """

    def attach(self, datastore: "Datastore") -> None:
        """Keep a datastore here from now on.

        datastore (Datastore): An empty one, which is filled when it is first read.
        """
        datastore.home = self  # type: ignore[assignment]
        datastore.examples = self._make_examples(datastore)
        for part in PARTS:
            table = EntryTable(rows=self._make_rows(part, datastore.dtype))
            if part != CORRECTIONS:
                table.index_factory = self._index_factory
            setattr(datastore, part, table)

    def verify(self, datastore: "Datastore") -> None:
        """See `Home.verify`: every entry has an example, a tag and a key."""
        with datastore.home.reading(datastore):
            for part, table in datastore.tables.items():
                self._verify(datastore, part, table)

    def _verify(self, datastore: "Datastore", part: str, table: EntryTable) -> None:
        there = np.flatnonzero(~table.removed)
        rows = self._rows(datastore, part)
        of = table.entries.take(there)["example_id"]
        n_wrong = {
            "examples": (~np.isin(of, datastore.examples.ids(part))).sum(),
            "tags": (table.tags.take(there) >= len(datastore.tag_set.tags)).sum(),
            "keys": rows.n_without_key(there),
        }
        for what, n in n_wrong.items():
            if n:
                raise KnnNerError(Errors.E133, name=self.name, n=n, what=what)

    def keep(self, datastore: "Datastore", correction_radius: float | None) -> None:
        """See `Home.keep`."""
        index = self.saved_index
        if datastore.store.fidelity is not None:
            index = saved_index.describe(datastore.store, {})
        if (index, correction_radius) != (self.saved_index, self.correction_radius):
            with datastore.transaction():
                self.saved_index, self.correction_radius = index, correction_radius

    def _wants_index(self, datastore: "Datastore") -> bool:
        """Check whether the server is to make an approximate index."""
        n = len(datastore.store)
        return n > 0 and (self.index == HNSW or (self.index == AUTO and n >= _MANY))

    def _remember(self) -> None:
        """When a change has begun."""
        self._before = self.saved_index, self.correction_radius

    def _take_back(self) -> None:
        """When it has failed."""
        self.saved_index, self.correction_radius = self._before

    # --- catching up ------------------------------------------------------------------

    def _is_current(self, datastore: "Datastore", state: State) -> bool:
        """Check whether the entries here are those of a state."""
        seen = self._store_id, self.version
        if seen != (state.store_id, state.version):
            return False
        if datastore.store.index is None:  # forgotten after a change that failed
            self._use_saved_index(datastore)
        return True

    def _seen(self, state: State) -> int:
        """The version to catch up from; 0: all is read again, as where a store was
        replaced by another, or by a backup that is older than what was read."""
        is_same = self._store_id == state.store_id and self.version <= state.version
        return self.version if is_same else 0

    def _rows(self, datastore: "Datastore", part: str) -> RemoteRows:
        rows = datastore.tables[part].rows
        assert isinstance(rows, RemoteRows)
        return rows

    def _read_again(self, datastore: "Datastore", state: State) -> None:
        """Drop all rows, to take them over again."""
        for part, table in datastore.tables.items():
            self._rows(datastore, part).read_again(np.dtype(state.dtype), state.width)
            table.forget_index()

    def _take_over_state(
        self,
        datastore: "Datastore",
        state: State,
        projection: bytes | None,
        *,
        is_reread: bool,
    ) -> None:
        """Take over what is not in rows.

        projection (bytes | None): Float32 numbers.
        is_reread (bool): Whether rows may have other tags or numbers than before.
        """
        datastore.dtype = state.dtype
        datastore.tag_set = TagSet(state.scheme, state.labels)
        datastore.fingerprint, datastore.projection = state.fingerprint, None
        if projection is not None:
            flat = np.frombuffer(projection, "<f4")
            datastore.projection = flat.reshape(-1, state.width or 1)
        before, self.saved_index = self.saved_index, state.search
        if before != state.search or datastore.store.index is None:
            self._use_saved_index(datastore)
        self.correction_radius = state.correction_radius
        datastore.n_changes += 1
        datastore.n_rereads += is_reread
        self._store_id, self.version = state.store_id, state.version

    def _use_saved_index(self, datastore: "Datastore") -> None:
        if self.saved_index is not None and datastore.store.width:
            saved_index.load(datastore.store, Path(), self.saved_index)
