"""Qdrant's engine in this process: the requests of `qdrant_client.QdrantClient` that a
datastore makes, answered by shards of `qdrant-edge-py`.

Requests over HTTP, several shards and replicas are what it does not show."""

import itertools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import qdrant_edge as edge
from qdrant_client import models

from spacy_knn_ner.datastore.qdrant import server

_URLS = (f"http://qdrant-edge-{i}" for i in itertools.count())
_NO_VECTOR = "none"  # a shard must have one


@contextmanager
def running(indexed_from: int | None = None) -> Iterator[tuple[str, "EdgeClient"]]:
    """Start an engine for this process.

    indexed_from (int | None): Size of a segment, in kB, from which on it gets an index.
        Default: the engine's.
    YIELDS (tuple[str, EdgeClient]): The URL to use for it, and the client behind it.
    """
    url = next(_URLS)
    memory = Path("/dev/shm")  # it waits for the disk with each change
    with tempfile.TemporaryDirectory(
        dir=memory if memory.exists() else None
    ) as temporary:
        client = EdgeClient(Path(temporary), indexed_from)
        server.CLIENTS[url] = client
        try:
            yield url, client
        finally:
            del server.CLIENTS[url]
            client.close()


class EdgeClient:
    """Answers as `QdrantClient` does, with a shard per collection.

    folder (Path): With a folder per shard.
    indexed_from (int | None): See `running`.
    """

    def __init__(self, folder: Path, indexed_from: int | None = None) -> None:
        """folder (Path), indexed_from (int | None): See above."""
        self._folder = folder
        self._optimizers = edge.EdgeOptimizersConfig(indexing_threshold=indexed_from)
        self._shards: dict[str, edge.EdgeShard] = {}
        self._vectors: dict[str, dict[str, models.VectorParams]] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """End."""
        for name in [*self._shards]:
            self.delete_collection(name)

    def optimize(self) -> int:
        """Make the indexes; a server does so by itself.

        RETURNS (int): Their size, in bytes.
        """
        for shard in self._shards.values():
            while shard.optimize():
                pass
        return self.sizes()[1]

    def sizes(self) -> tuple[int, int]:
        """Measure the files, in bytes.

        RETURNS (tuple[int, int]): Of points, and of indexes.
        """
        found = [0, 0]
        for path in self._folder.rglob("*"):
            if path.is_file():
                is_index = any(part.startswith("vector_index") for part in path.parts)
                found[is_index] += path.stat().st_blocks * 512  # what is in use
        return found[0], found[1]

    # --- collections ------------------------------------------------------------------

    def collection_exists(self, name: str) -> bool:
        return name in self._shards

    def get_collections(self) -> Any:
        named = [SimpleNamespace(name=name) for name in self._shards]
        return SimpleNamespace(collections=named)

    def create_collection(
        self, name: str, vectors_config: dict[str, models.VectorParams], **_: Any
    ) -> None:
        with self._lock:
            if name in self._shards:
                raise ValueError(f"Collection {name} already exists")
            self._vectors[name] = dict(vectors_config)
            folder = self._folder / name
            folder.mkdir(parents=True)
            self._shards[name] = edge.EdgeShard.create(str(folder), self._config(name))

    def _config(self, name: str) -> edge.EdgeConfig:
        vectors = {key: _vector(how) for key, how in self._vectors[name].items()}
        if not vectors:
            vectors[_NO_VECTOR] = edge.EdgeVectorParams(1, edge.Distance.Dot)
        return edge.EdgeConfig(vectors, optimizers=self._optimizers)

    def delete_collection(self, name: str) -> None:
        with self._lock:
            self._shard(name).close()
            del self._shards[name]
            shutil.rmtree(self._folder / name)

    def get_collection(self, name: str) -> Any:
        params = SimpleNamespace(vectors=self._vectors[name])
        return SimpleNamespace(config=SimpleNamespace(params=params))

    def update_collection(
        self, name: str, vectors_config: dict[str, models.VectorParamsDiff]
    ) -> None:
        with self._lock:
            for key, how in vectors_config.items():
                self._vectors[name][key].hnsw_config = how.hnsw_config
            self._shard(name).close()
            folder = str(self._folder / name)
            self._shards[name] = edge.EdgeShard.load(folder, self._config(name))

    def create_payload_index(
        self, name: str, field: str, schema: Any, **_: Any
    ) -> None:
        kind = getattr(edge.PayloadSchemaType, schema.value.capitalize())
        self._update(name, edge.UpdateOperation.create_field_index(field, kind))

    def _shard(self, name: str) -> edge.EdgeShard:
        if name not in self._shards:
            raise ValueError(f"Collection {name} not found")
        return self._shards[name]

    # --- points -----------------------------------------------------------------------

    def upsert(
        self, name: str, points: Any, update_filter: Any = None, **_: Any
    ) -> None:
        if isinstance(points, models.Batch):
            ids, payloads = points.ids, points.payloads or [{}] * len(points.ids)
            given: Any = points.vectors
            keys, rows = [*given], zip(*given.values(), strict=True)
            vectors = [dict(zip(keys, row, strict=True)) for row in rows]
        else:
            ids = [point.id for point in points]
            payloads = [point.payload for point in points]
            vectors = [point.vector for point in points]
        if not self._vectors[name]:
            vectors = [{} for _ in ids]
        made = [*map(edge.Point, ids, vectors, payloads)]
        only = None if update_filter is None else _filter(update_filter)
        self._update(name, edge.UpdateOperation.upsert_points(made, only))

    def set_payload(self, name: str, payload: Any, points: Any, **_: Any) -> None:
        make = edge.UpdateOperation
        if isinstance(points, list):
            self._update(name, make.set_payload(points, payload))
        else:
            self._update(name, make.set_payload_by_filter(_filter(points), payload))

    def delete_payload(self, name: str, keys: list[str], points: Any, **_: Any) -> None:
        make = edge.UpdateOperation.delete_payload_by_filter
        self._update(name, make(_filter(points), keys))

    def delete(self, name: str, selector: models.FilterSelector, **_: Any) -> None:
        make = edge.UpdateOperation.delete_points_by_filter
        self._update(name, make(_filter(selector.filter)))

    def _update(self, name: str, operation: edge.UpdateOperation) -> None:
        with self._lock:  # as a shard of a server: one after the other
            self._shard(name).update(operation)

    # --- reading ----------------------------------------------------------------------

    def retrieve(
        self,
        name: str,
        ids: list[Any],
        with_payload: bool = True,
        with_vectors: Any = False,
    ) -> Any:
        return self._shard(name).retrieve(ids, with_payload, with_vectors)

    def scroll(
        self,
        name: str,
        scroll_filter: models.Filter,
        limit: int,
        offset: Any,
        with_payload: bool,
        with_vectors: Any,
    ) -> Any:
        where = _filter(scroll_filter)
        return self._shard(name).scroll(
            edge.ScrollRequest(offset, limit, where, with_payload, with_vectors)
        )

    def query_batch_points(self, name: str, requests: list[Any]) -> list[Any]:
        made = [
            edge.QueryRequest(
                limit=request.limit,
                query=edge.Query.Nearest(request.query, request.using),
                filter=_filter(request.filter),
                with_vector=request.with_vector,
                with_payload=request.with_payload,
                params=edge.SearchParams(request.params.hnsw_ef, request.params.exact),
            )
            for request in requests
        ]
        found = self._shard(name).query_batch(edge.QueryBatchRequest(made))
        return [SimpleNamespace(points=points) for points in found]


