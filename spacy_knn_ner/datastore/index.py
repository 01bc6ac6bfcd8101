"""Which vector index? Made, trained and filled from the keys."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..ty import VectorIndex
from . import distances as metrics
from .blocks import Blocks
from .clusters import CLUSTERS, ClusterIndex
from .exhaustive import FlatIndex, TorchIndex
from .faiss_index import FaissIndex
from .forksafe import make_fork_safe

EXHAUSTIVE = ("flat", "torch")
# Up to here comparing everything takes less than finding out what to compare.
SMALL = 20_000
# Clusters are compared vector by vector, everything by matrix multiplication, which
# is so much faster.
_WORTH_IT = 0.15
_CHUNK = 1 << 14


def make_index(name: str, keys: Blocks, metric: str) -> VectorIndex:
    """The index of this name over these keys.

    name (str): `"flat"`: FAISS compares everything. `"torch"`: so does torch, on the
        GPU if spaCy uses one. `"exact"`: clusters are passed over, from `SMALL` keys
        on and where that spares most of the work; otherwise flat. `"auto"`:
        approximate from `SMALL` keys on. Anything else is for FAISS's index factory.
    keys (Blocks): The keys; those added later are for `fill`.
    metric (str): What the distances are to order.
    RETURNS (VectorIndex): Over `metrics.to_search_space` of the keys.
    RAISES (KnnNerError): For an unknown name.
    """
    make_fork_safe()
    width = keys.tail[0]
    if name in EXHAUSTIVE or (name in ("exact", "auto") and len(keys) < SMALL):
        index = _exhaustive("torch" if name == "torch" else "flat", keys, metric)
        fill(index, keys, metric)
        return index
    if name == "exact":
        clusters = trained(ClusterIndex(width, len(keys)), keys, metric)
        queries = sample(keys, 256)
        clusters.search(metrics.to_search_space(queries, metric), 32)
        if clusters.visited > _WORTH_IT:
            return make_index("flat", keys, metric)
        return clusters
    factory = f"IVF{round(4 * len(keys) ** 0.5)},Flat" if name == "auto" else name
    return trained(FaissIndex(factory, width), keys, metric)


def _exhaustive(name: str, keys: Blocks, metric: str) -> VectorIndex:
    as_they_are = metric != "cosine" and keys.dtype == np.float32
    vectors = keys if as_they_are else Blocks("float32", keys.tail[0])
    return FlatIndex(vectors) if name == "flat" else TorchIndex(vectors)


# Those that take so long to make that they are saved.
Saved = ClusterIndex | FaissIndex
Trained = TypeVar("Trained", ClusterIndex, FaissIndex)


def trained(index: Trained, keys: Blocks, metric: str) -> Trained:
    """The index, trained on a sample of the keys and filled with all."""
    chosen = sample(keys, index.sample_size)
    index.train(metrics.to_search_space(chosen, metric))
    fill(index, keys, metric)
    return index


def load_index(
    path: Path, about: dict[str, Any], keys: Blocks, metric: str
) -> VectorIndex:
    """An index that was saved.

    path (Path): Its file; an exhaustive one has none, and gets its keys with `fill`.
    about (dict[str, Any]): What the manifest says of it.
    keys (Blocks), metric (str): As for `make_index`.
    RETURNS (VectorIndex): Mapped into memory.
    """
    make_fork_safe()
    made = about["made"]
    if made in EXHAUSTIVE:
        return _exhaustive(made, keys, metric)
    kind = ClusterIndex if made == CLUSTERS else FaissIndex
    return kind.from_disk(path, about, keys.tail[0])


def fill(index: VectorIndex, keys: Blocks, metric: str) -> None:
    """Add the keys that are not in it yet."""
    for chunk in keys.chunks(_CHUNK, start=len(index)):
        index.add(metrics.to_search_space(chunk, metric))


def sample(keys: Blocks, size: int) -> np.ndarray:
    """Some of the keys, the same every time."""
    rows = np.random.default_rng(0).permutation(len(keys))[:size]
    return keys.take(np.sort(rows))
