"""What Qdrant says of a datastore: one point, which is changed in one step; and the
lock on changes, which is a part of it."""

import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ...errors import Errors, KnnNerError
from .points import Points, Visible, condition
from .server import Server

FORMAT = 1
_ID = 0
_COMMITS = 32  # so many are remembered
_LISTS = "labels", "tags", "commits", "aborted"
# Seconds: how long a lock is held by a process that has died; between two tries; until
# a process gives up.
LEASE, _PAUSE, _PATIENCE = 60.0, 0.05, 120.0
# Seconds until what another process has begun to create is thought abandoned.
ABANDONED = 30.0


@dataclass(frozen=True)
class About:
    """The state of a datastore.

    store_id, version, width, search, correction_radius: See `State`.
    aborted (tuple[int]): Versions of changes that were not made; see `Visible`.
    oldest (int): The first version that can be caught up from: what was removed before
        is gone.
    reread (int): The version from which on all must be read again.
    generation (int): The version that made the collection of entries; 0: there is none.
    replaced_at (float): When it did, in seconds.
    last_example_id (int): New ones follow it.
    longest (float): The length of the longest key.
    tags (list[str]): The meaning of the entries' tags.
    commits (tuple[str, ...]): Who made the last changes.
    dtype, scheme, labels, fingerprint, projection: As in `Datastore`.
    """

    format: int = FORMAT
    store_id: str = ""
    version: int = 1
    aborted: tuple[int, ...] = ()
    oldest: int = 1
    reread: int = 1
    generation: int = 0
    replaced_at: float = 0.0
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
    correction_radius: float | None = None
    commits: tuple[str, ...] = ()

    @property
    def visible(self) -> Visible:
        """The points that are read."""
        return Visible(self.version, self.aborted)


