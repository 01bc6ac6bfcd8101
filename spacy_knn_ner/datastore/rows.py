"""The rows of a table of entries: three columns that grow, and which are removed."""

from dataclasses import dataclass
from operator import is_
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from .blocks import Blocks
from .disk.saved_files import SavedTable

# An entry is a token of an example, and counts as `weight` equal ones. Its tag and its
# key are the rows of the same number.
ENTRY = np.dtype([("example_id", "<i8"), ("token", "<i4"), ("weight", "<u2")])
TAG = np.dtype("<u2")


@dataclass(frozen=True)
class RowsState:
    """The columns at one time. Those of `Rows` only grow, or are replaced."""

    keys: Blocks
    entries: Blocks
    tags: Blocks
    removed: np.ndarray
    n_removed: int
    saved: SavedTable | None


class Rows:
    """Entries, their tags and their keys.

    entries, tags (Blocks): Of `ENTRY` and `TAG`.
    removed (ndarray): Which rows are removed, shape (n,), bool.
    n_removed (int): How many.
    saved (SavedTable | None): The files that hold just these rows.
    version (int): Changes when rows are renumbered.
    """

    def __init__(
        self, keys: Blocks, entries: Blocks | None = None, tags: Blocks | None = None
    ) -> None:
        """keys, entries, tags (Blocks | None): As they were saved. Default: none."""
        self._keys = keys
        self.entries = Blocks(ENTRY) if entries is None else entries
        self.tags = Blocks(TAG) if tags is None else tags
        self.removed, self.n_removed = np.zeros(len(self.entries), dtype=bool), 0
        self.saved: SavedTable | None = None
        self.version = 0

    def __len__(self) -> int:
        """Number of rows, removed ones included."""
        return len(self.removed)

    @property
    def keys(self) -> Blocks:
        """The keys.

        RAISES (KnnNerError): If their file is damaged.
        """
        if self.saved is not None:
            self.saved.verify_before_use()
        return self._keys

    @property
    def unread_keys(self) -> Blocks:
        """The keys, of which only type, shape and size are read."""
        return self._keys

    def _changes(self) -> None:
        """Compare the files before rows change: the next save signs others."""
        if self.saved is not None:
            self.saved.verify()
            self.saved = None

    def append(self, keys: np.ndarray, entries: np.ndarray, tags: np.ndarray) -> None:
        """Append rows.

        keys, entries, tags (ndarray): Shapes (n, width), (n,) and (n,).
        """
        self._changes()
        self._keys.append(keys.astype(self._keys.dtype, copy=False))
        self.entries.append(entries)
        self.tags.append(tags)
        self.removed = np.append(self.removed, np.zeros(len(entries), dtype=bool))

    def remove(self, rows: np.ndarray) -> None:
        """Mark rows as removed.

        rows (ndarray): Their numbers; none of a row that is.
        """
        if not len(rows):
            return
        self._changes()
        self.removed, tags = self.removed.copy(), self.tags.array().copy()
        self.removed[rows] = True
        tags[rows] = 0  # their label may be given up
        self.tags = Blocks(TAG, None, tags)
        self.n_removed += len(rows)

    def retag(self, ids: np.ndarray) -> None:
        """Give every row another tag id.

        ids (ndarray): New ids by old ones.
        """
        self._changes()
        self.tags = Blocks(TAG, None, ids[self.tags.array()].astype(TAG))

    def start_empty(self, keys: Blocks) -> None:
        """Drop all rows.

        keys (Blocks): Those to begin with.
        """
        self.saved, self._keys = None, keys
        self.entries, self.tags = Blocks(ENTRY), Blocks(TAG)
        self.removed, self.n_removed = np.zeros(0, dtype=bool), 0
        self.version += 1

    def shrink(self, keep: np.ndarray, weights: np.ndarray, dtype: Any) -> None:
        """Drop rows, and renumber the others.

        keep (ndarray): The rows that stay, shape (n,), bool; no removed ones.
        weights (ndarray): Their new weights, shape (n,).
        dtype (DTypeLike): Of the keys.
        RAISES (KnnNerError): If a key does not fit the dtype; nothing changes.
        """
        self._changes()
        keys = self._kept_keys(keep, dtype)
        entries, tags = self.entries.array()[keep], self.tags.array()[keep]
        entries["weight"] = weights[keep]
        Rows.start_empty(self, keys)
        self.entries.append(entries)
        self.tags.append(tags)
        self.removed = np.zeros(len(entries), dtype=bool)

    def _kept_keys(self, keep: np.ndarray, dtype: Any) -> Blocks:
        keys = Blocks(dtype, self._keys.tail[0], on_disk=True)
        for part in self._keys.kept(keep):
            with np.errstate(over="ignore"):  # noticed in the next line
                part = part.astype(dtype, copy=False)
            if not (np.isfinite(part).all(1) & part.any(1)).all():
                raise KnnNerError(Errors.E031, dtype=dtype)
            keys.append(part)
        return keys

    # --- all or nothing --------------------------------------------------------------

    def state(self) -> RowsState:
        """Remember the rows, for `restore`. Nothing is copied."""
        columns = self._keys, self.entries, self.tags, self.removed
        return RowsState(*columns, self.n_removed, self.saved)

    def restore(self, state: RowsState) -> None:
        """Go back to the rows that there were, after a change that failed halfway.

        state (RowsState): From `state`.
        """
        columns = self._keys, self.tags, self.removed
        before = state.keys, state.tags, state.removed
        if all(map(is_, columns, before)):
            return  # nothing was changed
        self._keys, self.entries, self.tags = state.keys, state.entries, state.tags
        self.removed, self.n_removed = state.removed, state.n_removed
        self.saved = state.saved
        for column in (self._keys, self.entries, self.tags):
            column.truncate(len(state.removed))
        self.version += 1
