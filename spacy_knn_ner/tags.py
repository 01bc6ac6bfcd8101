"""Spans ⇄ tags: the BILUO and BIO schemes, valid sequences and decoding.

A *label* names an entity type (`person`); a *tag* says where in an entity of
that type a token stands (`B-person`). Everything here is plain numpy: it knows
neither pipelines nor torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .errors import Errors, KnnNerError

# Order matters: tag ids follow it, so that new labels only append ids.
PREFIXES = {"BILUO": ("B", "I", "L", "U"), "BIO": ("B", "I")}
DECODINGS = ("viterbi", "argmax")
OUTSIDE = "O"
MISSING = -1  # id of a token that nobody annotated; never the same as O

# Bound of what is decoded at once, in numbers.
_SIDE_BY_SIDE = 1 << 18

# (first token, token after the last, label), as in spaCy's Span.
SpanTuple = tuple[int, int, str]


def split_tag(tag: str) -> tuple[str, str]:
    """`"B-creative-work"` → `("B", "creative-work")`; `"O"` → `("O", "")`."""
    prefix, _, label = tag.partition("-")
    return prefix, label


@dataclass(frozen=True)
class TagSet:
    """The tags of a scheme over a list of labels, and what follows what.

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
        """The tag set that covers every label among the tags."""
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

    def union(self, labels: Iterable[str]) -> "TagSet":
        """This tag set with further labels behind its own."""
        return TagSet(self.scheme, tuple(dict.fromkeys((*self.labels, *labels))))

    def encode(
        self, n_tokens: int, spans: Iterable[SpanTuple], missing: Iterable[int] = ()
    ) -> np.ndarray:
        """Tag ids of a sequence with these entities.

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

    def _span_tags(self, length: int, label: str) -> list[str]:
        if self.scheme == "BIO":
            prefixes = ["B"] + ["I"] * (length - 1)
        elif length == 1:
            prefixes = ["U"]
        else:
            prefixes = ["B"] + ["I"] * (length - 2) + ["L"]
        return [f"{prefix}-{label}" for prefix in prefixes]

    def spans(self, ids: Sequence[int] | np.ndarray) -> list[SpanTuple]:
        """The entities that tag ids spell, read as conlleval reads them."""
        tags = [OUTSIDE if i == MISSING else self.tags[i] for i in ids]
        return tags_to_spans(tags)

    # --- valid sequences ---------------------------------------------------

    @property
    def transitions(self) -> "Transitions":
        return _transitions(self.scheme, self.labels)

    def is_valid(self, ids: np.ndarray) -> bool:
        """Whether every tag may stand where it stands."""
        return not len(self.invalid(ids, [len(ids)]))

    def invalid(self, ids: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
        """Which of several sequences are not valid.

        ids (ndarray): Of all sequences, one after the other, shape (n_tokens,).
        lengths (Sequence[int]): Tokens per sequence.
        RETURNS (ndarray): The numbers of the sequences, ascending.
        """
        if len(ids) == 0:
            return np.zeros(0, dtype=np.int64)
        allowed = self.transitions
        ends = np.cumsum(lengths)
        filled = np.asarray(lengths) > 0
        first, last = (ends - lengths)[filled], ends[filled] - 1
        broken = np.zeros(len(ids), dtype=bool)  # at tokens that may not follow
        broken[1:] = ~allowed.step[ids[:-1], ids[1:]]
        broken[first] = ~allowed.first[ids[first]]
        broken[last] |= ~allowed.last[ids[last]]
        return np.unique(np.searchsorted(ends, np.flatnonzero(broken), side="right"))

    def decode(
        self,
        probabilities: np.ndarray,
        decoding: str = "viterbi",
        lengths: Sequence[int] | None = None,
    ) -> np.ndarray:
        """The best valid tag sequence, or several of them.

        probabilities (ndarray): Shape (n_tokens, n_tags).
        decoding (str): `"viterbi"`: the valid sequence with the highest product
            of probabilities. `"argmax"`: the most probable tag of each token,
            then repaired by reading it as conlleval does.
        lengths (Sequence[int] | None): Tokens per sequence; None: it is one.
        RETURNS (ndarray): Ids, shape (n_tokens,).
        """
        lengths = [len(probabilities)] if lengths is None else lengths
        ids = probabilities.argmax(axis=1)
        # No sequence beats the best tag of every token: if that is valid, it is
        # Viterbi's.
        ends = np.cumsum(lengths)
        parts = [
            slice(ends[i] - lengths[i], ends[i]) for i in self.invalid(ids, lengths)
        ]
        if decoding == "viterbi":
            paths = viterbi([probabilities[part] for part in parts], self.transitions)
        else:
            spans = [self.spans(ids[part]) for part in parts]
            paths = [
                self.encode(part.stop - part.start, found)
                for part, found in zip(parts, spans, strict=True)
            ]
        for part, path in zip(parts, paths, strict=True):
            ids[part] = path
        return ids


@dataclass(frozen=True)
class Transitions:
    """Which tags may open a sequence, follow each other, and close it.

    first, last (ndarray): Shape (n_tags,), bool.
    step (ndarray): Shape (n_tags, n_tags), bool: row may be followed by column.
    """

    first: np.ndarray
    step: np.ndarray
    last: np.ndarray


@lru_cache(maxsize=64)
def _transitions(scheme: str, labels: tuple[str, ...]) -> Transitions:
    tags = TagSet(scheme, labels).tags
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


def log_probabilities(p: np.ndarray) -> np.ndarray:
    """Logarithms for Viterbi. A tag nobody votes for stays possible, at a price that no
    sequence pays gladly.

    Sums of them have no rounding errors: as multiples of 2⁻³² they fit into a float64.
    So sequences that are equally good stay so, whatever is added to all of them.
    """
    logs = np.log(np.maximum(p, 1e-30, dtype=np.float64))
    return np.rint(logs * 2.0**32) / 2.0**32


def viterbi(
    probabilities: Sequence[np.ndarray], transitions: Transitions
) -> list[np.ndarray]:
    """The valid sequences with the highest product of probabilities.

    probabilities (Sequence[ndarray]): Per sequence, shape (n_tokens, n_tags), n_tokens
        > 0. They are decoded side by side.
    RETURNS (list[ndarray]): Per sequence ids, shape (n_tokens,), int64.
    """
    longest_first = sorted(
        range(len(probabilities)), key=lambda i: -len(probabilities[i])
    )
    found: dict[int, np.ndarray] = {}
    start = 0
    while start < len(longest_first):
        longest = len(probabilities[longest_first[start]])
        # Pairs of tags at one place, and tags at all places.
        each = max(transitions.step.size, longest * len(transitions.first))
        some = longest_first[start : start + max(1, _SIDE_BY_SIDE // each)]
        start += len(some)
        paths = _viterbi([probabilities[i] for i in some], transitions)
        found.update(zip(some, paths, strict=True))
    return [found[i] for i in range(len(probabilities))]


def _viterbi(
    probabilities: list[np.ndarray], transitions: Transitions
) -> list[np.ndarray]:
    """probabilities (list[ndarray]): The longest first."""
    lengths = np.array([len(p) for p in probabilities])
    n, n_tags = len(lengths), len(transitions.first)
    scores = np.zeros((n, lengths[0], n_tags))
    for row, p in zip(scores, probabilities, strict=True):
        row[: len(p)] = log_probabilities(p)
    step = np.where(transitions.step, 0.0, -np.inf)
    best = np.where(transitions.first, scores[:, 0], -np.inf)
    origins = np.zeros(scores.shape, dtype=np.int64)
    for i in range(1, lengths[0]):
        going = np.count_nonzero(lengths > i)  # the others are complete
        paths = best[:going, :, None] + step
        origins[:going, i] = paths.argmax(axis=1)
        best[:going] = paths.max(axis=1) + scores[:going, i]
    best = np.where(transitions.last, best, -np.inf)
    ids = np.zeros((n, lengths[0]), dtype=np.int64)
    ids[np.arange(n), lengths - 1] = best.argmax(axis=1)
    for i in range(lengths[0] - 1, 0, -1):
        going = np.count_nonzero(lengths > i)
        rows = np.arange(going)
        ids[:going, i - 1] = origins[rows, i, ids[:going, i]]
    return [row[:length] for row, length in zip(ids, lengths, strict=True)]


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
        prefix, label = split_tag(tag)
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
