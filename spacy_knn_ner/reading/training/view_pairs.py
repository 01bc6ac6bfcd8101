"""Batches with both views of each sentence: with its contexts, and without them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import shuffle

from spacy.tokens import Doc
from spacy.training import Example

from ...corpora.docbin import DocFile
from ...errors import Errors, KnnNerError
from ...ml.contexts import on_docs
from ...ml.contexts.views import sentences_of

Batcher = Callable[[Iterable[Example]], Iterator[list[Example]]]


def make_batcher(
    batcher: Batcher,
    plain: bool = True,
    document: bool = True,
    unlabelled: str | None = None,
    n_unlabelled: int = 16,
) -> Batcher:
    """Make a batcher, `spacy_knn_ner.batch_both_views.v1`.

    Every Doc with contexts is followed by a copy that is read without them. Both have
    to be in one update: `accumulate_gradient` must be 1.

    batcher (Callable): Makes the batches.
    plain (bool): Whether plain views are added at all. Default: True.
    document (bool): Whether a Doc of several sentences has contexts by itself: as for
        `spacy_knn_ner.WithContexts.v1`. Default: True.
    unlabelled (str | None): A .spacy file of Docs with contexts, of which every batch
        also gets some, in random order: their annotation does not count. Default:
        none.
    n_unlabelled (int): How many. Default: 16.
    RETURNS (Callable[[Iterable[Example]], Iterator[list[Example]]]): For
        `[training.batcher]`.
    """

    # One iterator for all epochs: a new one would begin with the same texts again.
    others: Iterator[Example] | None = None

    def batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
        nonlocal others
        for batch in batcher(examples):
            batch = list(batch)
            if unlabelled is not None and batch:
                if others is None:
                    others = _without_labels(Path(unlabelled), batch[0].predicted)
                batch += islice(others, n_unlabelled)
            yield list(both_views(batch, document)) if plain else batch

    return batches


def both_views(examples: Iterable[Example], document: bool = True) -> Iterator[Example]:
    """Make both views of examples.

    examples (Iterable[Example]): Some with contexts.
    document (bool): Whether several sentences are contexts of each other.
    YIELDS (Example): Of each with contexts, the context view and then the plain one;
        the others as they are.
    RAISES (KnnNerError): If the reader of the corpus has encoded them: both views would
        have the vectors of one.
    """
    for number, example in enumerate(examples):
        doc = example.predicted
        if on_docs.is_encoded(doc):
            raise KnnNerError(Errors.E107)
        has_contexts = on_docs.read(doc) or (document and len(sentences_of(doc)) > 1)
        if not len(doc) or not has_contexts:
            yield example
            continue
        for view in on_docs.make_pair(doc, number):
            yield Example(view, example.reference)


def _without_labels(path: Path, like: Doc) -> Iterator[Example]:
    docs = list(DocFile(path, like.vocab))
    while docs:
        shuffle(docs)
        for doc in docs:
            reference = Doc(doc.vocab, words=[t.text for t in doc])
            reference.set_ents([], default="missing")
            doc = doc.copy()
            doc.set_ents([], default="missing")
            yield Example(doc, reference)
