"""Revising: a correction that is added takes away what it contradicts in earlier ones
of its sentence; when it is forgotten, that comes back."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..datastore.datastore import CORRECTIONS, Datastore
from ..types import AnnotatedText, StoredExample, TokenKeys
from .conflicts import is_same, without_conflicts

Recorded = tuple[StoredExample, TokenKeys]


@dataclass(frozen=True)
class Revision:
    """An earlier correction that lost annotation to a later one.

    earlier (StoredExample): As it was.
    left (AnnotatedText): What is left of its annotation.
    """

    earlier: StoredExample
    left: AnnotatedText


@dataclass(frozen=True)
class Addition:
    """A correction that was added.

    example_id (int): Its id.
    is_new (bool): Whether it was added; otherwise it existed already.
    revised (tuple[Revision, ...]): Earlier corrections that lost annotation.
    """

    example_id: int
    is_new: bool
    revised: tuple[Revision, ...] = ()


class History:
    """What corrections of one sentence annotated before later ones contradicted them,
    so that forgetting one leaves what there would be without it. It is kept in memory
    alone: what was replaced is on no disk."""

    def __init__(self) -> None:
        """Start without any."""
        self._sentences: dict[tuple[str, ...], dict[int, Recorded]] = {}
        self._sentence_of: dict[int, tuple[str, ...]] = {}

    def __contains__(self, example_id: object) -> bool:
        return example_id in self._sentence_of

    def record(self, example: StoredExample, keys: TokenKeys) -> None:
        """Record a correction, unless an earlier state of it is recorded.

        example (StoredExample): The correction.
        keys (TokenKeys): Of its text.
        """
        words = tuple(example.annotated.words)
        recorded = self._sentences.setdefault(words, {})
        recorded.setdefault(example.example_id, (example, keys))
        self._sentence_of[example.example_id] = words

    def copy(self) -> "History":
        """Make a copy that does not change with this one."""
        new = History()
        new._sentences = {words: dict(its) for words, its in self._sentences.items()}
        new._sentence_of = dict(self._sentence_of)
        return new

    def ids(self, source: str | None, contains: str | None) -> list[int]:
        """List recorded corrections; as `ExampleStore.ids`.

        source (str | None): Where they come from.
        contains (str | None): A part of their text.
        """
        recorded = (e for group in self._sentences.values() for e, _ in group.values())
        return [
            example.example_id
            for example in recorded
            if (source is None or example.source == source)
            and (contains is None or contains in example.annotated.text)
        ]

    def forget(self, example_ids: Iterable[int]) -> Iterator[Recorded]:
        """Remove corrections, and find what the others of their sentences annotate
        without them: as if those had been added alone, one after the other.

        example_ids (Iterable[int]): The corrections; others are passed over.
        YIELDS (Recorded): Those that annotate something.
        """
        ids = dict.fromkeys(i for i in example_ids if i in self)  # each of them once
        sentences = dict.fromkeys(self._sentence_of[i] for i in ids)
        for i in ids:
            self._sentences[self._sentence_of.pop(i)].pop(i, None)
        for words in sentences:
            recorded = self._sentences[words]
            yield from _replayed(recorded.values())
            if len(recorded) < 2:  # nothing contradicts it any more
                del self._sentences[words]
                for i in recorded:
                    del self._sentence_of[i]


def _replayed(recorded: Iterable[Recorded]) -> list[Recorded]:
    done: list[Recorded] = []
    for later, keys in recorded:
        for i, (earlier, its_keys) in enumerate(done):
            left = without_conflicts(earlier.annotated, later.annotated)
            done[i] = replace(earlier, annotated=left), its_keys
        done.append((later, keys))
    return [
        (e, k) for e, k in done if len(e.annotated.missing) < len(e.annotated.words)
    ]


def add_corrections(
    datastore: Datastore,
    texts: Sequence[AnnotatedText],
    keys: Sequence[TokenKeys],
    *,
    source: str | None = None,
    history: History | None = None,
) -> list[Addition]:
    """Add corrections, each of them once.

    A correction that exists already is not added again. Earlier ones of the same words
    lose the annotation that it contradicts, and are forgotten if none is left.

    datastore (Datastore): Is changed.
    texts, keys, source: As for `Datastore.add`.
    history (History | None): Records what is revised. Default: none.
    RETURNS (list[Addition]): What was added, in order; the id of one that a later one
        of them has replaced is that one's.
    RAISES (KnnNerError): As for `Datastore.add`; then nothing is changed.
    """
    additions: list[Addition] = []
    recorded: list[Recorded] = []
    replaced_by: dict[int, int] = {}
    with datastore.transaction():
        for text, key in zip(texts, keys, strict=True):
            addition, forgotten = _add_one(datastore, text, key, source)
            if addition.revised:
                recorded += [(revision.earlier, key) for revision in addition.revised]
                recorded.append((datastore.example(addition.example_id), key))
            replaced_by.update(dict.fromkeys(forgotten, addition.example_id))
            additions.append(addition)
    if history is not None:
        for example, key in recorded:
            history.record(example, key)
    return [
        replace(addition, example_id=_last(addition.example_id, replaced_by))
        for addition in additions
    ]


def _add_one(
    datastore: Datastore, text: AnnotatedText, key: TokenKeys, source: str | None
) -> tuple[Addition, list[int]]:
    """Add one correction. Returns also which earlier ones are forgotten."""
    same, revised, forgotten = None, [], list[int]()
    for earlier in datastore.examples.corrections_of(text):
        if is_same(earlier.annotated, text):
            same = earlier.example_id if same is None else same
            continue
        left = without_conflicts(earlier.annotated, text)
        if left.missing == earlier.annotated.missing:
            continue
        revised.append(Revision(earlier, left))
        if len(left.missing) == len(left.words):
            datastore.forget([earlier.example_id])
            forgotten.append(earlier.example_id)
        else:
            datastore.replace_annotation(earlier.example_id, left)
    new = same
    if new is None:
        new = datastore.add([text], [key], part=CORRECTIONS, source=source)[0]
    return Addition(new, same is None, tuple(revised)), forgotten


def _last(example_id: int, replaced_by: dict[int, int]) -> int:
    while example_id in replaced_by:
        example_id = replaced_by[example_id]
    return example_id
