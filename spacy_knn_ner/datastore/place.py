"""Where a component's datastore is kept: a block of its config."""

from typing import Protocol

from .datastore import Datastore


class Place(Protocol):
    """Keeps the datastore of a component. A function of `knn_stores` returns one.

    is_shared (bool): Whether other processes change it too: then it is not saved with
        the pipeline.
    goes_on (bool): Whether the components in front predict alone while it is away.
    """

    is_shared: bool
    goes_on: bool

    def exists(self) -> bool:
        """Check whether there is a datastore that others may use.

        RAISES (KnnNerError): If the place is away.
        """
        ...

    def open(self) -> Datastore:
        """Use the datastore that is there; only if `is_shared`.

        RAISES (KnnNerError): If there is none, or it is away.
        """
        ...

    def attached(self, *, creates: bool = True) -> Datastore:
        """Use the datastore once it is there; only if `is_shared`.

        creates (bool): Make an empty one where there is none. Default: True.
        RETURNS (Datastore): Empty until it is read.
        """
        ...

    def put(self, datastore: Datastore, old: Datastore | None = None) -> Datastore:
        """Replace what is there.

        datastore (Datastore): Of this process.
        old (Datastore | None): What it was made from; it must be unchanged.
        RETURNS (Datastore): That which is used from now on.
        RAISES (KnnNerError): If it is away; then nothing has changed.
        """
        ...


class Files:
    """Keeps a datastore in this process, and saves it with its pipeline."""

    is_shared = goes_on = False

    def exists(self) -> bool:
        """See `Place.exists`: no others use it."""
        return False

    def open(self) -> Datastore:
        """See `Place.open`."""
        raise NotImplementedError

    def attached(self, *, creates: bool = True) -> Datastore:
        """See `Place.attached`."""
        raise NotImplementedError

    def put(self, datastore: Datastore, old: Datastore | None = None) -> Datastore:
        """See `Place.put`."""
        return datastore
