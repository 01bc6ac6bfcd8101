"""The factory `knn_ner`: the tagger's distribution, mixed with the neighbors'."""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.pipeline.ner import ner_score
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example

from ..datastore.datastore import CORRECTIONS, STORE, Datastore
from ..datastore.forksafe import make_fork_safe
from ..errors import Notes, Warnings, note, warning
from ..locking import Lock
from ..tags import TagSet
from ..ty import Votes
from . import handover
from .encoder import Encoder
from .entities import SCORE_WEIGHTS, entity_spans
from .gate import gated
from .memory import Memory
from .mixing import Queries, per_token, read_p_ner, span_scores
from .rulers import rulers_before, with_rulers
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
    correction_weight: float,
    correction_temperature: float,
    radius: float,
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
        "correction_weight": correction_weight,
        "correction_temperature": correction_temperature,
        "radius": radius,
    }
    return KnnNer(nlp, name, scorer=scorer, **settings)


@dataclass(frozen=True)
class Prediction:
    """What is predicted for one Doc.

    tag_set (TagSet): What the ids and columns mean.
    ids (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): p_final, shape (n_tokens, n_tags), float64; NaN in the rows of tokens
        that were not looked up.
    """

    tag_set: TagSet
    ids: np.ndarray
    p: np.ndarray


class KnnNer(Memory, Pipe):
    """Interpolates p_NER with the labels of nearest neighbors (kNN-NER).

    Sets `doc.ents`, replacing what was there, and `doc.spans[name]` with the
    same spans and their scores in `.attrs["scores"]`.

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
    correction_weight = Setting()
    correction_temperature = Setting()
    radius = Setting()

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

    @property
    def tag_set(self) -> TagSet:
        """The tags that the datastore knows."""
        return self.datastore.tag_set

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
        corrections = self.votes(queries, CORRECTIONS)
        if not self.datastore.size(STORE):
            settings = replace(settings, gate=None)  # nothing is left open
        elif settings.gate == LOSSLESS and settings.weight >= 0.5:
            self._note_open_gate()
        ids, p, known = gated(
            queries, corrections, settings, partial(self.votes, queries, STORE)
        )
        # Who has no key, has no neighbors.
        known[np.setdiff1d(np.arange(len(p)), queries.keys.tokens)] = True
        p[~known] = np.nan
        rows = zip(queries.split(ids), queries.split(p), strict=True)
        return [Prediction(queries.tag_set, *row) for row in rows]

    def _note_open_gate(self) -> None:
        if not self._noted:
            weight = self.settings.weight
            logger.info(note(Notes.I001, name=self.name, weight=weight))
            self._noted = True

    def queries(self, docs: list[Doc]) -> Queries:
        """What the neighbors are asked about these Docs.

        docs (list[Doc]): After the ner_tagger.
        RETURNS (Queries): p_NER and keys. Where the datastore is empty nobody is
            asked, and the keys are not read.
        """
        known = self.tag_set if len(self.datastore) else TagSet(self.tag_set.scheme)
        confidence = self.settings.base_confidence
        tag_set, p_ner = read_p_ner(docs, known, confidence, self.name)
        lengths = [len(doc) for doc in docs]
        queries = Queries(tag_set, lengths, p_ner, self.read_keys(docs))
        if len(queries.keys):
            self._check_pipeline(docs)
        return queries

    def _check_pipeline(self, docs: list[Doc]) -> None:
        """spaCy does not tell a component that it was copied into another pipeline,
        and the one it knows may have another encoder."""
        mine = {handover.identity(component) for _, component in self.nlp.components}
        here = handover.identity(self).partition(":")[0]
        values = [handover.read(doc) for doc in docs]
        taggers = {value["tagger"] for value in values if value and value["tagger"]}
        # What another process has tagged cannot be told apart.
        if any(t.startswith(f"{here}:") for t in taggers - mine):
            warnings.warn(warning(Warnings.W003, name=self.name), stacklevel=2)

    def votes(
        self, queries: Queries, tier: str, asked: np.ndarray | None = None
    ) -> Votes:
        """What a tier says, in one search for the whole batch.

        queries (Queries): From `queries`.
        tier (str): `"store"` or `"corrections"`.
        asked (ndarray | None): The tokens that are looked up, shape (n_tokens,), bool;
            None: all of them.
        RETURNS (Votes): Per token. The others have no neighbors.
        """
        if asked is not None:
            queries = queries.of(asked)
        if not self.datastore.size(tier) or not len(queries.keys):
            n, n_tags = queries.p_ner.shape
            return Votes(np.zeros((n, n_tags)), np.full(n, np.inf))
        votes = self.datastore.tiers[tier].vote(
            queries.keys.vectors,
            k=self.settings.k,
            temperature=self.settings.tier_temperature(tier),
            metric=self.settings.metric,
            index=self.settings.tier_index(tier),
            n_tags=len(self.tag_set),
        )
        return per_token(votes, queries, self.tag_set)

    def set_annotations(self, docs: Iterable[Doc], scores: list[Prediction]) -> None:
        """Set `doc.ents`, and `doc.spans[name]` with scores.

        docs (Iterable[Doc]): The Docs to modify.
        scores (list[Prediction]): From `predict`.
        """
        rulers = rulers_before(self.nlp, self)
        for doc, found in zip(docs, scores, strict=True):
            decoded = entity_spans(doc, found.tag_set, found.ids)
            spans = with_rulers(doc, decoded, rulers)
            doc.set_ents(spans)
            bounds = [(span.start, span.end) for span in spans]
            probable = span_scores(bounds, found.ids, found.p)
            own = {(span.start, span.end, span.label) for span in decoded}
            is_own = [(span.start, span.end, span.label) in own for span in spans]
            probable[~np.array(is_own, dtype=bool)] = np.nan  # a ruler's has none
            doc.spans[self.name] = SpanGroup(
                doc, name=self.name, spans=spans, attrs={"scores": probable}
            )

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
