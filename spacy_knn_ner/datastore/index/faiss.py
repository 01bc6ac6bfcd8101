"""Approximate indexes: any that FAISS's index factory makes, saved in its own
format."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import Errors, KnnNerError, Notes, note
from .base import IndexFactory, StoredKeys, VectorIndex
from .exact import SMALL
from .flat import Flat
from .torch import on_gpu

logger = logging.getLogger("spacy_knn_ner")

# Parameters that make a search longer and more faithful, by the kind of index.
_SEARCH_PARAMS = ("nprobe", "efSearch")
_SAMPLED = 64  # vectors per cluster for training
_MOST_SAMPLED = 1 << 18
# A width divisible by every number of parts that a product quantizer is likely to have.
_ANY_WIDTH = 3840


class FaissIndex(VectorIndex):
    """An index of FAISS's factory. Neighbors are near, but perhaps not the nearest."""

    _is_mapped = False

    def __init__(self, factory: str, stored: StoredKeys) -> None:
        """factory (str): Such as `"IVF1024,Flat"` or `"OPQ32,IVF1024,PQ32"`.
        stored (StoredKeys): The keys.
        RAISES (KnnNerError): If FAISS does not know it.
        """
        self._index = from_factory(factory, stored.width)
        self.factory, self.stored = factory, stored
        self._param_name = _param_name(self._index)
        self.search_param = 16
        self.refine_factor = 1

    def __len__(self) -> int:
        return self._index.ntotal

    @property
    def nbytes(self) -> int:
        """See `VectorIndex.nbytes`."""
        import faiss

        sizes: list[int] = []  # of what would be written, which is not kept
        writer = faiss.PyCallbackIOWriter(lambda part: sizes.append(len(part)))  # type: ignore[attr-defined]
        faiss.write_index(self._index, writer)
        return sum(sizes)

    @property
    def sample_size(self) -> int:
        """The number of vectors for `train`."""
        import faiss

        ivf = faiss.try_extract_index_ivf(self._index)
        clusters = 256 if ivf is None else max(256, ivf.nlist)
        return max(clusters, min(_MOST_SAMPLED, _SAMPLED * clusters))

    @property
    def search_param(self) -> int | None:
        """See `VectorIndex.search_param`."""
        return self._search_param

    @search_param.setter
    def search_param(self, value: int | None) -> None:
        import faiss

        if self._param_name is None or value is None:
            self._search_param: int | None = None
            return
        self._search_param = value
        faiss.ParameterSpace().set_index_parameter(self._index, self._param_name, value)

    def info(self) -> dict[str, Any]:
        """See `VectorIndex.info`."""
        return {"kind": self.factory}

    def train(self, sample: np.ndarray) -> None:
        """Learn clusters and codes.

        sample (ndarray): Some of the vectors, shape (n, width), float32.
        RAISES (KnnNerError): If there are too few.
        """
        try:
            self._index.train(sample)
        except RuntimeError as error:
            reason = _reason(error)
            raise KnnNerError(
                Errors.E071, value=self.factory, n=len(sample), reason=reason
            ) from error

    def add(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        if not len(vectors):
            return  # some of FAISS's indexes crash
        try:
            self._writable().add(vectors)
        except RuntimeError as error:
            raise KnnNerError(
                Errors.E071, value=self.factory, n=len(vectors), reason=_reason(error)
            ) from error

    def remove(self, ids: np.ndarray) -> None:
        """See `VectorIndex.remove`: re-ranking drops removed vectors, which not every
        kind of index can delete."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`."""
        return self._index.search(queries, k)

    def emptied(self, stored: StoredKeys) -> "FaissIndex":
        """See `VectorIndex.emptied`."""
        self._writable().reset()
        self.stored = stored
        return self

    # --- saving and loading ------------------------------------------------

    def save(self, prefix: Path, keep: np.ndarray) -> dict[str, Any]:
        """See `VectorIndex.save`."""
        import faiss

        index = self._index
        if not keep.all():
            index = faiss.deserialize_index(faiss.serialize_index(index))
            index.reset()
            for vectors in self.stored.selected(keep):
                index.add(vectors)
        faiss.write_index(index, f"{prefix}.index.faiss")
        return {"factory": self.factory}

    @classmethod
    def load(cls, path: Path, factory: str, stored: StoredKeys) -> "FaissIndex":
        """Map a saved index into memory.

        path (Path): The file.
        factory (str): What it was made by.
        stored (StoredKeys): The keys.
        RAISES (KnnNerError): If it cannot be read.
        """
        import faiss

        new = cls(factory, stored)
        try:
            new._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            reason = f"{path.name} cannot be read ({_reason(error)})"
            raise KnnNerError(
                Errors.E032, path=path.parent.parent, reason=reason
            ) from error
        new._is_mapped = True
        return new

    def _writable(self) -> Any:
        """The index, in memory of its own: FAISS cannot change a mapped one."""
        import faiss

        if self._is_mapped:
            self._index = faiss.deserialize_index(faiss.serialize_index(self._index))
            self._is_mapped = False
        return self._index

    def __getstate__(self) -> dict[str, Any]:
        import faiss

        data = faiss.serialize_index(self._index)
        return {**self.__dict__, "_index": data, "_is_mapped": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        import faiss

        index = faiss.deserialize_index(state["_index"])
        self.__dict__.update(state, _index=index)


class Faiss(IndexFactory):
    """Makes a `FaissIndex`, trained on a sample of the keys."""

    def __init__(self, factory: str) -> None:
        """factory (str): A string for FAISS's index factory.
        RAISES (KnnNerError): If FAISS does not know it.
        """
        self.factory = factory
        try:
            from_factory(factory, _ANY_WIDTH)
        except TypeError as error:
            raise KnnNerError(Errors.E030, value=factory, reason=error) from error

    def create(self, stored: StoredKeys) -> VectorIndex:
        """See `IndexFactory.create`."""
        return _trained(self.factory, stored)

    def load(
        self, stored: StoredKeys, prefix: Path, state: dict[str, Any]
    ) -> VectorIndex:
        """See `IndexFactory.load`."""
        path = Path(f"{prefix}.index.faiss")
        return FaissIndex.load(path, state["factory"], stored)


class Auto(IndexFactory):
    """Makes an approximate index for `SMALL` keys and more; below it compares all."""

    def create(self, stored: StoredKeys) -> VectorIndex:
        """See `IndexFactory.create`."""
        if len(stored) < SMALL:
            return Flat().create(stored)
        # A byte per number is read four times as fast, and is as good a candidate.
        return _trained(f"IVF{round(4 * len(stored) ** 0.5)},SQ8", stored)

    def load(
        self, stored: StoredKeys, prefix: Path, state: dict[str, Any]
    ) -> VectorIndex:
        """See `IndexFactory.load`."""
        if "factory" not in state:
            return Flat().create(stored)
        return Faiss(state["factory"]).load(stored, prefix, state)


def _trained(factory: str, stored: StoredKeys) -> FaissIndex:
    index = FaissIndex(factory, stored)
    if on_gpu():
        logger.info(note(Notes.I002, made=factory))
    index.train(stored.sample(index.sample_size))
    return index


def from_factory(factory: str, width: int) -> Any:
    """Make FAISS's index of this name.

    RAISES (KnnNerError): If there is none for this width.
    """
    import faiss

    try:
        index = faiss.index_factory(width, factory)
    except RuntimeError as error:
        raise KnnNerError(Errors.E030, value=factory, reason=_reason(error)) from error
    inner = index
    while hasattr(inner, "index"):  # of a transform in front, or of other ids
        inner = faiss.downcast_index(inner.index)
    if hasattr(inner, "do_polysemous_training"):
        # For a search that is not used here; it takes 12 seconds.
        inner.do_polysemous_training = False
    return index


def _reason(error: RuntimeError) -> str:
    """FAISS's message without the line of its source."""
    return str(error).split(": ", 1)[-1].strip()


def _param_name(index: Any) -> str | None:
    import faiss

    space = faiss.ParameterSpace()
    space.initialize(index)
    ranges = space.parameter_ranges
    names = [ranges.at(i).name for i in range(ranges.size())]
    return next((name for name in _SEARCH_PARAMS if name in names), None)
