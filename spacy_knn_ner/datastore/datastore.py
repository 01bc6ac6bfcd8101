"""The datastore: annotated examples, and two tables of entries made from them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from ..tags import MISSING, TagSet
from ..types import AnnotatedText, StoredExample, TokenKeys
from .blocks import DTYPES
from .disk import saving
from .disk.saved_files import SavedFiles
from .encoding import Encoded, encoded
from .entries import EntryTable
from .examples.base import CORRECTIONS, PARTS, STORE, Examples
from .examples.sqlite import ExampleStore
from .home import Home, Local


class Datastore:
    """Annotated texts, and a key for every token.

    The *store* is built from a corpus; *corrections* are added by people afterwards. An
    *example* is an annotated text with an id that is never reused; an *entry* is one of
    its tokens. Entries are made from examples, and can be made again.

    examples (Examples): The annotated texts of both parts.
    store, corrections (EntryTable): Their entries.
    fingerprint (dict[str, Any] | None): What the keys were made with; see
        reading/fingerprint.py. Stored as it is.
    tag_set (TagSet): The meaning of tag ids.
    projection (ndarray | None): What keys were projected with. Stored as it is.
    saved_as (dict[Path, str]): Versions that it was loaded from or saved as, by folder.
    files (SavedFiles | None): The files that it was loaded from or saved to.
    n_changes (int): How often examples were added, removed, moved or changed.
    n_rereads (int): How often another process changed more than a few examples.
    home (Home): Where it is kept, and who else changes it.
    """

    def __init__(
        self,
        *,
        dtype: str = "float32",
        scheme: str = "BILUO",
        fingerprint: dict[str, Any] | None = None,
    ) -> None:
        """dtype (str): Keys are stored as `"float32"` (default) or `"float16"`.
        scheme (str): Tag scheme of the entries. Default: "BILUO".
        fingerprint (dict[str, Any] | None): Of the encoder.
        RAISES (KnnNerError): For an unknown dtype or scheme.
        """
        if dtype not in DTYPES:
            raise KnnNerError(Errors.E038, value=dtype, known=list(DTYPES))
        self.dtype = dtype
        self.tag_set = TagSet(scheme)
        self.fingerprint = fingerprint
        self.projection: np.ndarray | None = None
        self.examples: Examples = ExampleStore()
        self.store, self.corrections = EntryTable(dtype=dtype), EntryTable(dtype=dtype)
        self.saved_as: dict[Path, str] = {}
        self.files: SavedFiles | None = None
        self.n_changes = self.n_rereads = 0
        self.home: Home = Local()

    def __len__(self) -> int:
        """Number of entries."""
        return len(self.store) + len(self.corrections)

    @property
    def tables(self) -> dict[str, EntryTable]:
        """The entries by part, `"store"` and `"corrections"`."""
        return {STORE: self.store, CORRECTIONS: self.corrections}

    @property
    def width(self) -> int | None:
        """Width of the keys; None while there are none."""
        return self.store.width or self.corrections.width

    def start_empty(self, *, dtype: str, fingerprint: dict[str, Any] | None) -> None:
        """Set what keys are made with; only while there are no entries.

        dtype (str), fingerprint (dict[str, Any] | None): As for `Datastore`.
        """
        self.dtype, self.fingerprint = dtype, fingerprint
        for table in self.tables.values():
            table.start_empty(dtype)
        self.tag_set = TagSet(self.tag_set.scheme)

    def set_scheme(self, scheme: str) -> None:
        """Set the tag scheme, which cannot change while there are labels.

        scheme (str): The tagger's.
        RAISES (KnnNerError): If entries are tagged in another one.
        """
        if not self.tag_set.labels:
            self.tag_set = TagSet(scheme)
        elif scheme != self.tag_set.scheme:
            raise KnnNerError(Errors.E035, stored=self.tag_set.scheme, given=scheme)

    # --- changing ----------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Change all or nothing; also within each other. If anything fails inside, such
        as on a full disk, examples and entries are as they were."""
        with self.store.lock, self.corrections.lock:
            self.home.begin(self)
            about = self.dtype, self.fingerprint, self.tag_set, self.n_changes
            projection = self.projection
            states = {part: table.state() for part, table in self.tables.items()}
            try:
                with self.examples.transaction():
                    self.n_changes += 1
                    yield
                self.home.commit(self)
            except BaseException:
                self.home.rollback()
                self.projection = projection
                self.dtype, self.fingerprint, self.tag_set, self.n_changes = about
                for part, table in self.tables.items():
                    table.restore(states[part])
                raise

    def add(
        self,
        texts: Sequence[AnnotatedText],
        keys: Sequence[TokenKeys],
        *,
        part: str,
        source: str | None = None,
    ) -> list[int]:
        """Add examples; the next search finds their entries.

        texts (Sequence[AnnotatedText]): The texts. Tokens without annotation get no
            entry.
        keys (Sequence[TokenKeys]): The keys of each text.
        part (str): `"store"` or `"corrections"`.
        source (str | None): Where the texts come from; for `ExampleStore.ids`.
        RETURNS (list[int]): The examples' ids, in order.
        RAISES (KnnNerError): For overlapping entities, keys of another width, or a
            store's that cannot be compared; then nothing is added.
        """
        with self.transaction():
            self.tag_set, tags, vectors = self._encoded(texts, keys)
            ids = self.examples.add(texts, part, source)
            self._add_entries(ids, keys, tags, vectors, part)
        return ids

    def add_entries(
        self,
        example_ids: Sequence[int],
        texts: Sequence[AnnotatedText],
        keys: Sequence[TokenKeys],
        *,
        part: str,
    ) -> None:
        """Add the entries of examples that have none; see `copy_examples`.

        example_ids (Sequence[int]): The examples.
        texts, keys, part: As for `add`.
        """
        with self.transaction():
            self.tag_set, tags, vectors = self._encoded(texts, keys)
            self._add_entries(example_ids, keys, tags, vectors, part)

    def _encoded(
        self, texts: Sequence[AnnotatedText], keys: Sequence[TokenKeys]
    ) -> Encoded:
        return encoded(texts, keys, self.tag_set, dtype=self.dtype, width=self.width)

    def _add_entries(
        self,
        ids: Sequence[int],
        keys: Sequence[TokenKeys],
        tags: list[np.ndarray],
        vectors: list[np.ndarray],
        part: str,
    ) -> None:
        if part == STORE and any(v.shape[1] == 1 and len(v) for v in vectors):
            raise KnnNerError(Errors.E053)  # keys of words alone are all the same
        masks = [tag != MISSING for tag in tags]  # no annotation is not O
        if not any(mask.any() for mask in masks):
            return
        pairs = zip(vectors, masks, strict=True)
        self.tables[part].add(
            np.concatenate([v[mask] for v, mask in pairs if mask.any()]),
            np.repeat(ids, [mask.sum() for mask in masks]),
            np.concatenate([x.tokens[m] for x, m in zip(keys, masks, strict=True)]),
            np.concatenate([tag[m] for tag, m in zip(tags, masks, strict=True)]),
        )

    def copy_examples(
        self, parts: Collection[str], *, dtype: str, scheme: str, fingerprint: Any
    ) -> "Datastore":
        """Make a datastore with the same examples and without entries.

        parts (Collection[str]): Of `"store"` and `"corrections"`.
        dtype (str), scheme (str), fingerprint (dict[str, Any] | None): As for
            `Datastore`.
        RETURNS (Datastore): Its next id follows this one's last.
        """
        new = Datastore(dtype=dtype, scheme=scheme, fingerprint=fingerprint)
        new.examples = self.examples.copy(parts)
        return new

    def forget(self, example_ids: Iterable[int]) -> int:
        """Remove examples and their entries, from both parts, and labels that no other
        example has.

        example_ids (Iterable[int]): Ids from `add`.
        RETURNS (int): How many entries were removed.
        RAISES (KnnNerError): For an unknown id; then nothing is removed.
        """
        ids = [*example_ids]
        with self.transaction():
            for i in ids:
                self.example(i)
            self.examples.forget(ids)
            count = sum(table.remove(ids) for table in self.tables.values())
            labels = self.tag_set.labels
            # Labels that others follow stay: the ids of their tags would move.
            while labels and not self.examples.has_label(labels[-1]):
                labels = labels[:-1]
            self.tag_set = TagSet(self.tag_set.scheme, labels)
        return count

    def replace_annotation(self, example_id: int, text: AnnotatedText) -> None:
        """Take annotation away from some tokens of a correction.

        example_id (int): The correction.
        text (AnnotatedText): The same words, with more tokens without annotation.
        """
        with self.transaction():
            before = set(self.example(example_id).annotated.missing)
            tokens = sorted(set(text.missing) - before)
            self.examples.replace(example_id, text)
            self.corrections.remove([example_id], tokens=tokens)

    def restore(self, example: StoredExample, keys: TokenKeys) -> None:
        """Put back an example that was forgotten or revised, with its id.

        example (StoredExample): As it was.
        keys (TokenKeys): Of its text.
        """
        ids, part = [example.example_id], example.part
        with self.transaction():
            self.tag_set, tags, vectors = self._encoded([example.annotated], [keys])
            self.tables[part].remove(ids)
            self.examples.restore(example)
            self._add_entries(ids, [keys], tags, vectors, part)

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label, in examples and entries; if the new one exists, the two
        become one.

        old_label (str): Must exist.
        new_label (str): Not empty.
        RETURNS (int): How many examples had it.
        RAISES (KnnNerError): If it does not exist; then nothing is changed.
        """
        with self.transaction():
            self.tag_set, ids = self.tag_set.renamed(old_label, new_label)
            for table in self.tables.values():
                table.retag(ids)
            return self.examples.relabel(old_label, new_label)

    def consolidate(self) -> int:
        """Move all corrections into the store.

        RETURNS (int): How many examples.
        RAISES (KnnNerError): If their keys cannot be compared.
        """
        if len(self.corrections) and self.width == 1:
            raise KnnNerError(Errors.E053)
        with self.transaction():
            ids = self.examples.ids(CORRECTIONS)
            self.store.absorb(self.corrections)
            self.examples.move(ids, STORE)
        return len(ids)

    def example(self, example_id: int) -> StoredExample:
        """Get the example with this id.

        RAISES (KnnNerError): If there is none.
        """
        try:
            return self.examples.get(index(example_id))
        except (KeyError, OverflowError, TypeError) as error:
            raise KnnNerError(Errors.E037, example_id=example_id) from error

    def check_width(self, vectors: np.ndarray) -> None:
        """Check that vectors can be compared with the keys.

        vectors (ndarray): Shape (n, width).
        RAISES (KnnNerError): If they have another width.
        """
        if self.width is not None and len(vectors) and vectors.shape[1] != self.width:
            raise KnnNerError(Errors.E034, found=vectors.shape[1], expected=self.width)

    # --- saving and loading --------------------------------------------------

    def to_disk(self, path: str | Path) -> None:
        """Save as the next generation; see disk/saving.py.

        path (str | Path): A folder.
        RAISES (KnnNerError): If another process has saved there since this was loaded.
        """
        saving.to_disk(self, Path(path).resolve())

    def from_disk(self, path: str | Path, *, verify: bool | None = None) -> "Datastore":
        """Load what `to_disk` saved. Keys are mapped into memory.

        path (str | Path): The folder.
        verify (bool | None): When keys are compared; see `SavedFiles.open`.
        RAISES (KnnNerError): If it is missing, damaged or too new.
        """
        saving.from_disk(self, Path(path).resolve(), verify=verify)
        return self

    def verify(self) -> None:
        """Compare the SHA-256 of all files that it is from, once; or check what a
        database has.

        RAISES (KnnNerError): If one is damaged.
        """
        if self.files is not None:
            self.files.verify(self.files.records)
        self.home.verify(self)

    def to_bytes(self) -> bytes:
        """Serialize everything.

        RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
        """
        return saving.to_bytes(self)

    def from_bytes(self, data: bytes) -> "Datastore":
        """Load from `to_bytes`.

        RAISES (KnnNerError): If it is something else; then nothing is changed.
        """
        saving.from_bytes(self, data)
        return self


__all__ = ["CORRECTIONS", "PARTS", "STORE", "Datastore"]
