"""The outcome of adding corrections: what changed in their own texts, what did not and
why, and what they contradict."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import overload

from ..tags import SpanTuple
from ..types import AnnotatedText
from .matching import CorrectionMatcher
from .revising import Addition, Revision
from .taught import no_entities
from .texts import visible_text


@dataclass(frozen=True)
class SpanOutcome:
    """What became of an annotated span.

    start, end (int): Its first token, and the token after its last.
    text (str), label (str): Of the span; a label of "" is no entity.
    before (list[str]): The entities there before, such as "New York GPE".
    found (bool): Whether the prediction is now as annotated.
    reason (str): Why not; otherwise "".
    alike, otherwise (int): Examples in the store where the words stand with this
        label, and with another one.
    """

    start: int
    end: int
    text: str
    label: str
    before: list[str]
    found: bool
    reason: str
    alike: int
    otherwise: int

    @property
    def line(self) -> str:
        """The outcome in words."""
        label, before = self.label or "no entity", ", ".join(self.before)
        if not self.found:
            return f"“{self.text}” does not become {label}: {self.reason}."
        if before == (f"{self.text} {self.label}" if self.label else ""):
            shown = f"“{self.text}” is {label}, as before."
        else:
            shown = f"“{self.text}” is now {label}; before: {before or 'no entity'}."
        if self.otherwise:
            shown += (
                f" Examples in the store with these words: {self.alike:,} like this, "
                f"otherwise: {self.otherwise:,}."
            )
        return shown


@dataclass(frozen=True)
class Outcome:
    """What became of a correction.

    example_id (int): Its id.
    is_new (bool): Whether it was added; otherwise it existed already.
    spans (list[SpanOutcome]): Its annotated spans.
    revised (tuple[Revision, ...]): Earlier corrections that it contradicts.
    """

    example_id: int
    is_new: bool
    spans: list[SpanOutcome]
    revised: tuple[Revision, ...] = ()

    @property
    def text(self) -> str:
        """The outcome in words, a line each."""
        lines = [span.line for span in self.spans]
        for revision in self.revised:
            source = revision.earlier.source
            whose = f" of {source}" if source else ""
            what = ", ".join(_lost(revision))
            lines.append(f"It replaces an earlier correction{whose}: {what}.")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Added(Sequence[int]):
    """The corrections of a call of `knn.add`: a sequence of their ids, for
    `knn.forget`.

    outcomes (list[Outcome]): What became of each.
    """

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """The examples' ids, in order."""
        return [outcome.example_id for outcome in self.outcomes]

    @property
    def new_ids(self) -> list[int]:
        """Those that did not exist already, each once."""
        return list(dict.fromkeys(o.example_id for o in self.outcomes if o.is_new))

    @property
    def text(self) -> str:
        """All outcomes in words."""
        return "\n".join(o.text for o in self.outcomes if o.text)

    def __len__(self) -> int:
        return len(self.outcomes)

    @overload
    def __getitem__(self, i: int) -> int: ...

    @overload
    def __getitem__(self, i: slice) -> list[int]: ...

    def __getitem__(self, i: int | slice) -> int | list[int]:
        if isinstance(i, slice):
            return self.ids[i]
        return self.outcomes[i].example_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.ids == list(other)

    def __repr__(self) -> str:
        return f"Added({self.ids})"


def outcome_of(
    addition: Addition,
    text: AnnotatedText,
    before: list[SpanTuple],
    after: list[SpanTuple],
    rulers: list[SpanTuple],
    matcher: CorrectionMatcher,
) -> Outcome:
    """Compare what is predicted before and after a correction was added.

    addition (Addition): What was added.
    text (AnnotatedText): Its annotation.
    before, after (list[SpanTuple]): The entities of its text.
    rulers (list[SpanTuple]): Those that rulers have set.
    matcher (CorrectionMatcher): With the correction.
    """
    given = [*text.entities, *((s, e, "") for s, e in no_entities(text))]
    spans = []
    for start, end, label in sorted(given):
        now = _overlapping(after, start, end)
        is_it = now == [(start, end, label)]
        found = is_it if label else not now
        alike, otherwise = _in_store(text, start, end, label, matcher)
        spans.append(
            SpanOutcome(
                start=start,
                end=end,
                text=_text(text, start, end),
                label=label,
                before=[
                    f"{_text(text, first, last)} {was}"
                    for first, last, was in _overlapping(before, start, end)
                ],
                found=found,
                reason="" if found else _reason(text, _overlapping(rulers, start, end)),
                alike=alike,
                otherwise=otherwise,
            )
        )
    return Outcome(addition.example_id, addition.is_new, spans, addition.revised)


def _lost(revision: Revision) -> list[str]:
    """What an earlier correction does not say any more."""
    before, left = revision.earlier.annotated, revision.left
    lost = [e for e in before.entities if e not in left.entities]
    others = set(left.missing) - set(before.missing)
    others.difference_update(*(range(start, end) for start, end, _ in lost))
    lost += [(i, i + 1, "no entity") for i in others]
    return [
        f"{_text(before, start, end)} {label}" for start, end, label in sorted(lost)
    ]


def _overlapping(spans: list[SpanTuple], start: int, end: int) -> list[SpanTuple]:
    """Those that overlap some tokens, of spans in order that do not overlap."""
    first = bisect_right(spans, start, key=itemgetter(1))
    last = bisect_left(spans, end, key=itemgetter(0))
    return spans[first:last]


def _text(text: AnnotatedText, start: int, end: int) -> str:
    pairs = zip(text.words[start:end], text.spaces[start:end], strict=True)
    return " ".join("".join(word + " " * space for word, space in pairs).split())


def _reason(text: AnnotatedText, rulers: list[SpanTuple]) -> str:
    for start, end, _ in rulers:
        return f"“{_text(text, start, end)}” is set by an entity ruler"
    return "none of its tokens has a vector, or another correction overlaps it"


def _in_store(
    text: AnnotatedText, start: int, end: int, label: str, matcher: CorrectionMatcher
) -> tuple[int, int]:
    lower = [word.lower() for word in visible_text(text.words[start:end]).words]
    return matcher.count_in_store(lower, label)
