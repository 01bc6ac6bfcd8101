"""A connection to Qdrant."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import Errors, KnnNerError
from ...ml.extras import require

API_KEY = "QDRANT_API_KEY"  # an environment variable
MEMORY = ":memory:"
_TIMEOUT = 30  # seconds
# Seconds after a request that failed until the next one is tried.
_PAUSE = 0.5
_AWAY = 502  # HTTP status, with 503 and 504: of a proxy, or while it starts
# Of this process, by URL: stores in memory, and in folders, which one client at a time
# may use.
CLIENTS: dict[str, Any] = {}


@dataclass(frozen=True)
class Layout:
    """How a cluster keeps the collections.

    shards (int): Of each collection. Default: 1.
    replicas (int): Of each shard. Default: 1.
    write_replicas (int): That must have a change before it counts. Default: 1.
    quantization (str | None): Of what an HNSW index reads: `"scalar"`, `"binary"` or
        none (default). Keys are kept whole beside it.
    """

    shards: int = 1
    replicas: int = 1
    write_replicas: int = 1
    quantization: str | None = None


class Server:
    """A connection, made when it is used: also again after a fork, or in a copy.

    url (str): `"http://host:6333"`; a folder, or `":memory:NAME"`, for trying it.
    name (str): The datastore's, which the names of its collections begin with.
    layout (Layout): How a cluster keeps it.
    """

    def __init__(self, url: str, name: str, layout: Layout) -> None:
        """url (str), name (str), layout (Layout): See above.
        RAISES (KnnNerError): If the client is not installed.
        """
        require("qdrant_client", "A store in Qdrant", "qdrant")
        self.url, self.name, self.layout = url, name, layout
        self._client: Any = None
        self._failed_at, self._reason = -_PAUSE, ""
        self._pid = os.getpid()

    def __str__(self) -> str:
        return f"{self.url} ({self.name})"

    @property
    def is_local(self) -> bool:
        """Whether it is in this process."""
        return not self.url.startswith(("http://", "https://"))

    @property
    def client(self) -> Any:
        """The client (qdrant_client.QdrantClient).

        RAISES (KnnNerError): If there is none, or the server was away just now.
        """
        if time.monotonic() - self._failed_at < _PAUSE:
            raise KnnNerError(Errors.E125, url=self.url, reason=self._reason)
        with self.coded():
            return self._client_of_process()

    def _client_of_process(self) -> Any:
        from qdrant_client import QdrantClient

        if self.is_local and self.url not in CLIENTS:
            is_memory = self.url.startswith(MEMORY)
            CLIENTS[self.url] = QdrantClient(
                MEMORY if is_memory else None,
                path=None if is_memory else self.url,
                force_disable_check_same_thread=True,
            )
        if self.url in CLIENTS:
            return CLIENTS[self.url]
        if self._client is None or self._pid != os.getpid():
            self._pid = os.getpid()
            key = os.environ.get(API_KEY)
            self._client = QdrantClient(self.url, api_key=key, timeout=_TIMEOUT)
        return self._client

    @contextmanager
    def coded(self) -> Iterator[None]:
        """Make what the client raises an error that says what to do.

        RAISES (KnnNerError): In place of those.
        """
        from qdrant_client.http.exceptions import (
            ApiException,
            ResponseHandlingException,
            UnexpectedResponse,
        )

        try:
            yield
        except KnnNerError:
            raise
        except (ResponseHandlingException, UnexpectedResponse) as error:
            reason = " ".join(str(error).split())
            if getattr(error, "status_code", _AWAY) not in range(_AWAY, _AWAY + 3):
                raise KnnNerError(Errors.E126, reason=reason) from error
            self._failed_at, self._reason = time.monotonic(), reason
            raise KnnNerError(Errors.E125, url=self.url, reason=reason) from error
        except (ApiException, ValueError, OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise KnnNerError(Errors.E126, reason=reason) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "name": self.name, "layout": asdict(self.layout)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        layout = Layout(**state["layout"])
        self.__init__(state["url"], state["name"], layout)  # type: ignore[misc]
