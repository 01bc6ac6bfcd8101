"""What users give as examples → annotated Docs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Errors, KnnNerError
from ..ml.contexts.on_docs import read as read_contexts
from ..ml.contexts.on_docs import write as write_contexts
from ..types import check_unicode
from .annotations import trimmed
from .texts import check_text

# {"words": "LABEL"}, {"entities": [...]}, or (start, end, "LABEL") in characters.
Entities: TypeAlias = Mapping[str, Any] | Iterable[tuple[int, int, str | None]]
Given: TypeAlias = Doc | Span | Example | tuple[str | Doc, Entities]


def given_docs(nlp: Language, examples: Any, name: str) -> list[Doc]:
    """Convert examples of any form to annotated Docs.

    nlp (Language): The pipeline, for its tokenizer.
    examples (Given | Iterable[Given]): One or several.
        Doc: with `doc.ents`, perhaps partial.
        Span: with its label; "" for no entity. Nothing else of its Doc is annotated.
        Example: its reference.
        (text, {"words": "LABEL"}): these words, wherever they occur in the text, and
            nothing else; None as label for no entity.
        (text, [(start, end, "LABEL")]): the same, in characters.
        (text, {"entities": [...]}): all entities of the text, as in spaCy's examples.
    name (str): The component, for messages.
    RETURNS (list[Doc]): One per example; the Docs that were given stay as they are.
    RAISES (KnnNerError): For anything else, or words that are no tokens of the text.
    """
    if isinstance(examples, Doc | Span | Example) or _is_pair(examples):
        examples = [examples]
    if isinstance(examples, str | bytes | Mapping) or not isinstance(
        examples, Iterable
    ):
        raise KnnNerError(Errors.E054, name=name, found=type(examples).__name__)
    return [_doc(nlp, example, name) for example in examples]


def _is_pair(example: Any) -> bool:
    if not isinstance(example, tuple) or len(example) != 2:
        return False
    text, entities = example
    is_entities = isinstance(entities, Mapping | list | tuple)
    return isinstance(text, str) or (isinstance(text, Doc) and is_entities)


def _doc(nlp: Language, example: Any, name: str) -> Doc:
    if isinstance(example, Example):
        return example.reference
    if isinstance(example, Doc):
        return example
    if isinstance(example, Span):
        return partly(example.doc, [example])
    if not _is_pair(example):
        raise KnnNerError(Errors.E054, name=name, found=type(example).__name__)
    text, entities = example
    doc = text if isinstance(text, Doc) else _tokenized(nlp, text)
    if isinstance(entities, Mapping) and isinstance(entities.get("entities"), list):
        doc = partly(doc, list(_by_characters(doc, entities["entities"])))
        doc.set_ents(list(doc.ents))  # and everything else is no entity
        return doc
    if isinstance(entities, Mapping):
        return partly(doc, list(by_words(doc, entities.items())))
    return partly(doc, list(_by_characters(doc, entities)))


def _tokenized(nlp: Language, text: str) -> Doc:
    return nlp.make_doc(check_text(nlp, text))


def partly(doc: Doc, spans: list[Span]) -> Doc:
    """Annotate some spans, and nothing else.

    doc (Doc): Its entities do not count.
    spans (list[Span]): With labels; "" for no entity.
    RETURNS (Doc): A copy.
    RAISES (KnnNerError): If they overlap.
    """
    new, taken = _copy(doc), set[int]()
    for span in spans:
        if not taken.isdisjoint(range(span.start, span.end)):
            raise KnnNerError(Errors.E080, word=span.text)
        taken.update(range(span.start, span.end))
    new.set_ents(
        [Span(new, s.start, s.end, label=s.label_) for s in spans if s.label_],
        outside=[new[s.start : s.end] for s in spans if not s.label_],
        default="missing",
    )
    return new


def _copy(doc: Doc) -> Doc:
    """The same words, read with the same contexts, without annotation."""
    has_starts = doc.has_annotation("SENT_START")
    new = Doc(
        doc.vocab,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        sent_starts=[token.is_sent_start for token in doc] if has_starts else None,
    )
    contexts = read_contexts(doc)
    if contexts is not None:
        write_contexts(new, contexts)
    new.user_data.update(
        (key, value) for key, value in doc.user_data.items() if isinstance(key, str)
    )
    return new


def by_words(doc: Doc, given: Iterable[tuple[Any, Any]]) -> Iterator[Span]:
    """Find words in a text: all of their occurrences, or, where they are given several
    times, one each time. Within longer ones that were given, those count.

    doc (Doc): The text.
    given (Iterable[tuple[str, str | None]]): Words and labels; None or "" for no
        entity.
    YIELDS (Span): With their labels.
    RAISES (KnnNerError): For words that are no whole tokens of it, or stand within
        longer ones alone.
    """
    pairs = list(given)
    for pair in pairs:
        if not isinstance(pair[0], str) or not isinstance(pair[1], str | None):
            raise KnnNerError(Errors.E055, entity=pair, text=doc.text)
        check_unicode(pair[1] or "")
    times = Counter(words for words, _ in pairs)
    taken: set[int] = set()
    for words, label in sorted(pairs, key=lambda pair: len(pair[0]), reverse=True):
        found = occurrences(doc, words, label or "")
        if not found:
            raise KnnNerError(Errors.E070, word=words, words=[t.text for t in doc])
        free = [s for s in found if taken.isdisjoint(range(s.start, s.end))]
        if not free:
            raise KnnNerError(Errors.E080, word=words)
        for span in free if times[words] == 1 else free[:1]:
            taken.update(range(span.start, span.end))
            yield span


def occurrences(doc: Doc, words: str, label: str) -> list[Span]:
    """Find words that are whole tokens.

    doc (Doc): The text.
    words (str): As they are written there.
    label (str): Of the Spans.
    """
    found = []
    start = doc.text.find(words) if words else -1
    while start >= 0:
        found.append(doc.char_span(start, start + len(words), label=label))
        start = doc.text.find(words, start + 1)
    return [span for span in found if span is not None]


def _by_characters(doc: Doc, entities: Iterable[Any]) -> Iterator[Span]:
    for entity in entities:
        try:
            start, end, label = entity
            span = doc.char_span(start, end)
        except (TypeError, ValueError, OverflowError):
            span = None
        if span is None or not isinstance(label, str | None):
            raise KnnNerError(Errors.E055, entity=entity, text=doc.text)
        check_unicode(label or "")
        bounds = trimmed(doc, [(span.start, span.end, label or "")])
        if not bounds:  # whitespace alone
            raise KnnNerError(Errors.E055, entity=entity, text=doc.text)
        start, end, label = bounds[0]
        yield Span(doc, start, end, label=label)
