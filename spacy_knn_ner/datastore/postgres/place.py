"""A datastore in PostgreSQL, as a block of a component's config."""

from ..shared.home import AUTO
from ..shared.place import SharedPlace, check_name
from .home import PostgresHome
from .server import Server


class Postgres(SharedPlace):
    """Keeps a datastore in PostgreSQL with pgvector.

    server (Server): The connection.
    index (str): Of the store.
    """

    def __init__(
        self,
        url: str = "",
        name: str = "knn_ner",
        when_away: str = "raise",
        index: str = AUTO,
    ) -> None:
        """url (str): Such as `"postgresql://host/database"`, or `"service=NAME"`,
            without user or password; see `Server`. Default: as libpq's variables say.
        name (str): Of the datastore, which gets a schema of this name. Default:
            "knn_ner".
        when_away (str): While the server is away, `"raise"` (default) an error, or let
            the `"tagger"` predict alone.
        index (str): All keys are compared (`"exact"`), or pgvector's index finds near
            ones (`"hnsw"`), whose distances are computed in float64; `"auto"` (default)
            is that from 10,000 entries on.
        RAISES (KnnNerError): If an argument is not valid.
        """
        super().__init__(Server(url, check_name(name)), when_away, index)

    def home(self, *, creates: bool) -> PostgresHome:
        """See `SharedPlace.home`."""
        return PostgresHome(self.server, self.index, creates=creates)
