"""Points of a datastore in Qdrant: entries with their keys, and examples; by the
versions that added and removed them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..distances import to_search_space
from .server import Server

# Points that are read at once.
_CHUNK = 1000
_LATEST = 2**31  # version
# Links per key in an HNSW index.
_NO_INDEX, _M = 0, 16
# The vectors of an entry: as stored, and of unit length for the cosine metric.
KEY, UNIT = "key", "unit"
VECTOR_OF = {"cosine": UNIT, "sqeuclidean": KEY}


class Points:
    """One collection.

    collection (str): Its name.
    """

    def __init__(self, server: Server, collection: str) -> None:
        """server (Server): The connection.
        collection (str): Its name.
        """
        self._server, self.collection = server, collection

    def create(self, width: int = 0, dtype: str = "float32") -> None:
        """Make the collection.

        width (int): Of the keys; 0: points have none.
        dtype (str): Of the keys.
        """
        from qdrant_client import models

        layout = self._server.layout
        vectors: dict[str, Any] = {}
        if width:
            kind = {"float32": "FLOAT32", "float16": "FLOAT16"}[dtype]
            how: dict[str, Any] = {
                "size": width,
                "quantization_config": _quantization(layout.quantization),
                "on_disk": layout.quantization is not None,
                "hnsw_config": models.HnswConfigDiff(m=_NO_INDEX),
            }
            vectors = {
                KEY: models.VectorParams(
                    distance=models.Distance.EUCLID,
                    datatype=models.Datatype[kind],
                    **how,
                ),
                # Rounded to float16, others would be the nearest.
                UNIT: models.VectorParams(
                    distance=models.Distance.DOT,
                    datatype=models.Datatype.FLOAT32,
                    **how,
                ),
            }
        with self._server.coded():
            client = self._server.client
            client.create_collection(
                self.collection,
                vectors_config=vectors,
                shard_number=layout.shards,
                replication_factor=layout.replicas,
                write_consistency_factor=layout.write_replicas,
            )
            names = {"version": "INTEGER", "removed": "INTEGER", "part": "KEYWORD"}
            names |= {"example_id": "INTEGER"}
            for name, kind in names.items() if not self._server.is_local else ():
                schema = models.PayloadSchemaType[kind]
                client.create_payload_index(self.collection, name, schema, wait=True)

    def make_index(self, vector: str) -> None:
        """Let the server make an HNSW index, unless there is one.

        vector (str): Of which keys, `KEY` or `UNIT`.
        """
        from qdrant_client import models

        with self._server.coded():
            client = self._server.client
            found = client.get_collection(self.collection).config.params.vectors
            index = found[vector].hnsw_config
            if index is not None and index.m != _NO_INDEX:
                return
            how = models.VectorParamsDiff(hnsw_config=models.HnswConfigDiff(m=_M))
            client.update_collection(self.collection, vectors_config={vector: how})

    def exists(self) -> bool:
        """Check whether there is such a collection."""
        with self._server.coded():
            return self._server.client.collection_exists(self.collection)

    def drop(self) -> None:
        """Delete the collection."""
        with self._server.coded():
            self._server.client.delete_collection(self.collection)

    def add(
        self,
        ids: list[Any],
        payloads: list[dict[str, Any]],
        keys: np.ndarray | None = None,
    ) -> None:
        """Add points with one request: some hundred.

        ids (list[int]): Their ids.
        payloads (list[dict]): What they hold.
        keys (ndarray | None): Of entries, shape (n, width).
        """
        from qdrant_client import models

        if not ids:
            return
        vectors: dict[str, Any] = {}
        if keys is not None:
            as_sent = keys.astype(np.float32)
            unit = to_search_space(as_sent, "cosine")
            vectors = {KEY: as_sent.tolist(), UNIT: unit.tolist()}
        batch = models.Batch(ids=ids, vectors=vectors, payloads=payloads)
        with self._server.coded():
            self._server.client.upsert(self.collection, batch, wait=True)

    def set(self, payload: dict[str, Any], where: Any) -> None:
        """Change what points hold.

        payload (dict[str, Any]): The new values.
        where (list[int] | Filter): Which points.
        """
        with self._server.coded():
            self._server.client.set_payload(
                self.collection, payload, points=where, wait=True
            )

    def read(self, where: Any, *, with_keys: bool = False) -> Iterator[list[Any]]:
        """Read points, by ascending id.

        where (Filter): Which points.
        with_keys (bool): Also their keys. Default: False.
        YIELDS (list[Record]): Some of them.
        """
        offset = None
        while True:
            with self._server.coded():
                found, offset = self._server.client.scroll(
                    self.collection,
                    scroll_filter=where,
                    limit=_CHUNK,
                    offset=offset,
                    with_payload=True,
                    with_vectors=[KEY] if with_keys else False,
                )
            if found:
                yield found
            if offset is None:
                return

    def take_back(self, aborted: tuple[int, ...]) -> None:
        """Undo what changes have written that were not made.

        aborted (tuple[int]): Their versions. None of a change that may be made yet: a
            process that was slow does no harm here, either.
        """
        if not aborted:
            return
        from qdrant_client import models

        def not_made(key: str) -> Any:
            one_of = models.MatchAny(any=[*aborted])
            return models.Filter(must=[condition(key, match=one_of)])

        with self._server.coded():
            self._server.client.delete_payload(
                self.collection, ["removed"], points=not_made("removed"), wait=True
            )
        self.delete(not_made("version"))

    def delete(self, where: Any) -> None:
        """Delete points.

        where (Filter): Which.
        """
        from qdrant_client import models

        with self._server.coded():
            selector = models.FilterSelector(filter=where)
            self._server.client.delete(self.collection, selector, wait=True)


def condition(key: str, **how: Any) -> Any:
    """Make a condition on what points hold.

    key (str): The name.
    how (Any): `match` or `range`.
    """
    from qdrant_client import models

    return models.FieldCondition(key=key, **how)


@dataclass(frozen=True)
class Visible:
    """The points of one state of the datastore.

    version (int): Of its last change.
    aborted (tuple[int]): Versions of earlier changes that were not made: a process that
        was thought dead may write their points at any time.
    """

    version: int = 0
    aborted: tuple[int, ...] = ()

    def present(self, *conditions: Any, since: int = 0) -> Any:
        """Make a filter of the points that are there.

        conditions (Any): More conditions.
        since (int): Only those that were added after this version. Default: all.
        """
        from qdrant_client import models

        gone = self.removed(since=0)
        return models.Filter(
            must=[self._made("version", since), *conditions], must_not=[gone]
        )

    def removable(self, *conditions: Any) -> Any:
        """Make a filter of the points that a change may remove: not those that a later
        one has removed, which has taken the lock over.

        conditions (Any): More conditions.
        """
        gone = Visible(_LATEST, self.aborted).removed(since=0)
        there = self.present(*conditions)
        there.must_not.append(gone)
        return there

    def removed(self, *conditions: Any, since: int) -> Any:
        """Make a filter of the points that were removed.

        conditions (Any): More conditions.
        since (int): After this version.
        """
        from qdrant_client import models

        return models.Filter(must=[self._made("removed", since), *conditions])

    def _made(self, key: str, since: int) -> Any:
        """Make a condition: by a change that was made."""
        from qdrant_client import models

        made = condition(key, range=models.Range(gt=since, lte=self.version))
        if not self.aborted:
            return made
        not_made = condition(key, match=models.MatchAny(any=[*self.aborted]))
        return models.Filter(must=[made], must_not=[not_made])


def existed(version: int) -> Any:
    """Make a condition: points that were added until then.

    version (int): Of the last change.
    """
    from qdrant_client import models

    return condition("version", range=models.Range(lte=version))


def is_part(part: str) -> Any:
    """Make a condition: points of a part of the datastore."""
    from qdrant_client import models

    return condition("part", match=models.MatchValue(value=part))


def _quantization(kind: str | None) -> Any:
    from qdrant_client import models

    if kind is None:
        return None
    if kind == "binary":
        binary = models.BinaryQuantizationConfig(always_ram=True)
        return models.BinaryQuantization(binary=binary)
    scalar = models.ScalarQuantizationConfig(
        type=models.ScalarType.INT8, quantile=0.99, always_ram=True
    )
    return models.ScalarQuantization(scalar=scalar)
