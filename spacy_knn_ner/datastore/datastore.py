"""The datastore: labelled examples, and two tiers of entries made from them."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from ..tags import MISSING, TagSet
from ..ty import Example, LabelledText, TokenKeys
from .examples import ExampleStore
from .phrases import Phrases
from .revision import says_the_same, without
from .saving import CORRECTIONS, STORE, TIERS, Saving
from .tier import Tier

DTYPES = ("float32", "float16")


class Datastore(Saving):
    """What was seen: texts with their entities, and a key for every token.

    The *store* is built from a corpus; *corrections* are added by people
    afterwards. An *example* is a labelled text with an id that is never reused;
    an *entry* is one of its tokens. The examples are the truth; keys and tags
    are made from them.
    """

    def __init__(
        self,
        *,
        dtype: str = "float32",
        scheme: str = "BILUO",
        encoder: dict[str, Any] | None = None,
    ) -> None:
        """dtype (str): Keys are kept as `"float32"` (default) or `"float16"`.
        scheme (str): Tag scheme of the entries.
        encoder (dict[str, Any] | None): What the keys were made with, to be
            compared before they are searched; kept as it is.
        """
        if dtype not in DTYPES:
            raise KnnNerError(Errors.E038, value=dtype, known=list(DTYPES))
        self.dtype = dtype
        self.tag_set = TagSet(scheme)
        self.encoder = encoder
        self.examples = ExampleStore()
        self.saved_as: dict[Path, str] = {}
        self.tiers: dict[str, Tier] = {}  # made when the width of keys is known
        self._phrases: dict[str, Phrases] = {}
        self.changes = 0  # how often something was added, forgotten or renamed

    def __len__(self) -> int:
        """How many entries there are."""
        return sum(map(self.size, TIERS))

    def begin(self, *, dtype: str, encoder: dict[str, Any] | None) -> None:
        """Settle what keys are made with; only while there are no entries.

        dtype (str), encoder (dict[str, Any] | None): As for `Datastore`.
        """
        self.dtype, self.encoder = dtype, encoder
        self.tiers = {}  # with what was forgotten
        self.tag_set = TagSet(self.tag_set.scheme)

    def use_scheme(self, scheme: str) -> None:
        """Settle the tag scheme, which cannot change while there are labels.

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
        texts: Sequence[LabelledText],
        keys: Sequence[TokenKeys],
        *,
        tier: str,
        source: str | None = None,
    ) -> list[int]:
        """Add examples; their entries can be found at once.

        texts (Sequence[LabelledText]): Texts with their entities. Tokens nobody
            annotated get no entry.
        keys (Sequence[TokenKeys]): The keys of each text.
        tier (str): `"store"` or `"corrections"`.
        source (str | None): Where the texts come from; for `ExampleStore.ids`.
        RETURNS (list[int]): The examples' ids, in order.
        RAISES (KnnNerError): For overlapping entities, or keys of another width;
            then nothing was added.
        """
        tags, vectors = self._checked(texts, keys)
        self.changes += 1
        ids = self.examples.add(texts, tier, source)
        self._add_entries(ids, keys, tags, vectors, tier)
        return ids

    def correct(
        self,
        texts: Sequence[LabelledText],
        keys: Sequence[TokenKeys],
        *,
        source: str | None = None,
    ) -> list[int]:
        """Add corrections, each of them once, and the last one is right.

        A correction that is there already is not added again. Earlier ones of the same
        words become silent about what it contradicts, and are forgotten if nothing is
        left of them.

        texts, keys, source: As for `add`.
        RETURNS (list[int]): The examples' ids, in order.
        RAISES (KnnNerError): As for `add`; then nothing was changed.
        """
        self._checked(texts, keys)
        ids: list[int] = []
        for text, key in zip(texts, keys, strict=True):
            new, gone = None, []
            for earlier in self.examples.corrections_of(text):
                if says_the_same(earlier.labelled, text):
                    new = earlier.example_id if new is None else new
                elif not self._revise(earlier, text):
                    gone.append(earlier.example_id)
            if new is None:
                new = self.add([text], [key], tier=CORRECTIONS, source=source)[0]
            ids = [new if i in gone else i for i in ids] + [new]
        return ids

    def _revise(self, earlier: Example, later: LabelledText) -> bool:
        """Make a correction silent about what a later one contradicts. Returns whether
        anything is left of it."""
        before, i = earlier.labelled, earlier.example_id
        left = without(before, later)
        silenced = sorted(set(left.missing) - set(before.missing))
        if not silenced:
            return True
        if len(left.missing) == len(left.words):
            self.forget([i])
            return False
        self.changes += 1
        self.examples.replace(i, left)
        if self.tiers:
            self.tiers[CORRECTIONS].forget([i], tokens=silenced)
        return True

    def add_entries(
        self,
        example_ids: Sequence[int],
        texts: Sequence[LabelledText],
        keys: Sequence[TokenKeys],
        *,
        tier: str,
    ) -> None:
        """Add the entries of examples that are there but have none; see `emptied`.

        example_ids (Sequence[int]): The examples.
        texts, keys, tier: As for `add`.
        """
        self._add_entries(example_ids, keys, *self._checked(texts, keys), tier)

    def _checked(
        self, texts: Sequence[LabelledText], keys: Sequence[TokenKeys]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The tag id and the vector of each key, as they will be stored."""
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
        self.tag_set = tag_set
        return tags, vectors

    def _add_entries(
        self,
        ids: Sequence[int],
        keys: Sequence[TokenKeys],
        tags: list[np.ndarray],
        vectors: list[np.ndarray],
        tier: str,
    ) -> None:
        known = [tag != MISSING for tag in tags]  # silence is not O
        if not any(k.any() for k in known):
            return
        rows = np.concatenate(
            [v[k] for v, k in zip(vectors, known, strict=True) if k.any()]
        )
        if not self.tiers:
            self.tiers = {name: Tier(rows.shape[1], dtype=self.dtype) for name in TIERS}
        self.tiers[tier].add(
            rows,
            np.repeat(ids, [k.sum() for k in known]),
            np.concatenate([x.tokens[k] for x, k in zip(keys, known, strict=True)]),
            np.concatenate([tag[k] for tag, k in zip(tags, known, strict=True)]),
        )

    def emptied(
        self, tiers: Collection[str], *, dtype: str, scheme: str, encoder: Any
    ) -> "Datastore":
        """A new datastore with the examples of some tiers and without entries.

        tiers (Collection[str]): Of `"store"` and `"corrections"`.
        dtype (str), scheme (str), encoder (dict[str, Any] | None): As for
            `Datastore`.
        RETURNS (Datastore): Ids it gives go on where this one's ended.
        """
        new = Datastore(dtype=dtype, scheme=scheme, encoder=encoder)
        new.examples = self.examples.copy(tiers)
        return new

    def forget(self, example_ids: Iterable[int]) -> int:
        """Remove examples and their entries, from both tiers, and labels that came with
        them.

        example_ids (Iterable[int]): Ids from `add`.
        RETURNS (int): How many entries were removed.
        RAISES (KnnNerError): For an unknown id; then nothing was removed.
        """
        ids = [int(i) for i in example_ids]
        for i in ids:
            self.example(i)
        self.changes += 1
        self.examples.forget(ids)
        count = sum(tier.forget(ids) for tier in self.tiers.values())
        labels = self.tag_set.labels
        # Those that others stand behind stay: their tags' ids would move.
        while labels and not self.examples.has_label(labels[-1]):
            labels = labels[:-1]
        self.tag_set = TagSet(self.tag_set.scheme, labels)
        return count

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label, in examples and entries; if the new one is there, the two
        become one.

        old_label (str): Must be there.
        new_label (str): Not empty.
        RETURNS (int): How many examples had it.
        RAISES (KnnNerError): If it is not there; then nothing was changed.
        """
        before = self.tag_set
        if old_label not in before.labels or not new_label:
            known = list(before.labels)
            raise KnnNerError(
                Errors.E074, old_label=old_label, new_label=new_label, known=known
            )
        self.changes += 1
        names = {label: label for label in before.labels} | {old_label: new_label}
        self.tag_set = TagSet(before.scheme, tuple(dict.fromkeys(names.values())))
        renamed = [
            tag if tag == "O" else f"{tag[:2]}{names[tag[2:]]}" for tag in before.tags
        ]
        ids = np.array([self.tag_set.ids[tag] for tag in renamed])
        for tier in self.tiers.values():
            tier.retag(ids)
        return self.examples.relabel(old_label, new_label)

    def consolidate(self) -> int:
        """Move all corrections into the store.

        RETURNS (int): How many examples.
        """
        self.changes += 1
        ids = self.examples.ids(CORRECTIONS)
        if self.tiers:
            self.tiers[STORE].take_over(self.tiers[CORRECTIONS])
            self.tiers[CORRECTIONS] = Tier(self.tiers[STORE].width, dtype=self.dtype)
        self.examples.move(ids, STORE)
        return len(ids)

    def example(self, example_id: int) -> Example:
        """The example with this id.

        RAISES (KnnNerError): If there is none.
        """
        try:
            return self.examples.get(example_id)
        except KeyError as error:
            raise KnnNerError(Errors.E037, example_id=example_id) from error

    def phrases(self, tier: str) -> Phrases:
        """The words of a tier's examples; there must be keys.

        tier (str): `"store"` or `"corrections"`.
        """
        phrases = self._phrases.get(tier)
        if phrases is None or not phrases.fits(self.tiers[tier]):
            phrases = self._phrases[tier] = Phrases(self.tiers[tier])
        phrases.extend(self._text_of)
        return phrases

    def _text_of(self, example_id: int) -> LabelledText | None:
        try:
            return self.examples.get(example_id).labelled
        except KeyError:
            return None  # forgotten

    def check_width(self, vectors: np.ndarray) -> None:
        """RAISES (KnnNerError): If these cannot be compared with the keys."""
        if self.width is not None and len(vectors) and vectors.shape[1] != self.width:
            raise KnnNerError(Errors.E034, found=vectors.shape[1], expected=self.width)
