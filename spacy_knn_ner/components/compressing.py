"""Compressing: a smaller store with the same votes."""

from typing import Any

import numpy as np
from tqdm import tqdm

from ..datastore.datastore import STORE
from ..datastore.distribution import neighbor_distribution
from ..datastore.merging import merged, thinned
from ..errors import Errors, KnnNerError
from ..reading import tagger_output
from .knn_ner import KnnNer

# Entries whose neighbors are searched at once.
_AT_ONCE = 4096
# p_kNN from which on an entry is redundant.
_SURE = 0.99


def merge(knn: KnnNer) -> None:
    """Merge entries with equal keys and equal tags into one with their weight.

    knn (KnnNer): Its store is changed.
    RAISES (KnnNerError): If it is empty.
    """
    store = _store(knn)
    with store.lock:
        store.shrink(*merged(store))


def prune(knn: KnnNer, share: float, *, show_progress: bool = False) -> None:
    """Remove most of the entries that are redundant: the tagger gets them right, and
    their neighbors in other examples vote for their tag.

    knn (KnnNer): Its store is changed.
    share (float): How many of them stay, more than 0, with the weight of the others.
    show_progress (bool): Show progress bars. Default: False.
    RAISES (KnnNerError): If the store is empty, or the share is not valid.
    """
    if not 0 < share <= 1:
        raise KnnNerError(Errors.E072, name=knn.name, value=share)
    store = _store(knn)
    with store.lock:
        correct = _tagger_is_correct(knn, show_progress)
        redundant = correct & _neighbors_agree(knn, show_progress)
        store.shrink(*thinned(store, redundant, share))


def convert_keys(knn: KnnNer, dtype: str) -> None:
    """Store keys in another precision.

    knn (KnnNer): Its datastore is changed.
    dtype (str): `"float32"` or `"float16"`.
    RAISES (KnnNerError): If the store is empty, or a key does not fit.
    """
    _store(knn)
    for table in knn.datastore.tables.values():
        with table.lock:
            weights = table.entries.array()["weight"]
            table.shrink(~table.removed, weights, dtype=dtype)
    knn.datastore.dtype = dtype
    knn.set_settings(keys={"dtype": dtype})


def _store(knn: KnnNer) -> Any:
    if not len(knn.datastore.store):
        raise KnnNerError(Errors.E051, name=knn.name)
    if knn.memory.place.is_shared:
        raise KnnNerError(Errors.E123)
    return knn.datastore.store


def _tagger_is_correct(knn: KnnNer, show_progress: bool) -> np.ndarray:
    """Whether p_base is highest for the tag of each entry."""
    datastore, encoder = knn.datastore, knn.memory.encoder
    entries, tags = datastore.store.entries.array(), datastore.store.tags.array()
    names = np.array(datastore.tag_set.tags)
    best: dict[int, np.ndarray] = {}
    ids = datastore.examples.ids(STORE)
    bar = tqdm(ids, desc="Tagging", unit="example", disable=not show_progress)
    batch: list[int] = []
    for example_id in bar:
        batch.append(example_id)
        if len(batch) == 64 or example_id == ids[-1]:
            texts = [datastore.example(i).annotated for i in batch]
            for i, doc in zip(batch, encoder.docs(texts), strict=True):
                value = tagger_output.read(doc)
                if value is not None:
                    found = np.array(value["tags"])
                    best[i] = found[np.asarray(value["probabilities"]).argmax(axis=1)]
            batch = []
    correct = np.zeros(len(entries), dtype=bool)
    for row, (entry, tag) in enumerate(zip(entries, tags, strict=True)):
        predicted = best.get(int(entry["example_id"]))
        if predicted is not None:
            correct[row] = predicted[entry["token"]] == names[tag]
    return correct


def _neighbors_agree(knn: KnnNer, show_progress: bool) -> np.ndarray:
    """Whether the neighbors of each entry in other examples vote for its tag."""
    store, settings, n_tags = (
        knn.datastore.store,
        knn.settings,
        len(knn.datastore.tag_set),
    )
    examples, tags = store.entries.array()["example_id"], store.tags.array()
    k = settings.k or 32
    agree = np.zeros(store.n_rows, dtype=bool)
    starts = range(0, store.n_rows, _AT_ONCE)
    bar = tqdm(starts, desc="Comparing", unit="batch", disable=not show_progress)
    for start in bar:
        rows = np.arange(start, min(start + _AT_ONCE, store.n_rows))
        keys = store.keys.part(start, start + len(rows)).astype(np.float32)
        found = store.search(keys, k + 16, metric=settings.metric)
        own = examples[found.rows] == examples[rows, None]
        others = found.excluding(own | (found.rows < 0), k).truncate(k)
        p = neighbor_distribution(others, settings.temperature, n_tags)
        agree[rows] = p[np.arange(len(rows)), tags[rows]] >= _SURE
    return agree
