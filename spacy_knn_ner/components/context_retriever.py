"""The component `context_retriever`: finds the texts that sentences are read together
with."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import TIMEOUT_MAX
from typing import Any

from spacy import util
from spacy.language import Language
from spacy.pipeline import Pipe
from spacy.tokens import Doc
from thinc.api import Model

from ..corpora.texts import read_texts
from ..errors import Errors, KnnNerError, Notes, note
from ..ml.contexts import on_docs
from ..ml.contexts.layer import views_of
from ..ml.contexts.views import sentences_of
from ..retrieval.base import Reranker
from ..retrieval.engines.function import as_engine
from ..retrieval.find import Finder
from ..retrieval.known_texts import KnownTexts
from ..retrieval.limited import LimitedSearch
from ..types import Context

logger = logging.getLogger("spacy_knn_ner")

_SENTENCES = {"token.is_sent_start", "doc.sents"}
_MOST_DOCS = 64  # in one search: nlp.pipe makes batches of 1,000


class ContextRetriever(Pipe):
    """Leaves texts on Docs, in `doc._.contexts`, for an encoder that reads them (see
    `spacy_knn_ner.WithContexts.v1`). Docs that have contexts keep them."""

    def __init__(
        self,
        nlp: Language,
        name: str = "context_retriever",
        *,
        engine: Any,
        reranker: Reranker | None = None,
        n_results: int = 20,
        n_contexts: int = 6,
        max_query_words: int = 30,
        known_texts: Iterable[str] = (),
        time_limit: float | None = None,
    ) -> None:
        """Initialize the component.

        nlp (Language): The pipeline.
        name (str): The component's name in it.
        engine, reranker, n_results, n_contexts, max_query_words, known_texts,
            time_limit: As for `make_context_retriever`.
        RAISES (KnnNerError): If a file of known texts cannot be read, or another
            setting is not valid.
        """
        is_number = isinstance(time_limit, int | float) and time_limit is not True
        if time_limit is not None and not (is_number and 0 < time_limit <= TIMEOUT_MAX):
            raise KnnNerError(Errors.E137, value=time_limit)
        self.nlp, self.name, self.time_limit = nlp, name, time_limit
        for setting, value in (
            ("n_results", n_results),
            ("n_contexts", n_contexts),
            ("max_query_words", max_query_words),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise KnnNerError(Errors.E095, name=setting, value=value)
        known = KnownTexts()
        for path in known_texts:
            known.add(read_texts(path))
        self.finder = Finder(
            as_engine(engine), reranker, known, n_results, n_contexts, max_query_words
        )
        self._is_failing = False
        self._search = LimitedSearch()

    def __call__(self, doc: Doc) -> Doc:
        """Find the contexts of one Doc.

        doc (Doc): With sentence starts, or one sentence.
        RETURNS (Doc): The Doc.
        RAISES (KnnNerError): If an encoder in front has read the Doc already, or a
            component behind marks its sentences.
        """
        self._annotate([doc])
        return doc

    def pipe(
        self,
        stream: Iterable[Doc],
        *,
        batch_size: int = 64,
        must_succeed: bool = False,
    ) -> Iterator[Doc]:
        """Find the contexts of a stream of Docs, with one search per batch.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): Docs at once, 64 at most. Default: 64.
        must_succeed (bool): Raise the engine's errors, instead of leaving Docs without
            contexts: for what is stored, trained with or evaluated. Default: False.
        YIELDS (Doc): The Docs, in order.
        RAISES (KnnNerError): As for one Doc; with `must_succeed` also if a search
            fails.
        """
        for batch in util.minibatch(stream, size=min(batch_size, _MOST_DOCS)):
            docs = list(batch)
            self._annotate(docs, must_succeed)
            yield from docs

    def _annotate(self, docs: list[Doc], must_succeed: bool = False) -> None:
        self._check_place()
        by_id = {id(doc): doc for doc in docs}  # the same one may be there twice
        new = [doc for doc in by_id.values() if len(doc) and on_docs.read(doc) is None]
        places = [(doc, bounds) for doc in new for bounds in sentences_of(doc)]
        sentences = [doc[start:end].text for doc, (start, end) in places]
        found = self._find(sentences, must_succeed)
        contexts: dict[int, list[Context]] = {id(doc): [] for doc in new}
        for (doc, (start, _)), of_sentence in zip(places, found, strict=True):
            contexts[id(doc)] += [
                {**context, "start": start} for context in of_sentence
            ]
        for doc in new:
            on_docs.write(doc, contexts[id(doc)])

    def _check_place(self) -> None:
        """Check that the last encoder that reads contexts is behind this component, and
        nothing between them marks sentences."""
        components = [component for _, component in self.nlp.pipeline]
        if self not in components:
            return
        models = [getattr(component, "model", None) for component in components]
        readers = [
            place
            for place, model in enumerate(models)
            if isinstance(model, Model) and views_of(model)
        ]
        if not readers:
            return
        names, own = self.nlp.pipe_names, components.index(self)
        if readers[-1] < own:
            encoder = names[readers[-1]]
            raise KnnNerError(Errors.E143, name=self.name, encoder=encoder)
        for other in names[own + 1 : readers[-1]]:
            if not _SENTENCES.isdisjoint(self.nlp.get_pipe_meta(other).assigns):
                raise KnnNerError(Errors.E144, name=self.name, other=other)

    def _find(self, sentences: list[str], must_succeed: bool) -> list[list[Context]]:
        """Contexts; or none after the time limit or if the engine fails, unless it must
        succeed: one line in the log says so, until it works again. Settings that cannot
        work are errors."""
        try:
            hits = self._search.run(self.finder.search, sentences, self.time_limit)
            found = self.finder.rank(sentences, hits)
        except KnnNerError:
            raise
        except Exception as error:
            # Engines and re-rankers are anything: a server that is down must not stop
            # a pipeline.
            if must_succeed:
                raise KnnNerError(Errors.E101, reason=_reason(error)) from error
            if not self._is_failing:
                logger.warning(note(Notes.I005, name=self.name, reason=_reason(error)))
            self._is_failing = True
            return [[] for _ in sentences]
        self._is_failing = False
        return found

    # --- saving ----------------------------------------------------------------------

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the re-ranker's encoder, if it has one. The engine stays where it is."""
        reranker: Any = self.finder.reranker
        if hasattr(reranker, "to_disk") and "reranker" not in exclude:
            folder = util.ensure_path(path) / "reranker"
            folder.mkdir(parents=True, exist_ok=True)
            reranker.to_disk(folder)

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = ()
    ) -> "ContextRetriever":
        """Load from `to_disk`."""
        reranker: Any = self.finder.reranker
        folder = util.ensure_path(path) / "reranker"
        if hasattr(reranker, "from_disk") and folder.exists():
            reranker.from_disk(folder)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize nothing: what it has comes from its config."""
        return b""

    def from_bytes(
        self, data: bytes, *, exclude: Iterable[str] = ()
    ) -> "ContextRetriever":
        """Load from `to_bytes`."""
        return self


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


@Language.factory(
    "context_retriever",
    assigns=["doc._.contexts"],
    default_config={
        "engine": {"@knn_engines": "spacy_knn_ner.FullText.v1", "path": None},
        "reranker": None,
        "n_results": 20,
        "n_contexts": 6,
        "max_query_words": 30,
        "known_texts": [],
        "time_limit": None,
    },
)
def make_context_retriever(
    nlp: Language,
    name: str,
    engine: Any,
    reranker: Reranker | None,
    n_results: int,
    n_contexts: int,
    max_query_words: int,
    known_texts: list[str],
    time_limit: float | None,
) -> ContextRetriever:
    """Make a ContextRetriever component.

    engine (Engine | Callable): Finds texts, such as `spacy_knn_ner.FullText.v1`.
    reranker (Reranker | None): Orders them, such as `spacy_knn_ner.BertScore.v1`.
        Default: none, the engine's order.
    n_results (int): Texts of the engine for each query. Default: 20.
    n_contexts (int): Those that are kept for a sentence. Default: 6.
    max_query_words (int): Longer sentences are searched for in parts. Default: 30.
    known_texts (list[str]): Files whose sentences are never contexts, such as test
        data: as for `read_texts`. Default: none.
    time_limit (float | None): For the engine's search for a batch of up to 64 Docs, in
        seconds; then its sentences are read without contexts. Default: none.
    RAISES (KnnNerError): If a file of known texts cannot be read, or another setting
        is not valid.
    """
    return ContextRetriever(
        nlp,
        name,
        engine=engine,
        reranker=reranker,
        n_results=n_results,
        n_contexts=n_contexts,
        max_query_words=max_query_words,
        known_texts=known_texts,
        time_limit=time_limit,
    )
