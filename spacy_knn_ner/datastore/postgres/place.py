"""A shared datastore, as a block of a component's config."""

from ...errors import Errors, KnnNerError
from ..datastore import Datastore
from .index import EXACT, INDEXES
from .server import Server

_WHEN_AWAY = ("raise", "tagger")


class Postgres:
    """Keeps a datastore in PostgreSQL with pgvector.

    server (Server): The connection.
    index (str): Of the store.
    """

    is_shared = True

    def __init__(
        self,
        url: str = "",
        name: str = "knn_ner",
        when_away: str = "raise",
        index: str = EXACT,
    ) -> None:
        """url (str): Such as `"postgresql://host/database"`, or `"service=NAME"`,
            without user or password; see `Server`. Default: as libpq's variables say.
        name (str): Of the datastore, which gets a schema of this name. Default:
            "knn_ner".
        when_away (str): While the server is away, `"raise"` (default) an error, or let
            the `"tagger"` predict alone.
        index (str): All keys are compared (`"exact"`, default), or pgvector's index
            finds near ones (`"hnsw"`), whose distances are computed in float64.
        RAISES (KnnNerError): If an argument is not valid.
        """
        if when_away not in _WHEN_AWAY:
            raise KnnNerError(
                Errors.E121, name="when_away", value=when_away, known=_WHEN_AWAY
            )
        if index not in INDEXES:
            raise KnnNerError(Errors.E121, name="index", value=index, known=INDEXES)
        self.server, self.index = Server(url, name), index
        self.goes_on = when_away == "tagger"

    def __str__(self) -> str:
        return str(self.server)

    def open(self) -> Datastore:
        """See `Place.open`."""
        from ..shared.moving import opened

        return opened(self.attached(creates=False))

    def attached(self, *, creates: bool = True) -> Datastore:
        """See `Place.attached`."""
        from .home import PostgresHome

        datastore = Datastore()
        PostgresHome(self.server, self.index, creates=creates).attach(datastore)
        return datastore

    def put(self, datastore: Datastore, old: Datastore | None = None) -> Datastore:
        """See `Place.put`."""
        from ..shared.moving import publish

        return publish(datastore, self.attached(), old)
