"""The datastore: annotated examples, and two tables of entries made from them."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from ..tags import MISSING, TagSet
from ..types import AnnotatedText, StoredExample, TokenKeys
from . import saving
from .blocks import DTYPES
from .entries import EntryTable
from .examples import CORRECTIONS, PARTS, STORE, ExampleStore


class Datastore:
    """Annotated texts, and a key for every token.

    The *store* is built from a corpus; *corrections* are added by people afterwards. An
    *example* is an annotated text with an id that is never reused; an *entry* is one of
    its tokens. Entries are made from examples, and can be made again.

    examples (ExampleStore): The annotated texts of both parts.
    store, corrections (EntryTable): Their entries.
    fingerprint (dict[str, Any] | None): What the keys were made with; see
        reading/fingerprint.py. Stored as it is.
    tag_set (TagSet): The meaning of tag ids.
    projection (ndarray | None): What keys were projected with. Stored as it is.
    saved_as (dict[Path, str]): Where it was loaded from or saved to, and which version
        that was.
    n_changes (int): How often examples were added, removed, moved or changed.
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
        self.examples = ExampleStore()
        self.store, self.corrections = EntryTable(dtype=dtype), EntryTable(dtype=dtype)
        self.saved_as: dict[Path, str] = {}
        self.n_changes = 0

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
        tag_set, tags, vectors = self.checked(texts, keys)
        if part == STORE:
            self._check_comparable(keys)
        self.tag_set = tag_set
        self.n_changes += 1
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
        tag_set, tags, vectors = self.checked(texts, keys)
        if part == STORE:
            self._check_comparable(keys)
        self.tag_set = tag_set
        self._add_entries(example_ids, keys, tags, vectors, part)

    def checked(
        self, texts: Sequence[AnnotatedText], keys: Sequence[TokenKeys]
    ) -> tuple[TagSet, list[np.ndarray], list[np.ndarray]]:
        """Encode texts as they would be stored. Nothing is changed.

        texts, keys: As for `add`.
        RETURNS (tuple[TagSet, list[ndarray], list[ndarray]]): The tag set with their
            labels; the tag id and the vector of each key.
        RAISES (KnnNerError): As for `add`.
        """
        labels = [label for text in texts for _, _, label in text.entities]
        tag_set = self.tag_set.union(labels)
        tags = [
            tag_set.encode(len(text.words), text.entities, text.missing)[key.tokens]
            for text, key in zip(texts, keys, strict=True)
        ]
        with np.errstate(over="ignore"):  # noticed below
            vectors = [key.vectors.astype(self.dtype) for key in keys]
        widths = {vector.shape[1] for vector in vectors if len(vector)}
        for width in sorted(widths):
            expected = self.width or min(widths)
            if width != expected:
                raise KnnNerError(Errors.E034, found=width, expected=expected)
        # Too large becomes inf, too small a row of zeros.
        if not all((np.isfinite(v).all(1) & v.any(1)).all() for v in vectors):
            raise KnnNerError(Errors.E031, dtype=self.dtype)
        return tag_set, tags, vectors

    def _check_comparable(self, keys: Sequence[TokenKeys]) -> None:
        """Refuse keys of one number: of words alone, they are all the same."""
        if any(key.vectors.shape[1] == 1 for key in keys if len(key)):
            raise KnnNerError(Errors.E053)

    def _add_entries(
        self,
        ids: Sequence[int],
        keys: Sequence[TokenKeys],
        tags: list[np.ndarray],
        vectors: list[np.ndarray],
        part: str,
    ) -> None:
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
        new.store.index_factory = self.store.index_factory
        return new

    def forget(self, example_ids: Iterable[int]) -> int:
        """Remove examples and their entries, from both parts, and labels that no other
        example has.

        example_ids (Iterable[int]): Ids from `add`.
        RETURNS (int): How many entries were removed.
        RAISES (KnnNerError): For an unknown id; then nothing is removed.
        """
        ids = [int(i) for i in example_ids]
        for i in ids:
            self.example(i)
        self.n_changes += 1
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
        before = set(self.example(example_id).annotated.missing)
        self.n_changes += 1
        self.examples.replace(example_id, text)
        tokens = sorted(set(text.missing) - before)
        self.corrections.remove([example_id], tokens=tokens)

    def restore(self, example: StoredExample, keys: TokenKeys) -> None:
        """Put back an example that was forgotten or revised, with its id.

        example (StoredExample): As it was.
        keys (TokenKeys): Of its text.
        """
        self.tag_set, tags, vectors = self.checked([example.annotated], [keys])
        self.n_changes += 1
        ids, part = [example.example_id], example.part
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
        before = self.tag_set
        is_label = isinstance(new_label, str) and new_label
        if old_label not in before.labels or not is_label:
            known = list(before.labels)
            raise KnnNerError(
                Errors.E074, old_label=old_label, new_label=new_label, known=known
            )
        self.n_changes += 1
        names = {label: label for label in before.labels} | {old_label: new_label}
        self.tag_set = TagSet(before.scheme, tuple(dict.fromkeys(names.values())))
        renamed = [
            tag if tag == "O" else f"{tag[:2]}{names[tag[2:]]}" for tag in before.tags
        ]
        ids = np.array([self.tag_set.ids[tag] for tag in renamed])
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
        self.n_changes += 1
        ids = self.examples.ids(CORRECTIONS)
        self.store.absorb(self.corrections)
        self.examples.move(ids, STORE)
        return len(ids)

    def example(self, example_id: int) -> StoredExample:
        """Get the example with this id.

        RAISES (KnnNerError): If there is none.
        """
        try:
            return self.examples.get(example_id)
        except (KeyError, OverflowError) as error:
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
        """Save as the next generation; see saving.py.

        path (str | Path): A folder, which may hold an earlier save.
        RAISES (KnnNerError): If this was loaded from there, and another process has
            saved there since; then nothing is changed.
        """
        saving.to_disk(self, Path(path).resolve())

    def from_disk(self, path: str | Path, *, check: bool = False) -> "Datastore":
        """Load what `to_disk` saved. Keys are mapped into memory.

        path (str | Path): The folder.
        check (bool): Also compare the SHA-256 of every file. Default: False.
        RAISES (KnnNerError): If it is missing, damaged or too new.
        """
        saving.from_disk(self, Path(path).resolve(), check=check)
        return self

    def to_bytes(self) -> bytes:
        """Serialize everything.

        RAISES (KnnNerError): From 4 GiB on; use `to_disk` then.
        """
        return saving.to_bytes(self)

    def from_bytes(self, data: bytes) -> "Datastore":
        """Load from `to_bytes`."""
        saving.from_bytes(self, data)
        return self


__all__ = ["CORRECTIONS", "PARTS", "STORE", "Datastore"]
