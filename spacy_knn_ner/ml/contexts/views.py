"""Views of a Doc: which of its tokens are read at once, and together with which words.

A view is what the encoder reads: words before, tokens of the Doc, words behind. Every
token of the Doc belongs to one view; all other words there are context.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from spacy.tokens import Doc, Span

from ...types import AFTER, BEFORE, RETRIEVED, Context
from .pieces import PieceCounter

Bounds = tuple[int, int]
Text = tuple[Context, "Words"]  # a context, and its words

# Scripts without spaces, or whose words are read by character: Chinese, Japanese and
# Korean; Thai, Lao, Burmese and Khmer.
_EAST = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_SOUTHEAST = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_UNSPACED = _EAST + _SOUTHEAST
_KIND = re.compile(f"(?P<east>[{_EAST}])|(?P<southeast>[{_SOUTHEAST}])")
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+|[^\w\s]")


@dataclass(frozen=True)
class Words:
    """Words, and whether a space follows each.

    words (list[str]): The words.
    spaces (list[bool]): Of the same length.
    """

    words: list[str] = field(default_factory=list)
    spaces: list[bool] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.words)

    def __add__(self, other: "Words") -> "Words":
        return Words(self.words + other.words, self.spaces + other.spaces)

    def __getitem__(self, chosen: slice) -> "Words":
        return Words(self.words[chosen], self.spaces[chosen])

    def spaced(self) -> "Words":
        """Return them with a space behind the last one, so that the next is a word
        too."""
        return Words(self.words, [*self.spaces[:-1], True]) if self.words else self


@dataclass(frozen=True)
class View:
    """What is read at once.

    start, end (int): The Doc's tokens in it.
    left, right (Words): Context before and behind them.
    """

    start: int
    end: int
    left: Words
    right: Words


@dataclass(frozen=True)
class ViewSettings:
    """The limits of a view.

    max_pieces (int): Word pieces of a view, special ones included.
    own_pieces (int): Sentences next to each other share a view while they have at most
        this many word pieces.
    document (bool): Whether the sentences around, in the same Doc, are context.
    """

    max_pieces: int
    own_pieces: int
    document: bool


def make_views(
    doc: Doc, contexts: list[Context], counter: PieceCounter, settings: ViewSettings
) -> list[View]:
    """Make the views of a Doc.

    Retrieved texts come first, in their order; what room is left goes to the words
    around, the same on both sides. They are cut at a word; a sentence is never cut for
    them. One that is itself too long is read in windows that overlap.

    doc (Doc): With one token at least.
    contexts (list[Context]): Of its sentences.
    counter (PieceCounter): Of the encoder.
    settings (ViewSettings): How much is read at once.
    RETURNS (list[View]): In order; together they have every token of the Doc once.
    """
    split = [(context, words_of(context["text"])) for context in contexts]
    room = max(8, settings.max_pieces - counter.special)
    own = own_words(doc)
    sizes = _sizes(own, counter)
    sentences = sentences_of(doc)
    groups = sentences
    if not contexts:
        groups = _groups(sentences, sizes, settings.own_pieces)
    views = []
    for bounds in groups:
        texts = [(c, words) for c, words in split if _belongs(c, bounds)]
        limits = (0, len(doc)) if settings.document else bounds
        # A document may be long: more than one word a piece is never read.
        first = max(limits[0], bounds[0] - room)
        before = _joined(texts, BEFORE) + own[first : bounds[0]]
        behind = own[bounds[1] : min(limits[1], bounds[1] + room)]
        behind = behind.spaced() + _joined(texts, AFTER)
        pieces = int(sizes[slice(*bounds)].sum())
        if pieces > room:
            for start, end in _windows(bounds, sizes, room // 2):
                left = before + own[max(bounds[0], start - room) : start]
                right = own[end : min(bounds[1], end + room)] + behind
                free = room - int(sizes[start:end].sum())
                around = _around(left, right, counter, free)
                views.append(View(start, end, *around))
            continue
        retrieved = _retrieved(texts, counter, room - pieces)
        free = room - pieces - int(_sizes(retrieved, counter).sum())
        left, right = _around(before, behind, counter, free)
        views.append(View(*bounds, left, right.spaced() + retrieved))
    return views


def own_words(tokens: Doc | Span) -> Words:
    """List the words of a Doc, or of a part of it."""
    return Words([t.text for t in tokens], [bool(t.whitespace_) for t in tokens])


def sentences_of(doc: Doc) -> list[Bounds]:
    """List the sentences of a Doc; it is one itself, if they are not marked."""
    if not doc.has_annotation("SENT_START"):
        return [(0, len(doc))]
    return [(sentence.start, sentence.end) for sentence in doc.sents]


def words_of(text: str) -> Words:
    """Split a text into words, punctuation, and single characters of scripts without
    spaces."""
    text = text.encode("utf8", "replace").decode("utf8")  # of lone surrogates
    bounds: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        if bounds and bounds[-1][1] == start and _goes_on(text, start):
            bounds[-1] = bounds[-1][0], end
        else:
            bounds.append((start, end))
    spaces = [text[end : end + 1].isspace() for _, end in bounds]
    return Words([text[start:end] for start, end in bounds], spaces)


def unspaced_kind(letter: str) -> str | None:
    """Look up whether a character is a word of its own.

    letter (str): The character.
    RETURNS (str | None): "east" (Chinese, Japanese, Korean), "southeast" (Thai, Lao,
        Burmese, Khmer), or None for other scripts.
    """
    if letter.isascii():
        return None
    found = _KIND.match(letter)
    return found.lastgroup if found else None


def _goes_on(text: str, i: int) -> bool:
    """Whether the word before position i goes on there: marks, as of vowels or accents,
    stand between letters, and are none themselves."""
    if unicodedata.category(text[i])[0] == "M":
        return text[i - 1].isalnum() or unicodedata.category(text[i - 1])[0] == "M"
    base = i - 1
    while base > 0 and unicodedata.category(text[base])[0] == "M":
        base -= 1
    joins = base < i - 1 and text[i].isalnum()
    return joins and not unspaced_kind(text[i]) and not unspaced_kind(text[base])


def _sizes(words: Words, counter: PieceCounter) -> np.ndarray:
    """Word pieces per word. Of a word that follows a letter without a space, as many as
    it has letters: together they are split otherwise than each alone."""
    sizes = counter.count(words.words)
    for i in range(1, len(words)):
        joined = not words.spaces[i - 1] and words.words[i - 1][-1:].isalnum()
        if joined and words.words[i][:1].isalnum():
            sizes[i] = max(sizes[i], len(words.words[i]))
    return sizes


def _groups(sentences: list[Bounds], sizes: np.ndarray, most: int) -> list[Bounds]:
    """Sentences next to each other, while they have few word pieces together."""
    groups: list[Bounds] = []
    for start, end in sentences:
        if groups and int(sizes[groups[-1][0] : end].sum()) <= most:
            groups[-1] = groups[-1][0], end
        else:
            groups.append((start, end))
    return groups


def _windows(bounds: Bounds, sizes: np.ndarray, most: int) -> list[Bounds]:
    """Parts of a long sentence."""
    starts = [bounds[0]]
    used = 0
    for i in range(*bounds):
        if i > starts[-1] and used + sizes[i] > most:
            starts.append(i)
            used = 0
        used += int(sizes[i])
    return list(zip(starts, [*starts[1:], bounds[1]], strict=True))


def _belongs(context: Context, bounds: Bounds) -> bool:
    start = context["start"]
    return start is None or bounds[0] <= start < bounds[1]


def _joined(texts: Sequence[Text], kind: str) -> Words:
    joined = Words()
    for context, words in texts:
        if context["kind"] == kind:
            joined.words.extend(words.words)
            joined.spaces.extend(words.spaced().spaces)
    return joined


def _retrieved(texts: Sequence[Text], counter: PieceCounter, free: int) -> Words:
    """A separator, and as many words as there is room for."""
    words = _joined(texts, RETRIEVED)
    if not len(words):
        return words
    words = Words([counter.separator], [True]) + words
    n = _n_that_fit(_sizes(words, counter), free)
    return words[:n] if n > 1 else Words()


def _around(
    left: Words, right: Words, counter: PieceCounter, free: int
) -> tuple[Words, Words]:
    """The nearest words on both sides; what one side lacks goes to the other."""
    # No more can fit than one word a piece; whole documents are long.
    left, right = left[max(0, len(left) - free) :], right[: max(0, free)]
    left_sizes, right_sizes = _sizes(left, counter)[::-1], _sizes(right, counter)
    of_left = max(free // 2, free - int(right_sizes.sum()))
    n_left = _n_that_fit(left_sizes, of_left)
    n_right = _n_that_fit(right_sizes, free - int(left_sizes[:n_left].sum()))
    return left[len(left) - n_left :], right[:n_right]


def _n_that_fit(sizes: np.ndarray, free: int) -> int:
    return int(np.searchsorted(np.cumsum(sizes), free, side="right"))
