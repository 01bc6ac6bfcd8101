"""An embedded full-text index (tantivy): BM25, in a folder, for millions of texts."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from ...errors import Errors, KnnNerError
from ...ml.extras import require
from ..base import Hit
from ..known_texts import Run, normal_words

Batch = dict[str, tuple[Run, bytes]]  # by digest: words of a text, and the text

_BATCH = 50_000  # texts written at once: what an interrupted build has lost
_HEAP = 128_000_000  # bytes


class FullTextIndex:
    """Texts by their words; by character in scripts without spaces, such as Chinese and
    Thai."""

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        """path (str | Path): A folder.
        create (bool): Make it, if it does not exist. Default: False.
        RAISES (KnnNerError): If there is no index, it cannot be opened (not even a
            search is possible where its folder cannot be written to), or tantivy is
            not installed.
        """
        tantivy = require("tantivy", "spacy_knn_ner.FullText.v1", "retrieval")
        self._tantivy, self.path = tantivy, Path(path)
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("words", tokenizer_name="words", index_option="freq")
        builder.add_text_field("digest", tokenizer_name="raw", index_option="basic")
        builder.add_bytes_field("text", stored=True)
        self._schema = builder.build()
        if not (self.path.is_dir() and tantivy.Index.exists(str(self.path))):
            if not create:
                raise KnnNerError(Errors.E099, path=self.path.resolve())
            if self.path.exists() and not _is_free(self.path):
                raise KnnNerError(Errors.E135, path=self.path)
            self.path.mkdir(parents=True, exist_ok=True)
        with self._clear_errors():
            self._index = tantivy.Index(self._schema, path=str(self.path), reuse=True)
        whitespace = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace())
        self._index.register_tokenizer("words", whitespace.build())

    def __reduce__(self) -> Any:
        """For other processes: the index is opened there."""
        return FullTextIndex, (self.path,)

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Say which index it is. Tantivy's own errors are ValueErrors."""
        try:
            yield
        except ValueError as error:
            reason = shorten(str(error), 200, placeholder="…")
            raise KnnNerError(Errors.E136, path=self.path, reason=reason) from error

    def __len__(self) -> int:
        """Number of texts."""
        return self._index.searcher().num_docs

    def add(self, texts: Iterable[str]) -> int:
        """Add texts. Those that are there already are not added again, so that an
        interrupted build goes on where it ended.

        texts (Iterable[str]): The texts.
        RETURNS (int): How many were new.
        RAISES (KnnNerError): If the index is in use, damaged or not writable.
        """
        with self._clear_errors():  # and not around the texts, which may have others
            writer = self._index.writer(heap_size=_HEAP, num_threads=1)
            self._index.reload()  # another process may have written before
        n_new = 0
        try:
            for batch in self._new_ones(texts):
                self._write(writer, batch)
                n_new += len(batch)
            with self._clear_errors():
                writer.wait_merging_threads()
                self._index.reload()
        finally:
            del writer  # its lock goes now, even while an error keeps this frame
        return n_new

    def _new_ones(self, texts: Iterable[str]) -> Iterator[Batch]:
        """Those that are not in the index yet, in batches that are written."""
        searcher, batch = self._index.searcher(), Batch()
        for text in texts:
            data = text.encode("utf8", "replace")
            name = hashlib.blake2b(data, digest_size=12).hexdigest()
            if name in batch or searcher.doc_freq("digest", name):
                continue
            words = normal_words(text)
            if words:
                batch[name] = words, data
            if len(batch) == _BATCH:
                yield batch
                searcher, batch = self._index.searcher(), Batch()
        yield batch

    def _write(self, writer: Any, batch: Batch) -> None:
        with self._clear_errors():
            for name, (words, data) in batch.items():
                document = self._tantivy.Document()
                document.add_text("words", " ".join(words))
                document.add_text("digest", name)
                document.add_bytes("text", data)
                writer.add_document(document)
            writer.commit()
            self._index.reload()

    def search(self, queries: Sequence[str], n: int) -> list[list[Hit]]:
        """Find texts by their words (BM25); see `Engine.search`."""
        searcher = self._index.searcher()
        return [self._search(searcher, query, n) for query in queries]

    def _search(self, searcher: Any, query: str, n: int) -> list[Hit]:
        words = sorted(set(normal_words(query)))
        if not words or n < 1:
            return []
        Query, Occur = self._tantivy.Query, self._tantivy.Occur
        terms = [
            (Occur.Should, Query.term_query(self._schema, "words", w)) for w in words
        ]
        found = searcher.search(Query.boolean_query(terms), n, count=False)
        return [
            Hit(bytes(searcher.doc(address)["text"][0]).decode("utf8"), float(score))
            for score, address in found.hits
        ]


def _is_free(path: Path) -> bool:
    """Whether a folder has at most what an index leaves that was never finished."""
    own = (".managed", ".tantivy")
    return path.is_dir() and all(file.name.startswith(own) for file in path.iterdir())


def make_full_text(path: str | None = None) -> FullTextIndex:
    """Make the engine of a full-text index, `spacy_knn_ner.FullText.v1`.

    path (str | None): Its folder, from `spacy knn contexts build`.
    RAISES (KnnNerError): If there is no index.
    """
    if path is None:
        raise KnnNerError(Errors.E141)
    return FullTextIndex(path)