class AboutPoint:
    """Reads and replaces the state, and holds the lock."""

    def __init__(self, server: Server) -> None:
        """server (Server): The connection."""
        self._server, self._owner = server, ""
        self._renewed_at = self._waits_since = 0.0

    @property
    def collection(self) -> str:
        """The name of its collection."""
        return f"{self._server.name}.about"

    def create(self, examples: Points) -> None:
        """Make the state of an empty datastore, unless there is one.

        examples (Points): Its examples, which are made too.
        """
        from qdrant_client import models

        begun = self._begin_to_create()
        while not begun and not self.is_there():
            # The process that has begun may have died.
            begun = time.monotonic() - self._waits_since > ABANDONED
            time.sleep(_PAUSE)
        if not begun:
            return
        if not examples.exists():
            examples.create()
        state = _payload(About(store_id=uuid.uuid4().hex))
        payload = {**state, "until": 0.0, "owner": "", "claimed": 1}
        point = models.PointStruct(id=_ID, vector={}, payload=payload)
        # Another process may have thought that this one had died, and made it.
        never = condition("format", match=models.MatchValue(value=-1))
        with self._server.coded():
            self._server.client.upsert(
                self.collection,
                [point],
                wait=True,
                update_filter=models.Filter(must=[never]),
            )

    def _begin_to_create(self) -> bool:
        """Make the collection; False if there is one. A server makes one of a name."""
        layout = self._server.layout
        self._waits_since = time.monotonic()
        if self._exists():
            return False
        try:
            with self._server.coded():
                self._server.client.create_collection(
                    self.collection,
                    vectors_config={},
                    shard_number=1,  # changes are in order
                    replication_factor=layout.replicas,
                    write_consistency_factor=layout.write_replicas,
                )
        except KnnNerError:
            if self._exists():  # another process was faster
                return False
            raise
        return True

    def _exists(self) -> bool:
        with self._server.coded():
            return self._server.client.collection_exists(self.collection)

    def is_there(self) -> bool:
        """Check whether there is a datastore."""
        return self._exists() and self._payload() is not None

    def _payload(self) -> dict[str, Any] | None:
        """What the point has."""
        how = {"consistency": "majority"} if self._server.layout.replicas > 1 else {}
        with self._server.coded():
            found = self._server.client.retrieve(
                self.collection, [_ID], with_payload=True, **how
            )
        return dict(found[0].payload) if found else None

    def read(self) -> About:
        """Read the state.

        RAISES (KnnNerError): If there is no datastore, or one of another version.
        """
        return self._read()[0]

    def _read(self) -> tuple[About, dict[str, Any]]:
        """The state, and all that the point has."""
        server = self._server
        payload = self._payload() if self._exists() else None
        if payload is None:
            raise KnnNerError(Errors.E120, name=server.name, url=server.url)
        if payload["format"] != FORMAT:
            known = [FORMAT]
            raise KnnNerError(
                Errors.E033, path=str(server), found=payload["format"], known=known
            )
        names = {field.name for field in fields(About)}
        values = {k: v for k, v in payload.items() if k in names}
        for name in _LISTS:
            values[name] = tuple(values[name])
        return About(**values), payload

    # --- the lock -------------------------------------------------------------------

    def lock(self) -> tuple[About, int]:
        """Wait until no other process is changing the datastore.

        RETURNS (tuple[About, int]): The state, with the changes that were aborted, and
            the version of the change that may be made: no other process uses it.
        RAISES (KnnNerError): If that takes too long.
        """
        owner, end = uuid.uuid4().hex, time.monotonic() + _PATIENCE
        while True:
            claimed, now = self._read()[1]["claimed"], time.time()
            mine = {"owner": owner, "until": now + LEASE, "claimed": claimed + 1}
            self._set(mine, until=now, claimed=claimed)
            about, payload = self._read()
            if payload["owner"] == owner:
                break
            if time.monotonic() > end:
                raise KnnNerError(Errors.E127, name=self._server.name)
            time.sleep(_PAUSE)
        self._owner, self._renewed_at = owner, now
        earlier = (n for n in about.aborted if n > about.oldest)
        aborted = (*earlier, *range(about.version + 1, claimed + 1))
        return replace(about, aborted=aborted), claimed + 1

    def renew(self) -> None:
        """Hold the lock for longer; often, while much is written.

        RAISES (KnnNerError): If it was lost.
        """
        now = time.time()
        if now - self._renewed_at < LEASE / 10:
            return
        self._set({"until": now + LEASE}, owner=self._owner)
        if self._read()[1]["owner"] != self._owner:
            raise KnnNerError(Errors.E127, name=self._server.name)
        self._renewed_at = now

    def replace(self, about: About) -> None:
        """Replace the state, and give the lock back.

        about (About): The new state.
        RAISES (KnnNerError): If the lock was lost; then nothing has changed.
        """
        commits = (*about.commits, self._owner)[-_COMMITS:]
        payload = {**_payload(replace(about, commits=commits)), "until": 0.0}
        self._set(payload, owner=self._owner)
        if self._owner not in self._read()[0].commits:
            raise KnnNerError(Errors.E127, name=self._server.name)
        self._owner = ""

    def unlock(self, unused: int | None = None) -> None:
        """Give the lock back.

        unused (int | None): The version that was claimed, if nothing was written.
        """
        payload: dict[str, Any] = {"until": 0.0}
        if unused is not None:
            payload["claimed"] = unused - 1
        self._set(payload, owner=self._owner)
        self._owner = ""

    def _set(self, payload: dict[str, Any], **only: Any) -> None:
        """Change the point if it has these values; or less than it, of `until`."""
        from qdrant_client import models

        conditions = [
            condition(key, range=models.Range(lt=value))
            if key == "until"
            else condition(key, match=models.MatchValue(value=value))
            for key, value in only.items()
        ]
        here = models.HasIdCondition(has_id=[_ID])
        with self._server.coded():
            self._server.client.set_payload(
                self.collection,
                payload,
                points=models.Filter(must=[here, *conditions]),
                wait=True,
                ordering=models.WriteOrdering.STRONG,
            )


def _payload(about: About) -> dict[str, Any]:
    values = asdict(about)
    return {**values, **{name: list(values[name]) for name in _LISTS}}
