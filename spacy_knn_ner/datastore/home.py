"""Where a datastore is kept while it is used: here alone, or shared with others."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from .datastore import Datastore


class Home(Protocol):
    """Keeps a datastore. Changes may be made within each other."""

    def reading(self, datastore: "Datastore") -> AbstractContextManager[None]:
        """Read one state of the datastore, the newest."""
        ...

    def begin(self, datastore: "Datastore") -> None:
        """Begin a change of the newest state."""
        ...

    def commit(self, datastore: "Datastore") -> None:
        """End a change."""
        ...

    def rollback(self) -> None:
        """Take a change back; that of the datastore's own tables is done elsewhere."""
        ...

    def verify(self, datastore: "Datastore") -> None:
        """Check that what is kept elsewhere fits together.

        RAISES (KnnNerError): If it does not.
        """
        ...

    def make_index(self, datastore: "Datastore", metric: str) -> None:
        """Make the index, if that is done where the datastore is kept.

        metric (str): What distances are to order.
        """
        ...

    def keep(self, datastore: "Datastore", correction_radius: float | None) -> None:
        """Let others use what was found out about the keys: how the index is searched,
        and how far a correction reaches.

        correction_radius (float | None): See `Calibration`.
        """
        ...


class Local:
    """Keeps a datastore in this process."""

    def reading(self, datastore: "Datastore") -> AbstractContextManager[None]:
        """See `Home.reading`."""
        return nullcontext()

    def begin(self, datastore: "Datastore") -> None:
        """See `Home.begin`."""

    def commit(self, datastore: "Datastore") -> None:
        """See `Home.commit`."""

    def rollback(self) -> None:
        """See `Home.rollback`."""

    def verify(self, datastore: "Datastore") -> None:
        """See `Home.verify`: files are checked where they are read."""

    def make_index(self, datastore: "Datastore", metric: str) -> None:
        """See `Home.make_index`: a search makes it."""

    def keep(self, datastore: "Datastore", correction_radius: float | None) -> None:
        """See `Home.keep`: a file does."""


@runtime_checkable
class SharedHome(Home, Protocol):
    """Keeps a datastore that other processes change too.

    name (str): The datastore's.
    version (int): Of the entries here; 0 before the first time.
    saved_index (dict[str, Any] | None): How an approximate index is searched, so that
        it is faithful; see disk/saved_index.py.
    correction_radius (float | None): See `Calibration`.
    """

    name: str
    version: int
    saved_index: dict[str, Any] | None
    correction_radius: float | None
