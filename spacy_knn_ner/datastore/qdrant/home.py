"""Transactions of a datastore in Qdrant, and what other processes have changed."""

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import Errors, KnnNerError
from ...tags import TagSet
from ..disk import saved_index
from ..entries import METRIC_OF, EntryTable
from ..examples.base import CORRECTIONS, PARTS
from ..examples.rows import load_example
from ..rows import ENTRY, TAG
from .about import About, AboutPoint
from .change import Change
from .examples import MirroredExamples
from .index import EXACT, HNSW, QdrantIndexFactory
from .points import KEY, VECTOR_OF, Points, condition, is_part, present, removed
from .rows import QdrantRows
from .server import Server

if TYPE_CHECKING:
    from ..datastore import Datastore

# Of what was removed, so many changes are remembered; it is deleted as often.
_REMEMBERED = 1000
_TRIES = 3


class QdrantHome:
    """Keeps a datastore in Qdrant, and in step with it.

    server (Server): The connection.
    name (str): The datastore's.
    version (int): Of what is here; 0 before the first time.
    saved_index (dict[str, Any] | None): See `SharedHome`.
    """

    def __init__(
        self, server: Server, index: str = EXACT, *, creates: bool = False
    ) -> None:
        """server (Server): The connection.
        index (str): Of the store, `"exact"` (default) or `"hnsw"`.
        creates (bool): Make an empty datastore where there is none. Default: False.
        """
        self.server, self.name, self.index = server, server.name, index
        self.version, self._creates = 0, creates
        self.saved_index: dict[str, Any] | None = None
        self.point = AboutPoint(server)
        self.change = Change(server, self.point)
        self._examples = MirroredExamples()
        self._start()

    def _start(self) -> None:
        """Begin without a transaction."""
        self._pid, self._depth = os.getpid(), 0
        self._marks: list[tuple[int, int]] = []
        self._is_reading = self._has_failed = False

    def _make_ready(self) -> None:
        """Before each transaction."""
        if self._pid != os.getpid():  # those of the parent process are not ours
            self._start()
        if self._creates:
            self.point.create()
            with self.server.coded():
                if not self.server.client.collection_exists(
                    self.change.examples.collection
                ):
                    self.change.examples.create()
            self._creates = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pid": None}  # a copy is in no transaction

    def attach(self, datastore: "Datastore") -> None:
        """Keep a datastore here from now on.

        datastore (Datastore): An empty one, which is filled when it is first read.
        """
        datastore.home, datastore.examples = self, self._examples
        self._examples.shared = datastore
        for part in PARTS:
            table = EntryTable(rows=QdrantRows(self.change, part, datastore.dtype))
            if part != CORRECTIONS:
                table.index_factory = QdrantIndexFactory(self.index)
            setattr(datastore, part, table)

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
            about = self.point.lock()
            self._is_reading = True
            try:
                about = self._tidied(about)
                self._catch_up(datastore, about)
            except BaseException:
                self.point.unlock()
                raise
            finally:
                self._is_reading = False
            self.change.begin(datastore)
            self._has_failed = False
            self._examples.changed.clear()
        self._depth += 1
        self._marks.append(self._written())

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
        examples, change = self._examples, self.change
        change.write_examples(examples)
        tag_set, projection = datastore.tag_set, datastore.projection
        encoded = None
        if projection is not None:
            encoded = base64.b64encode(projection.astype("<f4").tobytes()).decode()
        about = replace(
            change.about,
            version=change.visible,
            dtype=datastore.dtype,
            scheme=tag_set.scheme,
            labels=tag_set.labels,
            fingerprint=datastore.fingerprint,
            projection=encoded,
            search=self.saved_index,
        )
        self.point.replace(about)
        change.see(about)
        change.ends()
        examples.changed.clear()
        self.version, self._depth, self._marks = about.version, 0, []

    def rollback(self) -> None:
        """See `Home.rollback`. What was written is deleted before the next change."""
        self._depth -= 1
        # Within a change, its parts cannot be told apart any more.
        self._has_failed |= self._marks.pop() != self._written()
        if not self._depth:
            self.change.ends()
            self.version = 0  # ids and examples: all is read again
            with suppress(KnnNerError):  # it is given up in a while
                self.point.unlock()

    def _tidied(self, about: About) -> About:
        """Take back what was interrupted; delete what is not read any more."""
        server = self.server
        entries = Points(server, f"{server.name}.entries.{about.generation}")
        collections = [self.change.examples]
        if about.generation:
            collections.append(entries)
        for points in collections:
            points.take_back(about.version)
        with server.coded():
            names = [c.name for c in server.client.get_collections().collections]
        for name in names:
            is_entries = name.startswith(f"{server.name}.entries.")
            if is_entries and name != entries.collection:
                Points(server, name).drop()
        if about.version - about.oldest >= 2 * _REMEMBERED:
            from qdrant_client import models

            oldest = about.version - _REMEMBERED
            gone = condition("removed", range=models.Range(lte=oldest))
            for points in collections:
                points.delete(models.Filter(must=[gone]))
            about = replace(about, oldest=oldest)
        return about

    # --- an approximate index ---------------------------------------------------------

    def make_index(self, datastore: "Datastore", metric: str) -> None:
        """See `Home.make_index`: Qdrant makes it, and goes on searching meanwhile."""
        if self.index == HNSW and datastore.store.width is not None:
            searched = METRIC_OF[metric == "cosine"]
            self.change.entries.make_index(VECTOR_OF[searched])

    def keep_index(self, datastore: "Datastore") -> None:
        """See `Home.keep_index`."""
        if datastore.store.fidelity is not None:
            found = saved_index.describe(datastore.store, {})
            if found != self.saved_index:
                with datastore.transaction():
                    self.saved_index = found

    # --- catching up ------------------------------------------------------------------

    def _catch_up(self, datastore: "Datastore", about: About) -> None:
        """Bring what is here up to date."""
        if about.version == self.version:
            self.change.see(about)
            return
        since, before, self.version = self.version, self.change.about, 0
        widths = {table.width or 0 for table in datastore.tables.values()}
        is_same = before.generation == about.generation and widths == {about.width}
        if since < max(about.oldest, about.reread) or not is_same:
            since = 0
        self.change.see(about)
        examples = self._examples
        if since == 0:
            examples.take_away(examples.ids())
            for table in datastore.tables.values():
                _rows(table).read_again(np.dtype(about.dtype), about.width)
                table.forget_index()
        self._read_examples(examples, about, since)
        tag_set = TagSet(about.scheme, about.labels)
        ids = {name: i for i, name in enumerate(tag_set.tags)}
        tags = np.array([ids.get(name, 0) for name in about.tags], TAG)
        for part, table in datastore.tables.items() if about.generation else ():
            self._read_entries(part, table, about, since, tags)
        datastore.dtype, datastore.tag_set = about.dtype, tag_set
        datastore.fingerprint, datastore.projection = about.fingerprint, None
        if about.projection is not None:
            flat = np.frombuffer(base64.b64decode(about.projection), "<f4")
            datastore.projection = flat.reshape(-1, about.width or 1)
        found, self.saved_index = self.saved_index, about.search
        if about.search and (since == 0 or found != about.search):
            saved_index.load(datastore.store, Path(), about.search)
        datastore.n_changes += 1
        datastore.n_rereads += since == 0
        self.version = about.version

    def _read_examples(
        self, examples: MirroredExamples, about: About, since: int
    ) -> None:
        points = self.change.examples
        if since:
            for found in points.read(removed(about.version, since=since)):
                examples.take_away([point.payload["example_id"] for point in found])
        for found in points.read(present(about.version, since=since)):
            names = ("example_id", "part", "annotation", "source")
            payloads = [point.payload for point in found]
            rows = [tuple(payload.get(name) for name in names) for payload in payloads]
            examples.take_over([*map(load_example, rows)], about.last_example_id)
        examples.take_over([], about.last_example_id)

    def _read_entries(
        self, part: str, table: EntryTable, about: About, since: int, tags: np.ndarray
    ) -> None:
        rows, points = _rows(table), self.change.entries
        if since:
            gone = removed(about.version, is_part(part), since=since)
            away = [point.id for found in points.read(gone) for point in found]
            table.removed_rows(rows.take_away(np.array(sorted(away), np.int64)))
        with_keys, width = part == CORRECTIONS, about.width
        new = present(about.version, is_part(part), since=since)
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
        rows.see(about.version, about.longest)


def _rows(table: EntryTable) -> QdrantRows:
    assert isinstance(table.rows, QdrantRows)
    return table.rows
