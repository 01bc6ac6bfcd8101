"""A datastore in Qdrant, as a block of a component's config."""

from ...errors import Errors, KnnNerError
from ..datastore import Datastore
from .index import EXACT, INDEXES
from .server import Layout, Server

_WHEN_AWAY = ("raise", "tagger")
_QUANTIZATION = (None, "scalar", "binary")


class Qdrant:
    """Keeps a datastore in Qdrant.

    server (Server): The connection.
    index (str): Of the store.
    """

    is_shared = True

    def __init__(
        self,
        url: str = "http://localhost:6333",
        name: str = "knn_ner",
        when_away: str = "raise",
        index: str = EXACT,
        shards: int = 1,
        replicas: int = 1,
        write_replicas: int = 1,
        quantization: str | None = None,
    ) -> None:
        """url (str): Of the server; the key is read from QDRANT_API_KEY. A folder, or
            ":memory:", is a store of this process alone, for trying it.
        name (str): Of the datastore: its collections' names begin with it. Default:
            "knn_ner".
        when_away (str): While the server is away, `"raise"` (default) an error, or let
            the `"tagger"` predict alone.
        index (str): All keys are compared (`"exact"`, default), or Qdrant's index finds
            near ones (`"hnsw"`), whose distances are computed in float64.
        shards, replicas, write_replicas (int), quantization (str | None): Of new
            collections; see `Layout`.
        RAISES (KnnNerError): If an argument is not valid.
        """
        for option, value, known in (
            ("when_away", when_away, _WHEN_AWAY),
            ("index", index, INDEXES),
            ("quantization", quantization, _QUANTIZATION),
        ):
            if value not in known:
                raise KnnNerError(Errors.E121, name=option, value=value, known=known)
        layout = Layout(shards, replicas, write_replicas, quantization)
        self.server, self.index = Server(url, name, layout), index
        self.goes_on = when_away == "tagger"

    def __str__(self) -> str:
        return str(self.server)

    def open(self) -> Datastore:
        """See `Place.open`."""
        from ..shared.moving import opened

        return opened(self.attached(creates=False))

    def attached(self, *, creates: bool = True) -> Datastore:
        """See `Place.attached`."""
        from .home import QdrantHome

        datastore = Datastore()
        QdrantHome(self.server, self.index, creates=creates).attach(datastore)
        return datastore

    def put(self, datastore: Datastore, old: Datastore | None = None) -> Datastore:
        """See `Place.put`."""
        from ..shared.moving import publish

        return publish(datastore, self.attached(), old)
