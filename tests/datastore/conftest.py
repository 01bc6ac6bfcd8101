"""Databases for tests of stores in them."""

import postgres
import pytest

from spacy_knn_ner.datastore.postgres.place import Postgres
from spacy_knn_ner.datastore.qdrant.place import Qdrant


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with postgres.running(tmp_path_factory.mktemp("pg")) as server:
        yield server.url


@pytest.fixture(scope="module")
def edge():
    """A URL and the engine behind it."""
    pytest.importorskip("qdrant_edge")
    import qdrant_edge_client

    with qdrant_edge_client.running(indexed_from=1) as found:
        yield found


@pytest.fixture(params=["postgres", "qdrant", "qdrant_edge"])
def engine(request):
    """Makes a place in a database."""
    kind, url = Qdrant, ":memory:"
    if request.param == "postgres":
        kind, url = Postgres, request.getfixturevalue("url")
    elif request.param == "qdrant_edge":
        url, _ = request.getfixturevalue("edge")
    return lambda name=None, **how: kind(url, name or postgres.new_name(), **how)
