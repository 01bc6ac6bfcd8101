"""Corrections as they were, if a change of them cannot be saved."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..components.knn_ner import KnnNer
from ..datastore.datastore import CORRECTIONS
from ..types import StoredExample
from .session import Session


@contextmanager
def all_or_nothing(session: Session) -> Iterator[None]:
    """Change corrections and save that, or change nothing: what fails inside is undone
    in memory.

    session (Session): With its lock, so that no other thread changes anything.
    """
    knn, unsaved = session.knn, session.unsaved
    if knn.memory.place.is_shared:  # a change is saved by being made
        yield
        return
    before, history = _corrections(knn), knn.memory.history
    try:
        yield
    except BaseException:
        now, datastore = _corrections(knn), knn.datastore
        lost = [example for i, example in before.items() if now.get(i) != example]
        texts = [example.annotated for example in lost]
        _, keys = knn.memory.encoder.keys(texts, datastore.tag_set.scheme)
        with datastore.transaction():
            datastore.forget(now.keys() - before.keys())
            for example, its in zip(lost, keys, strict=True):
                datastore.restore(example, its)
        knn.memory.history, session.unsaved = history, unsaved
        raise


def _corrections(knn: KnnNer) -> dict[int, StoredExample]:
    examples = knn.datastore.examples
    found = examples.each(examples.ids(CORRECTIONS))
    return {example.example_id: example for example in found if example is not None}
