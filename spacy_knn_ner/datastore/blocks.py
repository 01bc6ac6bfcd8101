"""Arrays that grow at the end without being copied, or are mapped from disk."""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ..folders import writing

DTYPES = ("float32", "float16")  # of keys
BLOCK_ROWS = 1 << 16
_PIECE = 1 << 14  # of what is copied on its way


class Blocks:
    """Rows of one shape and type in a list of arrays.

    Appending fills the last array and then starts another one, so that growth copies
    nothing; a mapped file is simply the first array. Full arrays can be moved to disk,
    so that only the last one takes memory.
    """

    def __init__(
        self,
        dtype: Any,
        width: int | None = None,
        first: np.ndarray | None = None,
        *,
        on_disk: bool = False,
    ) -> None:
        """dtype (DTypeLike): Of the elements.
        width (int | None): Elements per row; None for rows of one element.
        first (ndarray | None): Rows to begin with, not copied.
        on_disk (bool): Keep full arrays in temporary files, mapped into memory.
        """
        self.dtype = np.dtype(dtype)
        self.tail: tuple[int, ...] = () if width is None else (width,)
        self._on_disk = on_disk
        self._blocks: list[np.ndarray] = []
        self._filled: list[int] = []
        if first is not None and len(first):
            self._blocks.append(first)
            self._filled.append(len(first))

    def __len__(self) -> int:
        return sum(self._filled)

    @property
    def nbytes(self) -> int:
        """Size of the rows in bytes, in memory or on disk."""
        return len(self) * math.prod(self.tail) * self.dtype.itemsize

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the rows, one array after the other."""
        for block, filled in zip(self._blocks, self._filled, strict=True):
            yield block[:filled]

    def chunks(self, size: int, start: int = 0) -> Iterator[np.ndarray]:
        """Yield the rows from `start` on in pieces of at most `size`."""
        offset = 0
        for block in self:
            first = max(0, start - offset)
            for i in range(first, len(block), size):
                yield block[i : i + size]
            offset += len(block)

    def part(self, start: int, stop: int) -> np.ndarray:
        """Slice successive rows; not copied if they are in one array."""
        parts, offset = [], 0
        for block in self:
            within = slice(max(0, start - offset), max(0, stop - offset))
            parts.append(block[within])
            offset += len(block)
        parts = [part for part in parts if len(part)] or parts[:1]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def append(self, rows: np.ndarray) -> None:
        """Append rows.

        rows (ndarray): Shape (n,) or (n, width).
        """
        while len(rows):
            if not self._blocks or self._filled[-1] == len(self._blocks[-1]):
                # Untouched pages of a fresh array take no memory.
                self._blocks.append(np.empty((BLOCK_ROWS, *self.tail), self.dtype))
                self._filled.append(0)
            filled = self._filled[-1]
            part = rows[: len(self._blocks[-1]) - filled]
            self._blocks[-1][filled : filled + len(part)] = part
            self._filled[-1] += len(part)
            if self._on_disk and self._filled[-1] == len(self._blocks[-1]):
                self._blocks[-1] = _mapped(self._blocks[-1])
            rows = rows[len(part) :]

    def truncate(self, n: int) -> None:
        """Drop the rows after the first n."""
        blocks, self._blocks, self._filled = list(self), [], []
        for block in blocks:
            part = block[: max(0, n - len(self))]
            if not len(part):
                break
            if len(part) < len(block):  # the next rows are written behind it
                self.append(part)
            else:
                self._blocks.append(block)
                self._filled.append(len(block))

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Gather the rows with these numbers, in the shape of `rows`."""
        if len(self._blocks) == 1:
            return self._blocks[0][: self._filled[0]][rows]
        flat = np.asarray(rows).ravel()
        taken = np.empty((len(flat), *self.tail), self.dtype)
        offset = 0
        for block in self:
            mask = (flat >= offset) & (flat < offset + len(block))
            taken[mask] = block[flat[mask] - offset]
            offset += len(block)
        return taken.reshape(*np.shape(rows), *self.tail)

    def array(self) -> np.ndarray:
        """Concatenate all rows; a copy unless there is only one block."""
        blocks = list(self)
        if not blocks:
            return np.empty((0, *self.tail), self.dtype)
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def longest(self, start: int = 0) -> float:
        """Compute the length of the longest row, from `start` on; 0 of none."""
        longest = 0.0
        for chunk in self.chunks(_PIECE, start):
            squared = np.einsum("nw,nw->n", chunk, chunk, dtype=np.float64)
            longest = max(longest, float(np.sqrt(squared.max())))
        return longest

    def kept(self, keep: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the rows where `keep` is true, in pieces.

        keep (ndarray): Shape (len(self),), bool.
        """
        offset = 0
        for chunk in self.chunks(_PIECE):
            yield chunk[keep[offset : offset + len(chunk)]]
            offset += len(chunk)

    def save(self, path: Path, keep: np.ndarray) -> None:
        """Write a .npy file with the rows where `keep` is true, piece by piece."""
        shape = (int(keep.sum()), *self.tail)
        header = {
            "descr": npy.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": shape,
        }
        with path.open("wb") as file:
            npy.write_array_header_1_0(file, header)
            for part in self.kept(keep):
                file.write(np.ascontiguousarray(part).data)

    def __getstate__(self) -> dict[str, Any]:
        """Only the filled rows are copied to other processes."""
        return {
            "dtype": self.dtype,
            "tail": self.tail,
            "array": self.array(),
            "on_disk": self._on_disk,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        width = state["tail"][0] if state["tail"] else None
        rows = np.array(state["array"])
        self.__init__(state["dtype"], width, rows, on_disk=state["on_disk"])  # type: ignore[misc]


def _mapped(rows: np.ndarray) -> np.ndarray:
    """The same rows in a file without a name, which is deleted with the array."""
    with writing(tempfile.gettempdir()), tempfile.TemporaryFile() as file:
        rows.tofile(file)
        file.flush()
        return np.memmap(file, dtype=rows.dtype, mode="r", shape=rows.shape)
