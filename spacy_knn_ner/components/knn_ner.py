"""The component `knn_ner`: read, predict, annotate; and its memory."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacy import util
from spacy.language import Language
from spacy.pipeline.ner import ner_score
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc, Span, Token
from spacy.training import Example

from ..corrections.matching import CorrectionMatcher
from ..datastore.datastore import Datastore
from ..datastore.fork_safety import make_fork_safe
from ..datastore.index.base import IndexFactory
from ..errors import Notes, note
from ..inference.confidence import Calibration
from ..inference.explanation import Explanation
from ..inference.interpolation import Interpolation
from ..inference.predictor import LOOK_UP_ALL, Predictor
from ..inference.retriever import StoreRetriever
from ..reading.batch import BatchReader
from ..reading.encoder import KeyEncoder
from ..reading.rulers import upstream_rulers
from ..settings import Setting, Settings
from . import explaining, extensions  # noqa: F401 (registers span._.knn_score)
from .annotating import DocPrediction, annotate, per_doc
from .config_blocks import BLOCKS, BlockSetting, changed_blocks, pipe_config
from .memory import Memory
from .unaffected import affected, pass_on

logger = logging.getLogger("spacy_knn_ner")


class KnnNer(Pipe):
    """Interpolates p_base with the labels of nearest neighbors (kNN-NER).

    Sets `doc.ents`, replacing what was there, and `doc.spans[name]` with the same spans
    and in `.attrs` their `"scores"` (an array, NaN where not computed) and whether they
    are `"unknown"` (None where not computed). `span._.knn_score` and
    `span._.knn_unknown` read them.

    settings (Settings), index (IndexFactory), interpolation (Interpolation): How it
        predicts; the latter two are set with config blocks, or parts of them.
    memory (Memory): The datastore and everything that changes it, and the calibration
        of scores.
    """

    k = Setting()
    temperature = Setting()
    metric = Setting()
    decoding = Setting()
    base_confidence = Setting()
    keys = Setting()
    corrections = Setting()
    lookup = Setting()
    index = BlockSetting("memory.index_factory")
    interpolation = BlockSetting("_interpolation")

    def __init__(
        self,
        nlp: Language,
        name: str,
        settings: Settings,
        index: IndexFactory,
        interpolation: Interpolation,
        *,
        scorer: Callable | None = ner_score,
    ) -> None:
        """Initialize the component.

        nlp (Language): The pipeline it belongs to, whose components encode the examples
            of `build` and `add`.
        name (str): Its name in the pipeline.
        settings (Settings), index (IndexFactory), interpolation (Interpolation): See
            `make_knn_ner` in factory.py.
        scorer (Callable | None): The scoring method. Default: spaCy's span F1.
        """
        self.vocab, self.name, self.scorer = nlp.vocab, name, scorer
        self.settings, self._interpolation = settings, interpolation
        self.memory = Memory(KeyEncoder(nlp, self, name, settings.keys), index)
        self._high_weight_noted = False
        make_fork_safe()  # torch in the tagger needs it as much as the search does

    @property
    def nlp(self) -> Language:
        """The pipeline the component belongs to."""
        return self.memory.encoder.nlp

    @property
    def datastore(self) -> Datastore:
        """What was seen: examples and entries."""
        return self.memory.datastore

    @property
    def calibration(self) -> Calibration:
        """What `spacy knn tune` has fitted: of scores, and what is unknown."""
        return self.memory.calibration

    @calibration.setter
    def calibration(self, calibration: Calibration) -> None:
        self.memory.calibration = calibration

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels in the datastore."""
        return self.datastore.tag_set.labels

    # --- the parts of a prediction, with the present settings -----------------------

    @property
    def reader(self) -> BatchReader:
        """Reads Docs: p_base and keys."""
        return BatchReader(self.memory.encoder, self.datastore, self.settings)

    @property
    def retriever(self) -> StoreRetriever:
        """Looks tokens up in the store."""
        return StoreRetriever(self.datastore, self.settings)

    @property
    def matcher(self) -> CorrectionMatcher:
        """Finds the corrections that apply."""
        return CorrectionMatcher(
            self.datastore,
            self.memory.phrases,
            self.settings,
            self.nlp.Defaults.stop_words,
            self.calibration.correction_radius,
        )

    @property
    def predictor(self) -> Predictor:
        """Predicts tags and probabilities of batches."""
        return Predictor(
            self.retriever,
            self._interpolation,
            self.matcher,
            self.settings.lookup,
            self.settings.decoding,
        )

    # --- settings ------------------------------------------------------------------

    def set_settings(self, **changes: Any) -> None:
        """Change settings, also in the pipeline's config, so that `nlp.to_disk` keeps
        them.

        changes (Any): Settings by name; of a block only what changes. See settings.py;
            `index` and `interpolation` are config blocks of registered functions.
        RAISES (KnnNerError): For a value that is not valid; nothing changes.
        """
        given = {name: changes.pop(name) for name in BLOCKS if name in changes}
        settings = self.settings.replace(self.name, **changes)
        blocks, made = changed_blocks(self.name, self.config(), given)
        self.settings, self.memory.encoder.settings = settings, settings.keys
        if "index" in made:
            self.memory.set_index_factory(made["index"])
        self._interpolation = made.get("interpolation", self._interpolation)
        pipe_config(self.nlp, self).update({**settings.config(), **blocks})

    def config(self) -> dict[str, Any]:
        """List all settings, as a config has them."""
        saved = pipe_config(self.nlp, self)
        blocks = {name: dict(saved.get(name, BLOCKS[name])) for name in BLOCKS}
        return {**self.settings.config(), **blocks}

    # --- predicting ------------------------------------------------------------

    def __call__(self, doc: Doc) -> Doc:
        """Predict the entities of one Doc. For many, `pipe` is faster.

        doc (Doc): After the components in front.
        RETURNS (Doc): The same Doc.
        """
        self._annotated([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Predict the entities of many Docs, with few searches per batch.

        stream (Iterable[Doc]): After the components in front.
        batch_size (int): Docs per batch. Default: 128.
        YIELDS (Doc): The same Docs, in order.
        """
        for docs in util.minibatch(stream, size=batch_size):
            yield from self._annotated(docs)

    def _annotated(self, docs: list[Doc]) -> list[Doc]:
        """Docs that could be annotated; the others go to the error handler."""
        try:
            with self.memory.lock:
                changing = affected(docs, self.matcher)
                predictions = self.predict(changing) if changing else []
            if len(changing) < len(docs):
                ids = {id(doc) for doc in changing}
                for doc in docs:
                    if id(doc) not in ids:
                        pass_on(doc, self.name)
            self.set_annotations(changing, predictions)
        except Exception as error:
            if len(docs) > 1:  # one of them is the reason
                return [done for doc in docs for done in self._annotated([doc])]
            self.get_error_handler()(self.name, self, docs, error)
            return []
        return docs

    def predict(self, docs: Iterable[Doc]) -> list[DocPrediction]:
        """Predict, without modifying the Docs.

        docs (Iterable[Doc]): After the components in front.
        RETURNS (list[DocPrediction]): One per Doc.
        RAISES (KnnNerError): If the Docs lack p_base or vectors, or the datastore was
            built with another encoder.
        """
        # An edit in another thread is seen as a whole, or not at all.
        with self.memory.lock:
            self._note_high_weight()
            batch = self.reader.read(list(docs))
            return per_doc(batch, self.predictor.predict(batch))

    def _note_high_weight(self) -> None:
        bound = self._interpolation.upper_bound
        if self._high_weight_noted or bound < 0.5 or not len(self.datastore.store):
            return
        if self.settings.lookup.mode == "lossless":
            logger.info(note(Notes.I001, name=self.name, weight=bound))
            self._high_weight_noted = True

    def set_annotations(
        self, docs: Iterable[Doc], predictions: list[DocPrediction]
    ) -> None:
        """Set `doc.ents`, and `doc.spans[name]` with scores.

        docs (Iterable[Doc]): The Docs to modify.
        predictions (list[DocPrediction]): From `predict`.
        """
        rulers = upstream_rulers(self.nlp, self)[0] if predictions else []
        for doc, prediction in zip(docs, predictions, strict=True):
            annotate(doc, prediction, rulers, self.name, self.calibration)

    def explain(self, target: Doc | Span | Token, *, n: int = 5) -> Explanation:
        """Explain why these are the entities of a Doc, a span or a token.

        target (Doc | Span | Token): From this pipeline.
        n (int): Neighbors per token, at most so many of each kind. Default: 5.
        RETURNS (Explanation): The entities that are predicted, and those that would be
            without neighbors; and the evidence for their tokens' tags. All tokens are
            looked up, even where `lookup.mode = "margin"` passes over some.
        """
        with self.memory.lock:
            return explaining.explain(
                target,
                self.reader,
                replace(self.predictor, lookup=LOOK_UP_ALL),
                self.calibration,
                n,
            )

    # --- the memory ------------------------------------------------------------------

    def build(
        self,
        docs: Iterable[Doc],
        *,
        batch_size: int = 64,
        show_progress: bool = True,
        cache: str | Path | None = None,
    ) -> list[int]:
        """Fill the store from annotated Docs, in place of what it held; see
        `Memory.build`."""
        return self.memory.build(
            docs,
            self.settings,
            batch_size=batch_size,
            show_progress=show_progress,
            cache=cache,
        )

    def rebuild(self, *, batch_size: int = 64, show_progress: bool = True) -> int:
        """Make the keys of all examples again; see `Memory.rebuild`."""
        return self.memory.rebuild(
            self.settings, batch_size=batch_size, show_progress=show_progress
        )

    def make_index(self) -> dict[str, Any]:
        """Make the index of the store now, not at the first search; see
        `Memory.prepare`."""
        return self.memory.prepare(self.settings)

    def add(
        self,
        docs: Iterable[Doc | Example],
        *,
        source: str | None = None,
        allow_duplicates: bool = False,
    ) -> list[int]:
        """Add annotated Docs that take effect immediately; see `Memory.add`."""
        return self.memory.add(docs, source=source, allow_duplicates=allow_duplicates)

    def forget(
        self,
        example_ids: Iterable[int] | None = None,
        *,
        source: str | None = None,
        text: str | None = None,
    ) -> int:
        """Remove examples for which all that is given holds; see `Memory.forget`."""
        return self.memory.forget(example_ids, source=source, text=text)

    def relabel(self, old_label: str, new_label: str) -> int:
        """Rename a label in all examples; see `Memory.relabel`."""
        return self.memory.relabel(old_label, new_label)

    def consolidate(self) -> int:
        """Move all corrections into the store; see `Memory.consolidate`."""
        return self.memory.consolidate()

    # --- training, saving and loading ----------------------------------------------
    # Settings are in the pipeline's config; see `set_settings`.

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Initialize for training. Nothing is built before the encoder is trained: call
        `build` after training.

        get_examples (Callable[[], Iterable[Example]]): Not used.
        nlp (Language | None): The pipeline, of a component copied from another one.
        """
        if nlp is not None:
            self.memory.encoder.nlp = nlp

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the datastore and the calibration; see `Memory.to_disk`."""
        self.memory.to_disk(path, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "KnnNer":
        """Load what `to_disk` saved; see `Memory.from_disk`."""
        self.memory.from_disk(path, exclude)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the datastore and the calibration; see `Memory.to_bytes`."""
        return self.memory.to_bytes(exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "KnnNer":
        """Load what `to_bytes` serialized."""
        self.memory.from_bytes(bytes_data, exclude)
        return self
