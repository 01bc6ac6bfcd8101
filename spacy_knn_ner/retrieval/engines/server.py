"""A search server: Elasticsearch or OpenSearch, through its own client."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from ...errors import Errors, KnnNerError
from ...ml.extras import require
from ..base import Hit

Package = Literal["elasticsearch", "opensearch"]


class SearchServer:
    """One request for all queries of a batch (`_msearch`)."""

    def __init__(self, connect: Callable[[], Any], index: str, field: str) -> None:
        """connect (Callable[[], Any]): Makes a client of Elasticsearch or OpenSearch.
        index (str): The index.
        field (str): Of its documents: the text.
        """
        self._connect, self._index, self._field = connect, index, field
        self._connected: tuple[int, Any] | None = None

    @property
    def _client(self) -> Any:
        # A process that was forked must not read from its parent's connection: it
        # would get the answers to other queries.
        if self._connected is None or self._connected[0] != os.getpid():
            self._connected = os.getpid(), self._connect()
        return self._connected[1]

    def __reduce__(self) -> Any:
        """For other processes, which connect themselves."""
        return SearchServer, (self._connect, self._index, self._field)

    def search(self, queries: Sequence[str], n: int) -> list[list[Hit]]:
        """Search for texts that match; see `Engine.search`."""
        lines: list[dict[str, Any]] = []
        for query in queries:
            lines.append({"index": self._index})
            match = {"match": {self._field: query}}
            lines.append({"query": match, "size": n, "_source": [self._field]})
        answers = self._client.msearch(body=lines)["responses"]
        failed = next((a["error"] for a in answers if "error" in a), None)
        if failed is not None:
            raise RuntimeError(str(failed)[:200])
        found = [
            [(self._text_of(h["_source"]), h["_score"]) for h in answer["hits"]["hits"]]
            for answer in answers
        ]
        texts = [text for hits in found for text, _ in hits]
        if texts and not any(texts):
            raise RuntimeError(f"no document that was found has a text, {self._field}")
        return [[Hit(t, float(score)) for t, score in hits if t] for hits in found]

    def _text_of(self, document: Any) -> str | None:
        """The text of a document, as it was indexed; None if it has none."""
        if isinstance(document.get(self._field), str):
            return document[self._field]
        for name in self._field.split("."):
            document = document.get(name) if isinstance(document, dict) else None
        return document if isinstance(document, str) else None


def make_search_server(
    index: str,
    field: str = "text",
    url: str | None = None,
    client: Package = "elasticsearch",
    time_limit: float = 5.0,
) -> SearchServer:
    """Make the engine of a search server, `spacy_knn_ner.SearchServer.v1`.

    Credentials are not part of a config, which is saved: they are read from
    SEARCH_API_KEY, or from SEARCH_USER and SEARCH_PASSWORD.

    index (str): The index.
    field (str): Of its documents: the text; `"a.b"`: b within a. Default: `"text"`.
    url (str | None): Of the server. Default: SEARCH_URL.
    client (str): `"elasticsearch"` (default) or `"opensearch"`.
    time_limit (float): For a request, in seconds. Default: 5.
    RAISES (KnnNerError): Without a URL, or if the client is not installed.
    """
    url = url or os.environ.get("SEARCH_URL")
    if not url or "@" in url:
        raise KnnNerError(Errors.E102)
    _package(client)
    return SearchServer(partial(_connect, client, url, time_limit), index, field)


def _package(client: Package) -> Any:
    name = "elasticsearch" if client == "elasticsearch" else "opensearchpy"
    return require(name, "spacy_knn_ner.SearchServer.v1", "search-server")


def _connect(client: Package, url: str, time_limit: float) -> Any:
    key, user = os.environ.get("SEARCH_API_KEY"), os.environ.get("SEARCH_USER")
    login = (user, os.environ.get("SEARCH_PASSWORD", "")) if user else None
    package = _package(client)
    if client == "elasticsearch":
        access = {"api_key": key} if key else {"basic_auth": login} if login else {}
        return package.Elasticsearch(url, request_timeout=time_limit, **access)
    headers = {"Authorization": f"ApiKey {key}"} if key else None
    return package.OpenSearch(
        [url], timeout=time_limit, http_auth=login, headers=headers
    )
