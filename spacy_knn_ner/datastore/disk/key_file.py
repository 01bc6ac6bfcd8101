"""Keys on disk as a flat FAISS index: readable by `faiss.read_index`, mapped by numpy.

float32 keys are an `IndexFlatL2`, float16 keys an `IndexScalarQuantizer` of type fp16.
In both, the vectors lie one after the other at the end of the file, as they are. FAISS
writes the header of an empty index; the two counts in it are set here, so that keys
are written piece by piece and never held in memory.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..blocks import Blocks

_N_VECTORS = slice(8, 16)  # after the index type and the width
_N_ELEMENTS = slice(-8, None)  # before the vectors: float32 numbers, or code bytes


def write_keys(path: Path, keys: Blocks, keep: np.ndarray, width: int) -> None:
    """Write keys as a flat FAISS index.

    path (Path): The file.
    keys (Blocks): The keys, float32 or float16.
    keep (ndarray): The rows to write, shape (n,), bool.
    width (int): Numbers per key, also where there are none.
    """
    with path.open("wb") as file:
        file.write(_header(keys.dtype, width, int(keep.sum())))
        for part in keys.kept(keep):
            file.write(np.ascontiguousarray(part).data)


def map_keys(path: Path, dtype: str, n: int, width: int) -> np.ndarray:
    """Map the keys of a flat FAISS index into memory.

    path (Path): From `write_keys`.
    dtype (str): `"float32"` or `"float16"`.
    n (int), width (int): The expected shape.
    RETURNS (ndarray): Shape (n, width), read-only.
    RAISES (ValueError): If the file has another type, shape or size.
    """
    header = _header(np.dtype(dtype), width, n)
    with path.open("rb") as file:
        found = file.read(len(header))
    size = len(header) + n * width * np.dtype(dtype).itemsize
    if found != header or path.stat().st_size != size:
        raise ValueError(f"it does not hold {n} {dtype} keys of width {width}")
    if n == 0:
        return np.zeros((0, width), dtype=dtype)
    return np.memmap(path, dtype, mode="r", offset=len(header), shape=(n, width))


def _header(dtype: Any, width: int, n: int) -> bytes:
    import faiss

    empty: Any
    if dtype == np.float32:
        empty = faiss.IndexFlatL2(width)
        n_elements = n * width
    else:
        fp16 = faiss.ScalarQuantizer.QT_fp16
        empty = faiss.IndexScalarQuantizer(width, fp16, faiss.METRIC_L2)
        n_elements = n * width * 2
    header = bytearray(faiss.serialize_index(empty).tobytes())
    header[_N_VECTORS] = struct.pack("<q", n)
    header[_N_ELEMENTS] = struct.pack("<Q", n_elements)
    return bytes(header)
