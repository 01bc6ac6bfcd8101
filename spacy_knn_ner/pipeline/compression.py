"""A smaller store that finds the same."""

from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from ..datastore import kernel
from ..datastore.compression import merged, thinned
from ..datastore.datastore import STORE
from ..errors import Errors, KnnNerError
from . import handover
from .knn_ner import KnnNer

# Entries whose neighbors are found at once.
_AT_ONCE = 4096
# So sure are neighbors of what is redundant.
_SURE = 0.99


def merge(knn: KnnNer) -> None:
    """Let entries with equal keys and equal tags become one, which weighs as much.

    knn (KnnNer): Its store is changed.
    RAISES (KnnNerError): If it is empty.
    """
    store = _store(knn)
    with store.lock:
        store.shrink(*merged(store.keys, store.entries.array()))


def prune(knn: KnnNer, share: float, *, show_progress: bool = False) -> None:
    """Give up most of the entries that say what is known without them: the tagger gets
    them right, and their neighbors in other examples vote for their tag.

    knn (KnnNer): Its store is changed.
    share (float): How many of them stay, more than 0; they stand for the others.
    show_progress (bool): Show progress bars. Default: False.
    RAISES (KnnNerError): If the store is empty, or a share is impossible.
    """
    if not 0 < share <= 1:
        raise KnnNerError(Errors.E072, name=knn.name, value=share)
    store = _store(knn)
    with store.lock:
        right = _tagger_is_right(knn, show_progress)
        redundant = right & _neighbors_agree(knn, show_progress)
        store.shrink(*thinned(store.entries.array(), redundant, share))


def keep_as(knn: KnnNer, dtype: str) -> None:
    """Keep keys in another precision.

    knn (KnnNer): Its datastore is changed.
    dtype (str): `"float32"` or `"float16"`.
    RAISES (KnnNerError): If the store is empty, or a key does not fit.
    """
    _store(knn)
    for tier in knn.datastore.tiers.values():
        with tier.lock:
            entries = tier.entries.array()
            tier.shrink(~entries["forgotten"], entries["weight"], dtype=dtype)
    knn.datastore.dtype = dtype
    knn.set_settings(keys={"dtype": dtype})


def _store(knn: KnnNer) -> Any:
    if not knn.datastore.size(STORE):
        raise KnnNerError(Errors.E051, name=knn.name)
    return knn.datastore.tiers[STORE]


def _tagger_is_right(knn: KnnNer, show_progress: bool) -> np.ndarray:
    """Whether p_NER is highest for the tag of each entry."""
    entries = knn.datastore.tiers[STORE].entries.array()
    tags = np.array(knn.tag_set.tags)
    best: dict[int, np.ndarray] = {}
    ids = knn.datastore.examples.ids(STORE)
    shown = tqdm(ids, desc="Tagging", unit="example", disable=not show_progress)
    batch: list[int] = []
    for example_id in shown:
        batch.append(example_id)
        if len(batch) == 64 or example_id == ids[-1]:
            texts = [knn.datastore.example(i).labelled for i in batch]
            for i, doc in zip(batch, knn.encoder.docs(texts), strict=True):
                value = handover.read(doc)
                if value is not None:
                    found = np.array(value["tags"])
                    best[i] = found[np.asarray(value["probabilities"]).argmax(axis=1)]
            batch = []
    right = np.zeros(len(entries), dtype=bool)
    for row, entry in enumerate(entries):
        said = best.get(int(entry["example_id"]))
        right[row] = said is not None and said[entry["token"]] == tags[entry["tag"]]
    return right


def _neighbors_agree(knn: KnnNer, show_progress: bool) -> np.ndarray:
    """Whether the neighbors of each entry in other examples vote for its tag."""
    store, settings = knn.datastore.tiers[STORE], knn.settings
    entries, k = store.entries.array(), settings.k or 32
    examples = entries["example_id"]
    search = partial(store.search, metric=settings.metric, index=settings.index)
    agree = np.zeros(len(entries), dtype=bool)
    starts = range(0, len(entries), _AT_ONCE)
    shown = tqdm(starts, desc="Comparing", unit="batch", disable=not show_progress)
    for start in shown:
        rows = np.arange(start, min(start + _AT_ONCE, len(entries)))
        keys = store.keys.part(start, start + len(rows)).astype(np.float32)
        found = search(keys, k + 16)
        own = examples[found.rows] == examples[rows, None]
        others = found.without(own | (found.rows < 0), k).first(k)
        p = kernel.found_distribution(others, settings.temperature, len(knn.tag_set))
        agree[rows] = p[np.arange(len(rows)), entries["tag"][rows]] >= _SURE
    return agree
