"""A shared datastore, as a block of a component's config."""

from ...errors import Errors, KnnNerError
from ..datastore import Datastore
from .server import Server

_WHEN_AWAY = ("raise", "tagger")


class Postgres:
    """Keeps a datastore in PostgreSQL with pgvector.

    server (Server): The connection.
    """

    is_shared = True

    def __init__(
        self, url: str = "", name: str = "knn_ner", when_away: str = "raise"
    ) -> None:
        """url (str): Such as `"postgresql://host/database"`, or `"service=NAME"`,
            without user or password; see `Server`. Default: as libpq's variables say.
        name (str): Of the datastore, which gets a schema of this name. Default:
            "knn_ner".
        when_away (str): While the server is away, `"raise"` (default) an error, or let
            the `"tagger"` predict alone.
        RAISES (KnnNerError): If an argument is not valid.
        """
        if when_away not in _WHEN_AWAY:
            raise KnnNerError(Errors.E121, value=when_away, known=list(_WHEN_AWAY))
        self.server = Server(url, name)
        self.goes_on = when_away == "tagger"

    def open(self) -> Datastore:
        """See `Place.open`."""
        from .moving import connect

        return connect(self.server)

    def attached(self, *, creates: bool = True) -> Datastore:
        """See `Place.attached`."""
        from .moving import attached

        return attached(self.server, creates=creates)

    def put(self, datastore: Datastore, old: Datastore | None = None) -> Datastore:
        """See `Place.put`."""
        from .moving import publish

        return publish(datastore, self.server, old)
