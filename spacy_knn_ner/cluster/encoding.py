"""Encoding on a cluster: the keys of a corpus, left in the cache that `build` reads.

So a build with a cluster and one without are the same program, and one goes on where
the other was interrupted.
"""

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

from spacy import util
from spacy.tokens import Doc
from tqdm import tqdm

from ..components.knn_ner import KnnNer
from ..reading.annotations import annotated_text
from ..reading.cache import EncodingCache
from ..types import AnnotatedText
from .pipelines import Traveled, packed
from .workers import Row, cluster, mapped


class Encoder:
    """Encodes batches of texts, in a process of its own."""

    def __init__(self, reference: Any, name: str, scheme: str, on_gpu: bool) -> None:
        """reference (ray.ObjectRef): To a packed pipeline.
        name (str): Of its component.
        scheme (str): The tag scheme, where no `ner_tagger` is in front.
        on_gpu (bool): Whether it encodes on a GPU.
        """
        import ray

        self._pipeline = Traveled(ray.get(reference), on_gpu=on_gpu)
        knn: Any = self._pipeline.nlp.get_pipe(name)
        self._encoder = knn.memory.encoder.with_projection(None)
        self._scheme = scheme

    def __call__(self, row: Row) -> Row:
        """Encode the texts of a row.

        row (Row): `path` and `texts`, pickled.
        RETURNS (Row): `path` and `keys`, pickled: see `KeyEncoder.keys`.
        """
        texts: list[AnnotatedText] = pickle.loads(row["texts"])
        found = self._encoder.keys(texts, self._scheme)
        return {"path": row["path"], "keys": pickle.dumps(found)}


def fill_cache(
    knn: KnnNer,
    docs: Iterable[Doc],
    cache: EncodingCache,
    address: str,
    *,
    batch_size: int = 64,
    workers: int | None = None,
    on_gpu: bool = False,
    show_progress: bool = True,
) -> None:
    """Encode a corpus on a cluster.

    knn (KnnNer): Of the pipeline; its settings are those of the keys.
    docs (Iterable[Doc]): The corpus.
    cache (EncodingCache): What is there already is not encoded again.
    address (str): Of the cluster; see `cluster`.
    batch_size (int): Docs encoded at once, as for `build`. Default: 64.
    workers (int | None), on_gpu (bool): See `mapped`.
    show_progress (bool): Show a progress bar. Default: True.
    """
    encoder = knn.memory.encoder.with_projection(None)
    scheme = knn.datastore.tag_set.scheme
    batches = _texts(knn, docs, batch_size)
    first = next(batches, None)
    if first is None:
        return
    scheme, _ = cache.keys(encoder, first, scheme)  # which says the tagger's scheme
    rows = []
    for texts in batches:
        path = cache.path(texts, "keys", scheme)
        if not path.exists():
            rows.append({"path": str(path), "texts": pickle.dumps(texts)})
    with cluster(address) as ray:
        arguments = (
            ray.put(packed(knn.nlp, without_store=knn.name)),
            knn.name,
            scheme,
            on_gpu,
        )
        found = mapped(ray, rows, Encoder, arguments, workers=workers, on_gpu=on_gpu)
        bar = tqdm(total=len(rows), desc="Encoding", disable=not show_progress)
        for row in found:
            cache.keep(row["path"], *pickle.loads(row["keys"]))
            bar.update()
        bar.close()


def _texts(
    knn: KnnNer, docs: Iterable[Doc], batch_size: int
) -> Iterator[list[AnnotatedText]]:
    """The batches of a build."""
    encoder = knn.memory.encoder
    for batch in util.minibatch(docs, size=batch_size):
        texts = [annotated_text(doc, knn.name) for doc in batch]
        yield encoder.with_contexts(texts)
