"""A datastore in a database, as a block of a component's config."""

import re
from abc import ABC, abstractmethod
from typing import Any

from ...errors import Errors, KnnNerError
from ..datastore import Datastore
from .home import AUTO, EXACT, HNSW, RemoteHome
from .moving import opened, publish

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_KNOWN = {"when_away": ("raise", "tagger"), "index": (AUTO, EXACT, HNSW)}


class SharedPlace(ABC):
    """Keeps a datastore in a database; see `Place`.

    server (Any): The connection.
    index (str): Of the store.
    """

    is_shared = True

    def __init__(self, server: Any, when_away: str, index: str) -> None:
        """server (Any): The connection.
        when_away (str): While the server is away, `"raise"` an error, or let the
            `"tagger"` predict alone.
        index (str): `"auto"`, `"exact"` or `"hnsw"`.
        RAISES (KnnNerError): If an argument is not valid.
        """
        check_choice("when_away", when_away, _KNOWN["when_away"])
        check_choice("index", index, _KNOWN["index"])
        self.server, self.index = server, index
        self.goes_on = when_away == "tagger"

    def __str__(self) -> str:
        return str(self.server)

    @abstractmethod
    def home(self, *, creates: bool) -> RemoteHome:
        """Make the home of a datastore.

        creates (bool): Make an empty one where there is none.
        """

    def exists(self) -> bool:
        """See `Place.exists`."""
        return self.home(creates=False).exists()

    def open(self) -> Datastore:
        """See `Place.open`."""
        return opened(self.attached(creates=False))

    def attached(self, *, creates: bool = True) -> Datastore:
        """See `Place.attached`."""
        datastore = Datastore()
        self.home(creates=creates).attach(datastore)
        return datastore

    def put(self, datastore: Datastore, old: Datastore | None = None) -> Datastore:
        """See `Place.put`."""
        return publish(datastore, self.attached(), old)


def check_name(name: str) -> str:
    """Check the name of a datastore, which names in the database begin with.

    name (str): The name.
    RETURNS (str): The same.
    RAISES (KnnNerError): If it cannot be such.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise KnnNerError(Errors.E128, name=name)
    return name


def check_choice(option: str, value: Any, known: tuple[Any, ...]) -> None:
    """Check the value of an option.

    option (str): Its name.
    value (Any): Its value.
    known (tuple): The values that there are.
    RAISES (KnnNerError): If it is none of these.
    """
    if value not in known:
        raise KnnNerError(Errors.E121, name=option, value=value, known=known)
