"""A corpus for training, with what sentences are read together with."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from ...errors import Errors, KnnNerError
from ...ml.contexts import on_docs
from ..encoder import successful_search
from .view_pairs import both_views

Reader = Callable[[Language], Iterator[Example]]


def make_corpus(
    path: str | Path | None,
    views: Literal["auto", "both"] = "auto",
    document: bool = True,
    annotate: list[str] | None = None,
    encode: list[str] | None = None,
    limit: int = 0,
    augmenter: Callable | None = None,
) -> Reader:
    """Make a reader, `spacy_knn_ner.Corpus.v1`: `spacy.Corpus.v1`, and the Docs to be
    predicted also have the sentence starts and `doc._.contexts` of the annotated ones.

    path (str | None): A .spacy file or a folder of them.
    views (str): `"auto"` (default), or `"both"`: also the plain view of each Doc with
        contexts, so that training is evaluated in both.
    document (bool): Whether a Doc of several sentences has contexts by itself: as for
        `spacy_knn_ner.WithContexts.v1`. Default: True.
    annotate (list[str] | None): Components that are run on the Docs before views are
        made, such as a `sentencizer`, which leaves sentences that are marked. Default:
        none.
    encode (list[str] | None): Components that are run on the Docs when they are read:
        encoders that are frozen, which then need not run in every epoch as
        `annotating_components`. What they leave on all Docs is held in memory.
    limit (int), augmenter (Callable | None): As for `spacy.Corpus.v1`. Contexts stay
        as they are, and those of one sentence are left out where an augmenter changes
        the number of tokens.
    RETURNS (Callable[[Language], Iterator[Example]]): For `[corpora]`.
    RAISES (KnnNerError): Without a path; when it is read, if a component is missing or
        a `context_retriever`'s search fails.
    """
    if path is None:
        raise KnnNerError(Errors.E098)
    corpus = Corpus(path, limit=limit)

    def read(nlp: Language) -> Iterator[Example]:
        examples: Iterable[Example] = corpus(nlp)
        if augmenter is not None:
            examples = _augmented(nlp, examples, augmenter)
        examples = map(_with_contexts, examples)
        examples = _run(nlp, examples, annotate or [])
        if views == "both":
            examples = both_views(examples, document)
        for example in _run(nlp, examples, encode or []):
            if encode:
                on_docs.note_encoded(example.predicted)
            yield example

    return read


def _augmented(
    nlp: Language, examples: Iterable[Example], augmenter: Callable
) -> Iterator[Example]:
    """Augment examples, and give their contexts on."""
    for example in examples:
        contexts = on_docs.read(example.reference)
        for new in augmenter(nlp, example):
            if contexts is not None and new is not example:
                is_aligned = len(new.reference) == len(example.reference)
                kept = [c for c in contexts if is_aligned or c["start"] is None]
                on_docs.write(new.reference, kept)
            yield new


def _with_contexts(example: Example) -> Example:
    doc, reference = example.predicted, example.reference
    contexts = on_docs.read(reference)
    has_starts = reference.has_annotation("SENT_START", require_complete=True)
    if contexts is None and not has_starts:
        return example
    words = [token.text for token in reference]
    if [token.text for token in doc] != words:
        # Sentences and contexts begin at tokens of the annotated Doc.
        spaces = [bool(token.whitespace_) for token in reference]
        doc = example.predicted = Doc(reference.vocab, words=words, spaces=spaces)
    if contexts is not None:
        on_docs.write(doc, contexts)
    if has_starts:
        for token, other in zip(doc, reference, strict=True):
            token.is_sent_start = bool(other.is_sent_start)
    return example


def _run(
    nlp: Language, examples: Iterable[Example], names: list[str]
) -> Iterator[Example]:
    """Run components on the Docs to be predicted."""
    if not names:
        yield from examples
        return
    missing = [name for name in names if name not in nlp.component_names]
    if missing:
        raise KnnNerError(Errors.E106, names=missing, found=nlp.component_names)
    for batch in util.minibatch(examples, nlp.batch_size):
        docs: Iterable[Doc] = [example.predicted for example in batch]
        for name, component in nlp.components:
            pipe: Any = component
            if name in names:
                options = successful_search(nlp, name)
                docs = pipe.pipe(docs, batch_size=nlp.batch_size, **options)
        for example, doc in zip(batch, docs, strict=True):
            example.predicted = doc
            yield example
