"""Indexes that FAISS makes: trained, approximate, saved in FAISS's own format."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from ..ty import Fidelity
from .blocks import Blocks
from .exhaustive import a_few_more

INDEXES = ("exact", "auto", "flat", "torch")
# What may be turned to search longer and find more, by the kind of index.
_EFFORTS = ("nprobe", "efSearch")
_SAMPLED = 64  # vectors per cluster that training looks at
_MOST_SAMPLED = 1 << 18


class FaissIndex:
    """Any index of FAISS's factory. What it finds is near, but perhaps not nearest."""

    exact = False
    _is_mapped = False

    def __init__(self, factory: str, width: int) -> None:
        """factory (str): Such as `"IVF1024,Flat"` or `"OPQ32,IVF1024,PQ32"`.
        width (int): Of the vectors.
        RAISES (KnnNerError): If FAISS does not know it.
        """
        self._index = from_factory(factory, width)
        self.factory = factory
        self._effort_name = _effort_of(self._index)
        self.effort = 16
        self.stretch = 1
        self.fidelity: Fidelity | None = None

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
        """How many vectors `train` wants to see."""
        import faiss

        ivf = faiss.try_extract_index_ivf(self._index)
        clusters = 256 if ivf is None else max(256, ivf.nlist)
        return max(clusters, min(_MOST_SAMPLED, _SAMPLED * clusters))

    @property
    def effort(self) -> int | None:
        """How long to search (nprobe, efSearch); None where there is no choice."""
        return self._effort

    @effort.setter
    def effort(self, value: int | None) -> None:
        import faiss

        if self._effort_name is None or value is None:
            self._effort = None
            return
        self._effort = value
        faiss.ParameterSpace().set_index_parameter(
            self._index, self._effort_name, value
        )

    def about(self) -> dict[str, Any]:
        """See `VectorIndex.about`."""
        fidelity = None if self.fidelity is None else asdict(self.fidelity)
        return {
            "made": self.factory,
            "effort": self.effort,
            "stretch": self.stretch,
            "fidelity": fidelity,
        }

    def train(self, sample: np.ndarray) -> None:
        """Learn clusters and codes.

        sample (ndarray): Of the vectors, shape (n, width), float32.
        RAISES (KnnNerError): If there are too few.
        """
        try:
            self._index.train(sample)
        except RuntimeError as error:
            reason = _reason(error)
            raise KnnNerError(
                Errors.E071, value=self.factory, n=len(sample), reason=reason
            ) from error

    def add(self, vectors: np.ndarray) -> None:
        """See `VectorIndex.add`."""
        if not len(vectors):
            return  # some of FAISS's indexes die of that
        try:
            self._own().add(vectors)
        except RuntimeError as error:
            raise KnnNerError(
                Errors.E071, value=self.factory, n=len(vectors), reason=_reason(error)
            ) from error

    def proposes(self, k: int) -> int:
        """See `VectorIndex.proposes`."""
        return max(a_few_more(k), self.stretch * k)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """See `VectorIndex.search`; −1 where too little was found."""
        return self._index.search(queries, k)

    def reset(self) -> None:
        """Forget all vectors, but not what was learnt of them."""
        self._own().reset()

    # --- saving and loading ------------------------------------------------

    def writers(
        self, keep: np.ndarray, kept: Iterable[np.ndarray]
    ) -> dict[str, Callable[[Path], None]]:
        """What writes each of its files.

        keep (ndarray): Which vectors are to be saved, shape (n,), bool.
        kept (Iterable[ndarray]): These vectors.
        """
        if keep.all():
            return {"index": self._save}
        saved = deepcopy(self)
        saved.reset()
        for vectors in kept:
            saved.add(vectors)
        return {"index": saved._save}

    def _save(self, path: Path) -> None:
        import faiss

        faiss.write_index(self._index, str(path))

    def state(self) -> dict[str, Any]:
        """What is not in the file."""
        return {}

    @classmethod
    def from_disk(
        cls, prefix: Path, about: dict[str, Any], keys: Blocks, metric: str
    ) -> "FaissIndex":
        """What was saved; its vectors stay on disk, mapped into memory.

        prefix (Path): What the path of its file begins with.
        about (dict[str, Any]): What the manifest says of it.
        keys (Blocks), metric (str): What it was made of.
        RAISES (KnnNerError): If it cannot be read.
        """
        import faiss

        new = cls(about["made"], keys.tail[0])
        path = Path(f"{prefix}.index")
        try:
            new._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            reason = f"{path.name} cannot be read ({_reason(error)})"
            raise KnnNerError(
                Errors.E032, path=path.parent.parent, reason=reason
            ) from error
        new._is_mapped = True
        new.effort, new.stretch = about["effort"], about["stretch"]
        if about["fidelity"] is not None:
            new.fidelity = Fidelity(**about["fidelity"])
        return new

    def _own(self) -> Any:
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


def from_factory(factory: str, width: int) -> Any:
    """FAISS's index of this name.

    RAISES (KnnNerError): If there is none for this width.
    """
    import faiss

    try:
        return faiss.index_factory(width, factory)
    except RuntimeError as error:
        reason = _reason(error)
        known = list(INDEXES)
        raise KnnNerError(
            Errors.E030, value=factory, known=known, reason=reason
        ) from error


def _reason(error: RuntimeError) -> str:
    """FAISS says where in its source it noticed something, and then what."""
    return str(error).split(": ", 1)[-1].strip()


def _effort_of(index: Any) -> str | None:
    import faiss

    space = faiss.ParameterSpace()
    space.initialize(index)
    ranges = space.parameter_ranges
    names = [ranges.at(i).name for i in range(ranges.size())]
    return next((name for name in _EFFORTS if name in names), None)
