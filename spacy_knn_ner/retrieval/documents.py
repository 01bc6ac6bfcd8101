"""The context of a sentence in its document, where each sentence is a Doc."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from spacy.tokens import Doc

from ..corpora.sentence import DOCUMENT
from ..ml.contexts import on_docs
from ..types import AFTER, BEFORE, Context


def document_contexts(docs: Iterable[Doc], n_words: int = 200) -> Iterator[Doc]:
    """Let Docs be read together with those around them in the same document.

    docs (Iterable[Doc]): In order, with the name of their document in
        `doc.user_data["document"]`, as `spacy knn convert` leaves it. Those of one
        document are held in memory.
    n_words (int): On either side there are whole Docs, until they have as many words.
        Default: 200.
    YIELDS (Doc): Each with new `doc._.contexts`; those without a document stay as they
        are.
    """
    for document, group in groupby(docs, key=lambda doc: doc.user_data.get(DOCUMENT)):
        if document is None:
            yield from group
            continue
        sentences = list(group)
        for i, doc in enumerate(sentences):
            before = _nearest(map(sentences.__getitem__, range(i - 1, -1, -1)), n_words)
            others = range(i + 1, len(sentences))
            after = _nearest(map(sentences.__getitem__, others), n_words)
            contexts: list[Context] = []
            for kind, texts in ((BEFORE, before[::-1]), (AFTER, after)):
                if texts:
                    text = " ".join(texts)
                    contexts.append({"text": text, "kind": kind, "start": None})
            on_docs.write(doc, contexts)
            yield doc


def _nearest(docs: Iterable[Doc], n_words: int) -> list[str]:
    """Texts of whole Docs, until there are enough words."""
    texts, n = [], 0
    for doc in docs:
        if n >= n_words:
            break
        texts.append(doc.text)
        n += len(doc)
    return texts
