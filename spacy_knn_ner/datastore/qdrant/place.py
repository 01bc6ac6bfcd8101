"""A datastore in Qdrant, as a block of a component's config."""

from urllib.parse import urlsplit

from ...errors import Errors, KnnNerError
from ..shared.home import AUTO
from ..shared.place import SharedPlace, check_choice, check_name
from .home import QdrantHome
from .server import Layout, Server

_QUANTIZATION = (None, "scalar", "binary")


class Qdrant(SharedPlace):
    """Keeps a datastore in Qdrant.

    server (Server): The connection.
    index (str): Of the store.
    """

    def __init__(
        self,
        url: str = "http://localhost:6333",
        name: str = "knn_ner",
        when_away: str = "raise",
        index: str = AUTO,
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
        index (str): All keys are compared (`"exact"`), or Qdrant's index finds near
            ones (`"hnsw"`), whose distances are computed in float64; `"auto"` (default)
            is that from 10,000 entries on.
        shards, replicas, write_replicas (int), quantization (str | None): Of new
            collections; see `Layout`.
        RAISES (KnnNerError): If an argument is not valid, or the URL has a secret.
        """
        check_choice("quantization", quantization, _QUANTIZATION)
        try:
            has_secret = "@" in urlsplit(url).netloc
        except ValueError as error:
            raise KnnNerError(Errors.E126, reason=error) from None
        if has_secret:
            raise KnnNerError(Errors.E119)
        layout = Layout(shards, replicas, write_replicas, quantization)
        super().__init__(Server(url, check_name(name), layout), when_away, index)

    def home(self, *, creates: bool) -> QdrantHome:
        """See `SharedPlace.home`."""
        return QdrantHome(self.server, self.index, creates=creates)
