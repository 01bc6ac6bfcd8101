"""Transactions of a datastore in Qdrant, and what other processes have changed."""

import base64
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ...errors import Errors, KnnNerError
from ...tags import TagSet
from ..entries import METRIC_OF
from ..examples.base import CORRECTIONS, PARTS
from ..examples.rows import load_example
from ..rows import ENTRY, TAG
from ..shared.home import AUTO, RemoteHome
from .about import About, AboutPoint
from .change import Change
from .examples import MirroredExamples
from .index import QdrantIndexFactory
from .points import KEY, VECTOR_OF, Points, condition, existed, is_part
from .rows import QdrantRows
from .server import Server

if TYPE_CHECKING:
    from ..datastore import Datastore

# Of what was removed, so many changes are remembered; it is deleted as often.
_REMEMBERED = 1000
# Seconds for which keys that were replaced by others can still be searched.
_KEPT = 600.0
_TRIES = 3


class QdrantHome(RemoteHome):
    """Keeps a datastore in Qdrant, and in step with it.

    server (Server): The connection.
    """

    def __init__(
        self, server: Server, index: str = AUTO, *, creates: bool = False
    ) -> None:
        """server (Server): The connection.
        index (str): Of the store, `"auto"` (default), `"exact"` or `"hnsw"`.
        creates (bool): Make an empty datastore where there is none. Default: False.
        """
        self.server = server
        self.point = AboutPoint(server)
        self.change = Change(server, self.point)
        self._examples = MirroredExamples()
        factory = QdrantIndexFactory(index)
        super().__init__(server.name, index, factory, creates=creates)

    def _start(self) -> None:
        super()._start()
        self._marks: list[tuple[int, int]] = []
        self._has_failed = self._is_committing = False

    def exists(self) -> bool:
        """See `RemoteHome.exists`."""
        return self.point.is_there()

    def _create(self) -> None:
        self.point.create(self.change.examples)

    def _make_examples(self, datastore: "Datastore") -> MirroredExamples:
        self._examples.shared = datastore
        return self._examples

    def _make_rows(self, part: str, dtype: str) -> QdrantRows:
        return QdrantRows(self.change, part, dtype)

    # --- transactions -----------------------------------------------------------------

    @contextmanager
    def reading(self, datastore: "Datastore") -> Iterator[None]:
        """See `Home.reading`; also within each other, and in a change."""
        self._make_ready()
        if self._is_reading or self._depth:
            yield
            return
        self._is_reading = True
        try:
            self._see_newest(datastore)
            yield
        finally:
            self._is_reading = False

    def _see_newest(self, datastore: "Datastore") -> None:
        for tries in range(1, _TRIES + 1):
            about = self.point.read()
            try:
                self._catch_up(datastore, about)
                return
            except KnnNerError:
                # What it reads may have been replaced meanwhile.
                if tries == _TRIES or self.point.read().version == about.version:
                    raise

    def begin(self, datastore: "Datastore") -> None:
        """See `Home.begin`."""
        self._make_ready()
        if not self._depth:
            self._begin(datastore)
        self._depth += 1
        self._marks.append(self._written())

    def _begin(self, datastore: "Datastore") -> None:
        with self.reading(datastore):  # what takes long, before the lock
            pass
        about, version = self.point.lock()
        self._is_reading = True
        try:
            about = self._tidied(about, version)
            self._catch_up(datastore, about)
            self._remember()
        except BaseException:
            self.point.unlock()
            raise
        finally:
            self._is_reading = False
        self.change.begin(datastore, version)
        self._has_failed = self._is_committing = False
        self._examples.changed.clear()

    def _written(self) -> tuple[int, int]:
        """What tells whether anything was written."""
        return self.change.n_written, len(self._examples.changed)

    def commit(self, datastore: "Datastore") -> None:
        """See `Home.commit`."""
        if self._depth > 1:
            self._depth -= 1
            self._marks.pop()
            return
        if self._has_failed:
            raise KnnNerError(Errors.E126, reason="a part of the change has failed")
        self._is_committing = True  # from here on, examples are changed in this process
        examples, change = self._examples, self.change
        change.write_examples(examples)
        tag_set, projection = datastore.tag_set, datastore.projection
        encoded = None
        if projection is not None:
            encoded = base64.b64encode(projection.astype("<f4").tobytes()).decode()
        about = replace(
            change.about,
            version=change.version,
            dtype=datastore.dtype,
            scheme=tag_set.scheme,
            labels=tag_set.labels,
            fingerprint=datastore.fingerprint,
            projection=encoded,
            search=self.saved_index,
            correction_radius=self.correction_radius,
        )
        self.point.replace(about)
        change.about = about
        change.ends()
        examples.changed.clear()
        self.version, self._depth, self._marks = about.version, 0, []

    def rollback(self) -> None:
        """See `Home.rollback`. What was written is deleted before the next change."""
        self._depth -= 1
        # Within a change, its parts cannot be told apart any more.
        self._has_failed |= self._marks.pop() != self._written()
        if not self._depth:
            unused = None if self.change.n_written else self.change.version
            self.change.ends()
            self._take_back()
            if self._is_committing:
                self.version = 0  # all is read again
            with suppress(KnnNerError):  # it is given up in a while
                self.point.unlock(unused)

    def _tidied(self, about: About, version: int) -> About:
        """Take back what was interrupted; delete what is not read any more. Nothing of
        another process that has taken over the lock: its version is higher.

        version (int): Of the change that begins.
        """
        server, collections = self.server, [self.change.examples]
        present = f"{server.name}.entries.{about.generation}"
        if about.generation:
            collections.append(Points(server, present))
        for points in collections:
            points.take_back(about.aborted)
        if time.time() - about.replaced_at > _KEPT:
            with server.coded():
                found = server.client.get_collections().collections
            for name in (collection.name for collection in found):
                found_of = re.fullmatch(rf"{server.name}\.entries\.(\d+)", name)
                is_old = found_of and int(found_of[1]) < version
                if is_old and name != present:
                    Points(server, name).drop()
        if about.version - about.oldest >= 2 * _REMEMBERED:
            from qdrant_client import models

            # Processes that have seen less than this read all again, already now.
            gone = condition("removed", range=models.Range(lte=about.oldest))
            for points in collections:
                points.delete(models.Filter(must=[gone]))
            about = replace(about, oldest=about.version - _REMEMBERED)
        return about

    # --- an approximate index ---------------------------------------------------------

    def make_index(self, datastore: "Datastore", metric: str) -> None:
        """See `Home.make_index`: Qdrant makes it, and goes on searching meanwhile."""
        if self._wants_index(datastore):
            searched = METRIC_OF[metric == "cosine"]
            self.change.entries.make_index(VECTOR_OF[searched])

    # --- catching up ------------------------------------------------------------------

    def _catch_up(self, datastore: "Datastore", about: About) -> None:
        """Bring what is here up to date."""
        before, self.change.about = self.change.about, about
        if self._is_current(datastore, about):
            self._search_now(datastore)
            return
        since, self.version = self._seen(about), 0
        widths = {table.width or 0 for table in datastore.tables.values()}
        is_same = before.generation == about.generation and widths == {about.width}
        examples = self._examples
        if since < max(about.oldest, about.reread) or not is_same:
            since = 0
            examples.take_away(examples.ids())
            self._read_again(datastore, about)
        self._read_examples(examples, about, since)
        ids = {tag: i for i, tag in enumerate(TagSet(about.scheme, about.labels).tags)}
        tags = np.array([ids.get(name, 0) for name in about.tags], TAG)
        for part in PARTS if about.generation else ():
            self._read_entries(datastore, part, about, since, tags)
        self._search_now(datastore)
        projection = about.projection and base64.b64decode(about.projection)
        self._take_over_state(datastore, about, projection, is_reread=since == 0)

    def _search_now(self, datastore: "Datastore") -> None:
        """Search what is visible now, also after a change that was taken back."""
        for part in PARTS:
            rows = self._rows(datastore, part)
            assert isinstance(rows, QdrantRows)
            rows.search_now()

    def _read_examples(
        self, examples: MirroredExamples, about: About, since: int
    ) -> None:
        points = self.change.examples
        if since:
            gone = about.visible.removed(existed(since), since=since)
            for found in points.read(gone):
                examples.take_away([point.payload["example_id"] for point in found])
        for found in points.read(about.visible.present(since=since)):
            names = ("example_id", "part", "annotation", "source")
            payloads = [point.payload for point in found]
            rows = [tuple(payload.get(name) for name in names) for payload in payloads]
            examples.take_over([*map(load_example, rows)], about.last_example_id)
        examples.take_over([], about.last_example_id)

    def _read_entries(
        self,
        datastore: "Datastore",
        part: str,
        about: About,
        since: int,
        tags: np.ndarray,
    ) -> None:
        rows, points = self._rows(datastore, part), self.change.entries
        if since:
            gone = about.visible.removed(existed(since), is_part(part), since=since)
            away = [point.id for found in points.read(gone) for point in found]
            datastore.tables[part].removed_rows(
                rows.take_away(np.array(sorted(away), np.int64))
            )
        with_keys, width = part == CORRECTIONS, about.width
        new = about.visible.present(is_part(part), since=since)
        for found in points.read(new, with_keys=with_keys):
            entries = np.zeros(len(found), ENTRY)
            for name in ("example_id", "token", "weight"):
                entries[name] = [point.payload[name] for point in found]
            keys = np.zeros((len(found), 0), np.float32)
            if with_keys:
                vectors = [point.vector[KEY] for point in found]
                keys = np.array(vectors, about.dtype).reshape(-1, width)
            ids = np.array([point.id for point in found], np.int64)
            given = tags[[point.payload["tag"] for point in found]]
            rows.take_over(ids, keys, entries, given)
