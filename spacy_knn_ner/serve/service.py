"""The backend of the API: a pipeline that many programs use at once."""

from dataclasses import asdict

from spacy.tokens import Doc, Span

from ..errors import Errors, KnnNerError
from ..reading.texts import check_text
from ..types import StoredExample
from .gathering import Gathering
from .schemas import (
    Added,
    Answer,
    Correction,
    Entities,
    Listed,
    Question,
    Removed,
    StoredCorrection,
    StoredSpan,
)
from .session import Session
from .undoing import all_or_nothing


class Service:
    """Reads texts, explains, and keeps corrections: each is saved before it is
    acknowledged."""

    def __init__(self, session: Session) -> None:
        """session (Session): The pipeline, also in use by the page."""
        self.session, self.nlp, self.knn = session, session.nlp, session.knn
        self._gathering = Gathering(session.nlp, session.lock)

    def entities(self, texts: list[str]) -> Entities:
        """Predict the entities of texts.

        texts (list[str]): The texts.
        RAISES (KnnNerError): If one is too long, or no Unicode.
        """
        for text in texts:
            check_text(self.nlp, text)
        return Entities(entities=self._gathering.entities(texts))

    def explain(self, question: Question) -> Answer:
        """Explain the entities of a text, or of a part of it.

        question (Question): The text.
        RAISES (KnnNerError): If the part has no token.
        """
        check_text(self.nlp, question.text)
        with self.session.lock, self.nlp.memory_zone():
            doc = self.nlp(question.text)
            target = _part(doc, question.start, question.end)
            explained = self.knn.explain(target, n=question.neighbors)
            return Answer(
                text=explained.text,
                entities=[asdict(entity) for entity in explained.entities],
                tokens=[asdict(token) for token in explained.tokens],
            )

    def add(self, given: Correction) -> Added:
        """Add a correction, and save it.

        given (Correction): What parts of a text are.
        RAISES (KnnNerError): If they are no tokens of it, or it cannot be saved; then
            nothing is added.
        """
        spans = [(s.start, s.end, s.label) for s in given.spans]
        annotation = {"entities": spans} if given.complete else spans
        session = self.session
        with session.lock, all_or_nothing(session):
            source = given.source or session.source
            added = session.add([(given.text, annotation)], source)
            session.keep()
            return Added(ids=added.ids, outcome=added.text)

    def listed(self, query: str, first: int, most: int) -> Listed:
        """List corrections, the last first.

        query (str): Only what has this in its text, its labels or its source.
        first, most (int): From which one on, and how many.
        """
        with self.session.lock:
            count, found = self.session.find(query, first, most)
        return Listed(count=count, corrections=[*map(_stored, found)])

    def forget(self, example_id: int) -> Removed:
        """Remove a correction, and save that.

        example_id (int): Its id.
        RAISES (KnnNerError): If there is none, or it cannot be saved; then it stays.
        """
        session = self.session
        with session.lock, all_or_nothing(session):
            entries = session.forget(example_id)["entries"]
            session.keep()
            return Removed(entries=entries)


def _part(doc: Doc, start: int | None, end: int | None) -> Doc | Span:
    """The tokens in a part of a text, or all of it."""
    if start is None and end is None:
        return doc
    start, end = start or 0, len(doc.text) if end is None else end
    span = None
    if start < end <= len(doc.text):
        span = doc.char_span(start, end, alignment_mode="expand")
    if span is None:
        raise KnnNerError(Errors.E055, entity=(start, end, None), text=doc.text)
    return span


def _stored(example: StoredExample) -> StoredCorrection:
    text = example.annotated
    starts, at = [], 0
    for word, space in zip(text.words, text.spaces, strict=True):
        starts.append((at, at + len(word)))
        at += len(word) + space
    spans = [
        StoredSpan(start=starts[a][0], end=starts[b - 1][1], label=label)
        for a, b, label in text.entities
    ]
    inside = {i for a, b, _ in text.entities for i in range(a, b)}
    outside = set(range(len(text.words))) - inside - set(text.missing)
    spans += [
        StoredSpan(start=starts[i][0], end=starts[i][1], label=None)
        for i in sorted(outside)
    ]
    return StoredCorrection(
        id=example.example_id,
        text=text.text,
        spans=sorted(spans, key=lambda span: span.start),
        source=example.source,
    )
