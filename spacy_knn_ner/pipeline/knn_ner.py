"""The factory `knn_ner`: the tagger's distribution, mixed with the neighbors'."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.pipeline.ner import ner_score
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from ..datastore.datastore import STORE, Datastore
from ..datastore.forksafe import make_fork_safe
from ..errors import Notes, note
from ..locking import Lock
from ..tags import TagSet
from . import handover
from .encoder import Encoder
from .entities import SCORE_WEIGHTS, entity_spans
from .extensions import FACTORY
from .gate import gated
from .lookup import Lookup
from .mixing import span_nearest, span_scores
from .rulers import ruled, rulers_before, with_ruled
from .settings import LOSSLESS, Setting, Settings

logger = logging.getLogger("spacy_knn_ner")


@Language.factory(
    "knn_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc.spans"],
    default_config={
        **Settings().config(),
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_knn_ner(
    nlp: Language,
    name: str,
    k: int | None,
    temperature: float,
    weight: float,
    metric: str,
    index: str,
    keys: dict[str, Any],
    base_confidence: float,
    decoding: str,
    gate: str | float | None,
    scores: bool,
    score_temperature: float,
    unknown_distance: float | None,
    correction_weight: float,
    correction_temperature: float,
    correction_votes: float,
    radius: float,
    other_words_radius: float,
    scorer: Callable | None,
) -> "KnnNer":
    """Make a KnnNer component. See `Settings` for its settings.

    scorer (Callable | None): Scores examples. Default: spaCy's span F1.
    RAISES (KnnNerError): For a setting that is not possible.
    """
    settings = {
        "k": k,
        "temperature": temperature,
        "weight": weight,
        "metric": metric,
        "index": index,
        "keys": keys,
        "base_confidence": base_confidence,
        "decoding": decoding,
        "gate": gate,
        "scores": scores,
        "score_temperature": score_temperature,
        "unknown_distance": unknown_distance,
        "correction_weight": correction_weight,
        "correction_temperature": correction_temperature,
        "correction_votes": correction_votes,
        "radius": radius,
        "other_words_radius": other_words_radius,
    }
    return KnnNer(nlp, name, scorer=scorer, **settings)


@dataclass(frozen=True)
class Prediction:
    """What is predicted for one Doc.

    tag_set (TagSet): What the ids and columns mean.
    ids (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): p_final, shape (n_tokens, n_tags), float64; NaN in the rows of tokens
        that were not looked up.
    p_ner (ndarray): What the components in front say, shape (n_tokens, n_tags).
    nearest (ndarray): Distance of the nearest entry, shape (n_tokens,); inf if there is
        none, NaN where nobody looked.
    """

    tag_set: TagSet
    ids: np.ndarray
    p: np.ndarray
    p_ner: np.ndarray
    nearest: np.ndarray


class KnnNer(Lookup, Pipe):
    """Interpolates p_NER with the labels of nearest neighbors (kNN-NER).

    Sets `doc.ents`, replacing what was there, and `doc.spans[name]` with the same
    spans and what is known about them in `.attrs`: `"scores"`, and whether they are
    `"unknown"`, None where that was not computed. `span._.knn_score` and
    `span._.knn_unknown` read them; `span._.knn_evidence(knn)` says why.

    `build` fills the datastore from a corpus, `add` teaches a correction,
    `forget` takes examples back, `neighbors` tells why.
    """

    k = Setting()
    temperature = Setting()
    weight = Setting()
    metric = Setting()
    index = Setting()
    keys = Setting()
    base_confidence = Setting()
    decoding = Setting()
    gate = Setting()
    scores = Setting()
    score_temperature = Setting()
    unknown_distance = Setting()
    correction_weight = Setting()
    correction_temperature = Setting()
    correction_votes = Setting()
    radius = Setting()
    other_words_radius = Setting()

    def __init__(
        self,
        nlp: Language,
        name: str = "knn_ner",
        *,
        scorer: Callable | None = ner_score,
        **settings: Any,
    ) -> None:
        """Initialize the component.

        nlp (Language): The pipeline it belongs to, whose components encode the
            examples of `build` and `add`.
        name (str): Its name in the pipeline.
        scorer (Callable | None): The scoring method.
        settings (Any): See `Settings`.
        RAISES (KnnNerError): For a setting that is not possible.
        """
        self.nlp = nlp
        self.vocab = nlp.vocab
        self.name = name
        self.scorer = scorer
        self.settings = Settings().replace(name, **settings)
        self.datastore = Datastore(dtype=self.settings.keys.dtype)
        self.encoder = Encoder(self)
        self.lock = Lock()
        self._noted = False
        make_fork_safe()  # torch in the tagger needs it as much as the search does

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels that the datastore knows."""
        return self.datastore.tag_set.labels

    def set_settings(self, **changes: Any) -> None:
        """Change settings. They are written into the pipeline's config too, so
        that `nlp.to_disk` keeps them.

        changes (Any): See `Settings`.
        RAISES (KnnNerError): For a value that is not possible; nothing changes.
        """
        self.settings = self.settings.replace(self.name, **changes)
        for name, component in self.nlp.components:
            if component is self:
                self.nlp.get_pipe_config(name).update(self.settings.config())

    # --- predicting --------------------------------------------------------

    def __call__(self, doc: Doc) -> Doc:
        """Find the entities of one Doc. For many, `pipe` is faster.

        doc (Doc): After the ner_tagger.
        RETURNS (Doc): The same Doc.
        """
        self._annotated([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Find the entities of many Docs, with one search per batch and tier.

        stream (Iterable[Doc]): After the ner_tagger.
        batch_size (int): Docs per search. Default: 128.
        YIELDS (Doc): The same Docs, in order.
        """
        for docs in util.minibatch(stream, size=batch_size):
            yield from self._annotated(docs)

    def _annotated(self, docs: list[Doc]) -> list[Doc]:
        """Those Docs that could be annotated; the others go to the error handler."""
        try:
            self.set_annotations(docs, self.predict(docs))
        except Exception as error:
            if len(docs) > 1:
                # One of them is the reason; the others need not suffer for it.
                return [done for doc in docs for done in self._annotated([doc])]
            self.get_error_handler()(self.name, self, docs, error)
            return []
        return docs

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Mix and decode, without modifying the Docs.

        docs (Iterable[Doc]): After the ner_tagger.
        RETURNS (list[Prediction]): One per Doc.
        RAISES (KnnNerError): If the Docs lack p_NER or vectors, or the datastore
            was built with another encoder.
        """
        with self.lock:  # what is added meanwhile is seen as a whole, or not at all
            return self._predict(list(docs))

    def _predict(self, docs: list[Doc]) -> list[Prediction]:
        queries, settings = self.queries(docs), self.settings
        if not self.datastore.size(STORE):
            settings = replace(settings, gate=None)  # nothing is left open
        elif settings.gate == LOSSLESS and settings.weight >= 0.5:
            self._note_open_gate()
        found = gated(
            queries,
            partial(self.corrections, queries),
            settings,
            partial(self.votes, queries),
        )
        p, nearest, known = found.p, found.nearest, found.asked
        # Who has no key, has no neighbors.
        known[np.setdiff1d(np.arange(len(p)), queries.keys.tokens)] = True
        p[~known], nearest[~known] = np.nan, np.nan
        columns = (found.ids, p, queries.p_ner, nearest)
        rows = zip(*(queries.split(column) for column in columns), strict=True)
        return [Prediction(queries.tag_set, *row) for row in rows]

    def _note_open_gate(self) -> None:
        if not self._noted:
            weight = self.settings.weight
            logger.info(note(Notes.I001, name=self.name, weight=weight))
            self._noted = True

    def set_annotations(self, docs: Iterable[Doc], scores: list[Prediction]) -> None:
        """Set `doc.ents`, and `doc.spans[name]` with scores.

        docs (Iterable[Doc]): The Docs to modify.
        scores (list[Prediction]): From `predict`.
        """
        rulers, _ = rulers_before(self.nlp, self)
        for doc, found in zip(docs, scores, strict=True):
            decoded = entity_spans(doc, found.tag_set, found.ids)
            fixed = ruled(doc, rulers)
            spans = with_ruled(doc, decoded, fixed)
            doc.set_ents(spans)
            attrs = {**self._known_of(spans, fixed, found), **FACTORY}
            doc.spans[self.name] = SpanGroup(
                doc, name=self.name, spans=spans, attrs=attrs
            )
            if handover.read(doc) is None:
                handover.write_base(doc, _base(doc, found))

    def _known_of(
        self, spans: list[Span], fixed: list[Span], found: Prediction
    ) -> dict[str, list[Any]]:
        """What `doc.spans` says about the entities; nothing of a ruler's (fixed)."""
        bounds = [(span.start, span.end) for span in spans]
        scores = span_scores(bounds, found.ids, found.p, self.score_temperature)
        ruled_ones = {(span.start, span.end, span.label) for span in fixed}
        is_ruled = [(span.start, span.end, span.label) in ruled_ones for span in spans]
        scores[np.array(is_ruled, dtype=bool)] = np.nan
        distances = span_nearest(bounds, found.nearest)
        far = (
            None if self.unknown_distance is None else distances > self.unknown_distance
        )
        there = ~np.isnan(scores)
        return {
            "scores": [
                float(x) if ok else None for x, ok in zip(scores, there, strict=True)
            ],
            "unknown": [
                bool(far[i]) if ok and far is not None else None
                for i, ok in enumerate(there)
            ],
        }

    # --- training ----------------------------------------------------------

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Initialize for training; nothing is built here, before the encoder has
        learnt anything. Call `build` after training.

        get_examples (Callable[[], Iterable[Example]]): Not used.
        nlp (Language | None): The pipeline.
        """
        if nlp is not None:
            # A component copied in from another pipeline learns where it is.
            self.nlp = nlp


def _base(doc: Doc, found: Prediction) -> handover.Base:
    return handover.Base(
        scheme=found.tag_set.scheme,
        tags=list(found.tag_set.tags),
        probabilities=found.p_ner,
        entities=[(ent.start, ent.end, ent.label_) for ent in doc.ents],
    )
