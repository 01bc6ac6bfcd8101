"""What every reader makes: sentences with entities; and what becomes of them."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..errors import Errors, KnnNerError
from ..tags import SpanTuple

# Key of `doc.user_data`: the document that a Doc is a part of.
DOCUMENT = "document"


@dataclass(frozen=True)
class Sentence:
    """A sentence as a file has it.

    words (list[str]): Its tokens.
    entities (list[SpanTuple]): (start, end, label) in tokens, not overlapping.
    spaces (list[bool]): Whether a space follows each token.
    document (str | None): The document it belongs to; None if none are marked.
    repaired (int): Annotations that had to be read otherwise than written.
    is_one (bool): It is known to be one sentence, not several.
    missing (list[int]): Tokens without annotation.
    """

    words: list[str]
    entities: list[SpanTuple]
    spaces: list[bool]
    document: str | None = None
    repaired: int = 0
    is_one: bool = True
    missing: list[int] = field(default_factory=list)

    def in_characters(self) -> "Sentence":
        """Split words, so that every character is a token."""
        lengths = [len(word) for word in self.words]
        starts = [0, *itertools.accumulate(lengths)]
        spaces: list[bool] = []
        for length, space in zip(lengths, self.spaces, strict=True):
            spaces += [False] * (length - 1) + [space]
        entities = [(starts[a], starts[b], label) for a, b, label in self.entities]
        missing = [j for i in self.missing for j in range(starts[i], starts[i + 1])]
        return replace(
            self,
            words=list("".join(self.words)),
            entities=entities,
            spaces=spaces,
            missing=missing,
        )


@dataclass
class Counts:
    """What a file holds.

    documents, sentences, tokens (int): How many. No documents: none are marked.
    entities (dict[str, int]): Per label.
    repaired (int), repaired_sentences (int): Annotations that were read otherwise
        than written, and the sentences they are in.
    skipped (int): Records that are marked as not to be used, and lines that cannot be
        read.
    scheme (str | None): The tag scheme it was read as.
    """

    documents: int = 0
    sentences: int = 0
    tokens: int = 0
    entities: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    repaired_sentences: int = 0
    skipped: int = 0
    scheme: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def count(
    sentences: Sequence[Sentence], *, scheme: str | None = None, skipped: int = 0
) -> Counts:
    """Count what sentences hold.

    sentences (Sequence[Sentence]): Of one file.
    scheme (str | None), skipped (int): As in `Counts`.
    """
    labels = Counter(label for s in sentences for _, _, label in s.entities)
    return Counts(
        documents=len({s.document for s in sentences} - {None}),
        sentences=len(sentences),
        tokens=sum(len(s.words) for s in sentences),
        entities=dict(sorted(labels.items())),
        repaired=sum(s.repaired for s in sentences),
        repaired_sentences=sum(s.repaired > 0 for s in sentences),
        skipped=skipped,
        scheme=scheme,
    )


def to_docs(
    sentences: Iterable[Sentence], vocab: Vocab, *, n_sents: int = 1, path: Path
) -> Iterator[Doc]:
    """Make Docs, each of one or several sentences.

    A Doc never reaches over the end of a document. Where documents are marked,
    `doc.user_data["document"]` says which one a Doc is from.

    sentences (Iterable[Sentence]): In the order of the file.
    vocab (Vocab): The Docs' vocabulary.
    n_sents (int): Sentences per Doc; 0: whole documents. Default: 1.
    path (Path): Their file, for messages.
    YIELDS (Doc): With entities, and with sentence starts where they are known.
    RAISES (KnnNerError): If whole documents are wanted and none are marked.
    """
    if n_sents < 0:
        raise KnnNerError(Errors.E018, n_sents=n_sents)
    group: list[Sentence] = []
    for sentence in sentences:
        if n_sents == 0 and sentence.document is None:
            raise KnnNerError(Errors.E028, path=path)
        full = 0 < n_sents == len(group)
        if group and (full or group[0].document != sentence.document):
            yield _doc(group, vocab)
            group = []
        group.append(sentence)
    if group:
        yield _doc(group, vocab)


def _doc(group: list[Sentence], vocab: Vocab) -> Doc:
    starts: list[bool | int | None] = [
        i == 0 for s in group for i in range(len(s.words))
    ]
    doc = Doc(
        vocab,
        words=[word for s in group for word in s.words],
        spaces=[space for s in group for space in s.spaces],
        sent_starts=starts if all(s.is_one for s in group) else None,
    )
    spans, missing, offset = [], [], 0
    for sentence in group:
        for start, end, label in sentence.entities:
            spans.append(Span(doc, offset + start, offset + end, label=label))
        missing += [doc[offset + i : offset + i + 1] for i in sentence.missing]
        offset += len(sentence.words)
    doc.set_ents(spans, missing=missing)
    if group[0].document is not None:
        doc.user_data[DOCUMENT] = group[0].document
    return doc
