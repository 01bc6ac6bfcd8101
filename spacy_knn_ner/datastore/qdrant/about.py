"""What Qdrant says of a datastore: one point, which is changed in one step; and the
lock on changes, which is a part of it."""

import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ...errors import Errors, KnnNerError
from .points import condition
from .server import Server

FORMAT = 1
_ID = 0
_REMEMBERED = 32  # changes
# Seconds: how long a lock is held by a process that has died; between two tries; until
# a process gives up.
_LISTS = "labels", "tags", "commits"
LEASE, _PAUSE, _PATIENCE = 60.0, 0.05, 120.0


@dataclass(frozen=True)
class About:
    """The state of a datastore.

    version (int): Counts changes.
    oldest (int): The first version that can be caught up from: what was removed before
        is gone.
    reread (int): The version from which on all must be read again.
    generation (int): Of the collection of entries; 0: there is none.
    next_id, last_example_id (int): For new points, and the last example's.
    width (int): Of the keys; 0: not known yet.
    longest (float): The length of the longest key.
    tags (list[str]): The meaning of the entries' tags.
    commits (tuple[str, ...]): Who made the last changes.
    dtype, scheme, labels, fingerprint, projection, search: As in `Datastore`.
    """

    format: int = FORMAT
    version: int = 1
    oldest: int = 1
    reread: int = 1
    generation: int = 0
    next_id: int = 1
    last_example_id: int = 0
    width: int = 0
    longest: float = 0.0
    dtype: str = "float32"
    scheme: str = "BILUO"
    labels: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fingerprint: Any = None
    projection: Any = None
    search: Any = None
    commits: tuple[str, ...] = ()


class AboutPoint:
    """Reads and replaces the state, and holds the lock."""

    def __init__(self, server: Server) -> None:
        """server (Server): The connection."""
        self._server, self._owner = server, ""

    @property
    def collection(self) -> str:
        """The name of its collection."""
        return f"{self._server.name}.about"

    def create(self) -> None:
        """Make the state of an empty datastore, unless there is one."""
        from qdrant_client import models

        client = self._server.client
        with self._server.coded():
            if client.collection_exists(self.collection):
                return
            layout = self._server.layout
            client.create_collection(
                self.collection,
                vectors_config={},
                shard_number=1,  # changes are in order
                replication_factor=layout.replicas,
                write_consistency_factor=layout.write_replicas,
            )
            payload = {**_payload(About()), "until": 0.0, "owner": ""}
            point = models.PointStruct(id=_ID, vector={}, payload=payload)
            client.upsert(self.collection, [point], wait=True)

    def read(self) -> About:
        """Read the state.

        RAISES (KnnNerError): If there is no datastore, or one of another version.
        """
        return self._read()[0]

    def _read(self) -> tuple[About, str]:
        server = self._server
        with server.coded():
            client = server.client
            if not client.collection_exists(self.collection):
                raise KnnNerError(Errors.E120, name=server.name, url=server.url)
            found = client.retrieve(self.collection, [_ID], with_payload=True)
        payload = dict(found[0].payload)
        if payload["format"] != FORMAT:
            known = [FORMAT]
            raise KnnNerError(
                Errors.E033, path=str(server), found=payload["format"], known=known
            )
        names = {field.name for field in fields(About)}
        values = {k: v for k, v in payload.items() if k in names}
        for name in _LISTS:
            values[name] = tuple(values[name])
        return About(**values), payload["owner"]

    def lock(self) -> About:
        """Wait until no other process is changing the datastore.

        RETURNS (About): The state.
        RAISES (KnnNerError): If that takes too long.
        """
        owner, end = uuid.uuid4().hex, time.monotonic() + _PATIENCE
        while True:
            now = time.time()
            self._set({"owner": owner, "until": now + LEASE}, "until", now)
            about, found = self._read()
            if found == owner:
                self._owner = owner
                return about
            if time.monotonic() > end:
                raise KnnNerError(Errors.E127, name=self._server.name)
            time.sleep(_PAUSE)

    def renew(self) -> None:
        """Hold the lock for longer.

        RAISES (KnnNerError): If it was lost.
        """
        self._set({"until": time.time() + LEASE}, "owner", self._owner)
        if self._read()[1] != self._owner:
            raise KnnNerError(Errors.E127, name=self._server.name)

    def replace(self, about: About) -> None:
        """Replace the state, and give the lock back.

        about (About): The new state.
        RAISES (KnnNerError): If the lock was lost; then nothing has changed.
        """
        commits = (*about.commits, self._owner)[-_REMEMBERED:]
        payload = {**_payload(replace(about, commits=commits)), "until": 0.0}
        self._set(payload, "owner", self._owner)
        if self._owner not in self._read()[0].commits:
            raise KnnNerError(Errors.E127, name=self._server.name)
        self._owner = ""

    def unlock(self) -> None:
        """Give the lock back."""
        self._set({"until": 0.0}, "owner", self._owner)
        self._owner = ""

    def _set(self, payload: dict[str, Any], key: str, value: Any) -> None:
        """Change the point if `key` is `value` (a name), or less than it (a time)."""
        from qdrant_client import models

        if isinstance(value, float):
            only = condition(key, range=models.Range(lt=value))
        else:
            only = condition(key, match=models.MatchValue(value=value))
        here = models.HasIdCondition(has_id=[_ID])
        with self._server.coded():
            self._server.client.set_payload(
                self.collection,
                payload,
                points=models.Filter(must=[here, only]),
                wait=True,
                ordering=models.WriteOrdering.STRONG,
            )


def _payload(about: About) -> dict[str, Any]:
    values = asdict(about)
    return {**values, **{name: list(values[name]) for name in _LISTS}}
