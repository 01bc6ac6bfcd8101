"""A search server: Elasticsearch or OpenSearch, through its own client."""

import os
from collections.abc import Sequence
from typing import Any, Literal

from ...errors import Errors, KnnNerError
from ...ml.extras import require
from ..base import Hit


class SearchServer:
    """One request for all queries of a batch (`_msearch`)."""

    def __init__(self, client: Any, index: str, field: str) -> None:
        """client (Any): Of Elasticsearch or OpenSearch.
        index (str): The index.
        field (str): Of its documents: the text.
        """
        self._client, self._index, self._field = client, index, field

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
        return [
            [
                Hit(h["_source"][self._field], float(h["_score"]))
                for h in a["hits"]["hits"]
            ]
            for a in answers
        ]


def make_search_server(
    index: str,
    field: str = "text",
    url: str | None = None,
    client: Literal["elasticsearch", "opensearch"] = "elasticsearch",
    time_limit: float = 5.0,
) -> SearchServer:
    """Make the engine of a search server, `spacy_knn_ner.SearchServer.v1`.

    Credentials are not part of a config, which is saved: they are read from
    SEARCH_API_KEY, or from SEARCH_USER and SEARCH_PASSWORD.

    index (str): The index.
    field (str): Of its documents: the text. Default: `"text"`.
    url (str | None): Of the server. Default: SEARCH_URL.
    client (str): `"elasticsearch"` (default) or `"opensearch"`.
    time_limit (float): For a request, in seconds. Default: 5.
    RAISES (KnnNerError): Without a URL, or if the client is not installed.
    """
    url = url or os.environ.get("SEARCH_URL")
    if not url or "@" in url:
        raise KnnNerError(Errors.E102)
    key = os.environ.get("SEARCH_API_KEY")
    user = os.environ.get("SEARCH_USER")
    login = (user, os.environ.get("SEARCH_PASSWORD", "")) if user else None
    package = "elasticsearch" if client == "elasticsearch" else "opensearchpy"
    found = require(package, "spacy_knn_ner.SearchServer.v1", "search-server")
    if client == "elasticsearch":
        access = {"api_key": key} if key else {"basic_auth": login} if login else {}
        made = found.Elasticsearch(url, request_timeout=time_limit, **access)
    else:
        headers = {"Authorization": f"ApiKey {key}"} if key else None
        made = found.OpenSearch(
            [url], timeout=time_limit, http_auth=login, headers=headers
        )
    return SearchServer(made, index, field)
