"""Spans ⇄ tags: the BILUO and BIO schemes.

A *label* names an entity type (`person`); a *tag* says which part of an entity of
that type a token is (`B-person`). Everything here is plain numpy, without pipelines
or torch. Decoding is in inference/decoding.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .errors import Errors, KnnNerError

# Order matters: tag ids follow it, so that new labels only append ids.
PREFIXES = {"BILUO": ("B", "I", "L", "U"), "BIO": ("B", "I")}
OUTSIDE = "O"
MISSING = -1  # id of a token without annotation; never the same as O

# (first token, token after the last, label), as in spaCy's Span.
SpanTuple = tuple[int, int, str]


def split_tag(tag: str) -> tuple[str, str]:
    """`"B-creative-work"` → `("B", "creative-work")`; `"O"` → `("O", "")`."""
    prefix, _, label = tag.partition("-")
    return prefix, label


@dataclass(frozen=True)
class TagSet:
    """The tags of a scheme over a list of labels.

    scheme (str): `"BILUO"` or `"BIO"`.
    labels (tuple[str, ...]): Entity types. The tag with id 0 is `O`; the tags
        of label i follow in the order of the scheme, so a label added at the
        end leaves all other ids as they are.
    RAISES (KnnNerError): For an unknown scheme.
    """

    scheme: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scheme not in PREFIXES:
            raise KnnNerError(Errors.E001, scheme=self.scheme, known=list(PREFIXES))

    @classmethod
    def from_tags(cls, scheme: str, tags: Iterable[str]) -> "TagSet":
        """Make the tag set that covers every label among the tags."""
        labels = dict.fromkeys(split_tag(tag)[1] for tag in tags if tag != OUTSIDE)
        return cls(scheme, tuple(labels))

    def __len__(self) -> int:
        return len(self.tags)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Every tag; the position is its id."""
        prefixes = PREFIXES[self.scheme]
        tagged = (f"{prefix}-{label}" for label in self.labels for prefix in prefixes)
        return (OUTSIDE, *tagged)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Tag → id."""
        return {tag: i for i, tag in enumerate(self.tags)}

    def renamed(self, old_label: str, new_label: str) -> "tuple[TagSet, np.ndarray]":
        """Rename a label; if the new one exists, the two become one.

        old_label (str), new_label (str): The labels.
        RETURNS (tuple[TagSet, ndarray]): The new tag set, and its ids by old ones.
        RAISES (KnnNerError): If there is no such label, or the new one is empty.
        """
        is_label = isinstance(new_label, str) and new_label
        if old_label not in self.labels or not is_label:
            known = list(self.labels)
            raise KnnNerError(
                Errors.E074, old_label=old_label, new_label=new_label, known=known
            )
        names = {label: label for label in self.labels} | {old_label: new_label}
        new = TagSet(self.scheme, tuple(dict.fromkeys(names.values())))
        pairs = [split_tag(tag) for tag in self.tags]
        tags = [
            f"{prefix}-{names[label]}" if label else prefix for prefix, label in pairs
        ]
        return new, np.array([new.ids[tag] for tag in tags])

    def union(self, labels: Iterable[str]) -> "TagSet":
        """Append labels that are not there yet."""
        together = tuple(dict.fromkeys((*self.labels, *labels)))
        return self if together == self.labels else TagSet(self.scheme, together)

    def encode(
        self, n_tokens: int, spans: Iterable[SpanTuple], missing: Iterable[int] = ()
    ) -> np.ndarray:
        """Encode entities as tag ids.

        n_tokens (int): Length of the sequence.
        spans (Iterable[SpanTuple]): Entities, not overlapping.
        missing (Iterable[int]): Tokens without annotation; they get `MISSING`,
            not `O`.
        RETURNS (ndarray): Ids, shape (n_tokens,), int64.
        RAISES (KnnNerError): For spans that overlap or lie outside the sequence.
        """
        ids = np.zeros(n_tokens, dtype=np.int64)
        ids[list(missing)] = MISSING
        taken = np.zeros(n_tokens, dtype=bool)
        for start, end, label in spans:
            if not 0 <= start < end <= n_tokens:
                raise KnnNerError(Errors.E003, start=start, end=end, length=n_tokens)
            if taken[start:end].any():
                raise KnnNerError(Errors.E002, start=start, end=end, label=label)
            taken[start:end] = True
            ids[start:end] = [self.ids[t] for t in self._span_tags(end - start, label)]
        return ids

    def whole_entities(self, ids: np.ndarray) -> np.ndarray:
        """Find the sequences that are one entity from end to end.

        ids (ndarray): Tags, shape (n_sequences, n_tokens).
        RETURNS (ndarray): The number of the label, or −1, shape (n_sequences,).
        """
        if not self.labels or not ids.size:
            return np.full(len(ids), -1)
        n_tokens, n_prefixes = ids.shape[1], len(PREFIXES[self.scheme])
        # Tags of a label follow each other, so those of another are farther by as much.
        numbers = [PREFIXES[self.scheme].index(p) for p in _span(self.scheme, n_tokens)]
        offsets = ids.astype(np.int64) - np.array(numbers) - 1
        whole = (offsets == offsets[:, :1]).all(axis=1) & (offsets[:, 0] >= 0)
        whole &= offsets[:, 0] % n_prefixes == 0
        return np.where(whole, offsets[:, 0] // n_prefixes, -1)

    def _span_tags(self, length: int, label: str) -> list[str]:
        return [f"{prefix}-{label}" for prefix in _span(self.scheme, length)]

    def spans(self, ids: Sequence[int] | np.ndarray) -> list[SpanTuple]:
        """Decode tag ids to entities, as conlleval reads them."""
        tags = [OUTSIDE if i == MISSING else self.tags[i] for i in ids]
        return tags_to_spans(tags)

    def columns_in(self, other: "TagSet") -> np.ndarray:
        """Find the columns of these tags in a tag set that has all of them.

        other (TagSet): The larger tag set.
        RETURNS (ndarray): Shape (n_tags,), int64.
        """
        return np.array([other.ids[tag] for tag in self.tags], dtype=np.int64)


@dataclass(frozen=True)
class Transitions:
    """The tags that may open a sequence, follow each other, and close it.

    first, last (ndarray): Shape (n_tags,), bool.
    step (ndarray): Shape (n_tags, n_tags), bool: row may be followed by column.
    """

    first: np.ndarray
    step: np.ndarray
    last: np.ndarray


@lru_cache(maxsize=64)
def transitions(tag_set: TagSet) -> Transitions:
    """List the valid transitions of a tag set."""
    scheme, tags = tag_set.scheme, tag_set.tags
    prefixes = np.array([split_tag(tag)[0] for tag in tags])
    owners = np.array([split_tag(tag)[1] for tag in tags], dtype=object)
    continues = np.isin(prefixes, ["I", "L"])
    same_label = owners[:, None] == owners[None, :]
    if scheme == "BIO":
        # An I needs a B or I of its label before it; nothing must be closed.
        step = ~continues[None, :] | (same_label & (prefixes != "O")[:, None])
        return Transitions(first=~continues, step=step, last=np.ones(len(tags), bool))
    # B and I must be continued by I or L of their label; nothing else may be.
    is_open = np.isin(prefixes, ["B", "I"])
    step = (is_open[:, None] == continues[None, :]) & (same_label | ~is_open[:, None])
    return Transitions(first=~continues, step=step, last=~is_open)


def tags_to_spans(tags: Iterable[str]) -> list[SpanTuple]:
    """Read entities from tags, whether or not the sequence is valid.

    The rule is conlleval's: an entity opens at B, S or U, and at I, L, M or E
    where none of its label is open; it closes before anything that does not
    continue it, and after L, E, S or U. On valid BIO, IOB1, BILUO, BIOES and
    BMES sequences this is what the scheme says.

    tags (Iterable[str]): Such as `["B-person", "L-person", "O"]`.
    RETURNS (list[SpanTuple]): (start, end, label) in order.
    """
    spans: list[SpanTuple] = []
    start, open_label = 0, ""
    length = 0
    for i, tag in enumerate(tags):
        length = i + 1
        prefix, _, label = tag.partition("-")
        if open_label and (prefix not in "ILME" or label != open_label):
            spans.append((start, i, open_label))
            open_label = ""
        if prefix == OUTSIDE:
            continue
        if not open_label:
            start, open_label = i, label
        if prefix in "LESU":
            spans.append((start, i + 1, open_label))
            open_label = ""
    if open_label:
        spans.append((start, length, open_label))
    return spans


@lru_cache(maxsize=256)
def _span(scheme: str, length: int) -> tuple[str, ...]:
    """The prefixes of the tags of an entity."""
    if scheme == "BIO":
        return ("B", *["I"] * (length - 1))
    return ("U",) if length == 1 else ("B", *["I"] * (length - 2), "L")