def _vector(how: Any) -> edge.EdgeVectorParams:
    """A kind of vector of the client as one of the engine."""
    given: Any = how.quantization_config
    quantization: Any = None
    if isinstance(given, models.ScalarQuantization):
        quantile = given.scalar.quantile
        quantization = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile)
    elif isinstance(given, models.BinaryQuantization):
        quantization = edge.BinaryQuantizationConfig()
    return edge.EdgeVectorParams(
        how.size,
        getattr(edge.Distance, how.distance.value),
        datatype=getattr(edge.VectorStorageDatatype, how.datatype.value.capitalize()),
        quantization_config=quantization,
        hnsw_config=edge.HnswIndexConfig(
            m=how.hnsw_config.m, ef_construct=100, full_scan_threshold=10
        ),
    )


def _filter(where: models.Filter) -> edge.Filter:
    """A filter of the client as one of the engine."""
    return edge.Filter(
        must=[*map(_condition, where.must or [])],
        should=[*map(_condition, where.should or [])] or None,
        must_not=[*map(_condition, where.must_not or [])],
    )


def _condition(one: Any) -> Any:
    if isinstance(one, models.Filter):
        return _filter(one)
    if isinstance(one, models.HasIdCondition):
        return edge.HasIdCondition(set(one.has_id))
    match, span = one.match, one.range
    if isinstance(match, models.MatchValue):
        return edge.FieldCondition(one.key, match=edge.MatchValue(match.value))
    if isinstance(match, models.MatchAny):
        return edge.FieldCondition(one.key, match=edge.MatchAny([*match.any]))
    how = edge.RangeFloat(span.gte, span.gt, span.lte, span.lt)
    return edge.FieldCondition(one.key, range=how)
