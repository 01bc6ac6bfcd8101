"""Which vector index? Made, trained and filled from the keys."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Notes, note
from ..ty import VectorIndex
from . import distances as metrics
from .blocks import Blocks
from .components import COMPONENTS, ComponentIndex
from .exhaustive import FlatIndex, TorchIndex, on_gpu
from .faiss_index import FaissIndex
from .forksafe import make_fork_safe

logger = logging.getLogger("spacy_knn_ner")

EXHAUSTIVE = ("flat", "torch")
# Up to here comparing everything takes less than finding out what to compare.
SMALL = 20_000
_CHUNK = 1 << 14
# What principal components are learnt from, and with how many queries they are tried:
# a pair takes longer one by one than in a multiplication.
_SAMPLE, _TRIED, _WORTH_IT = 1 << 14, 64, 0.1


def make_index(name: str, keys: Blocks, metric: str) -> VectorIndex:
    """The index of this name over these keys.

    name (str): `"exact"`: principal components are compared first, from `SMALL` keys on
        and where that spares most of the work; otherwise as flat, or on a GPU torch.
        `"flat"`: FAISS compares everything. `"torch"`: so does torch, on the device
        that spaCy uses. `"auto"`: approximate from `SMALL` keys on. Anything else is
        for FAISS's index factory.
    keys (Blocks): The keys; those added later are for `fill`.
    metric (str): What the distances are to order.
    RETURNS (VectorIndex): Over `metrics.to_search_space` of the keys.
    RAISES (KnnNerError): For an unknown name.
    """
    make_fork_safe()
    if name == "exact" and on_gpu():
        name = "torch"
    if name in ("exact", "auto") and len(keys) < SMALL:
        name = "flat"
    if name == "exact":
        return _components(keys, metric) or make_index("flat", keys, metric)
    if name in EXHAUSTIVE:
        index = _exhaustive(name, keys, metric)
    else:
        # A byte per number is read four times as fast, and is as good a proposal.
        factory = f"IVF{round(4 * len(keys) ** 0.5)},SQ8" if name == "auto" else name
        index = FaissIndex(factory, keys.tail[0])
        if on_gpu():
            logger.info(note(Notes.I002, made=factory))
        chosen = sample(keys, index.sample_size)
        index.train(metrics.to_search_space(chosen, metric))
    fill(index, keys, metric)
    return index


def _components(keys: Blocks, metric: str) -> ComponentIndex | None:
    """The index, unless the keys are such that it spares nothing."""
    vectors = metrics.to_search_space(sample(keys, _SAMPLE), metric)
    index = ComponentIndex.fitted(keys, metric, vectors)
    if index is None:
        return None
    fill(index, keys, metric)
    tried = vectors[:: max(1, len(vectors) // _TRIED)]
    index.search(tried, min(32, len(keys)))
    return None if index.compared > _WORTH_IT else index


def _exhaustive(name: str, keys: Blocks, metric: str) -> VectorIndex:
    as_they_are = metric != "cosine" and keys.dtype == np.float32
    vectors = keys if as_they_are else Blocks("float32", keys.tail[0], on_disk=True)
    return FlatIndex(vectors) if name == "flat" else TorchIndex(vectors)


# Those that take so long to make that they are saved.
Saved = ComponentIndex | FaissIndex


def load_index(
    prefix: Path, about: dict[str, Any], keys: Blocks, metric: str
) -> VectorIndex:
    """An index that was saved.

    prefix (Path): What the paths of its files begin with. An exhaustive one has none,
        and gets its keys with `fill`.
    about (dict[str, Any]): What the manifest says of it.
    keys (Blocks), metric (str): As for `make_index`.
    RETURNS (VectorIndex): Mapped into memory.
    """
    make_fork_safe()
    made = about["made"]
    if made in EXHAUSTIVE:
        return _exhaustive(made, keys, metric)
    kind = ComponentIndex if made == COMPONENTS else FaissIndex
    return kind.from_disk(prefix, about, keys, metric)


def fill(index: VectorIndex, keys: Blocks, metric: str) -> None:
    """Add the keys that are not in it yet."""
    for chunk in keys.chunks(_CHUNK, start=len(index)):
        index.add(metrics.to_search_space(chunk, metric))


def sample(keys: Blocks, size: int) -> np.ndarray:
    """Some of the keys, the same every time."""
    rows = np.random.default_rng(0).permutation(len(keys))[:size]
    return keys.take(np.sort(rows))
