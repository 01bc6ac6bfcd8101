"""The component `knn_ner`: read, predict, annotate; and its memory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy import util
from spacy.language import Language
from spacy.pipeline.ner import ner_score
from spacy.pipeline.pipe import Pipe
from spacy.tokens import Doc, Span, Token
from spacy.training import Example

from ..corrections.matching import CorrectionMatcher
from ..corrections.outcome import Added
from ..datastore.datastore import Datastore
from ..datastore.fork_safety import make_fork_safe
from ..datastore.index.base import IndexFactory
from ..datastore.place import Place
from ..inference.confidence import Calibration
from ..inference.explanation import Explanation
from ..inference.interpolation import Interpolation
from ..inference.predictor import Predictor
from ..inference.retriever import StoreRetriever
from ..reading.batch import BatchReader
from ..reading.encoder import KeyEncoder
from ..reading.given import Entities, Given
from ..reading.rulers import upstream_rulers
from ..reading.stages import is_followed, previous_stages
from ..settings import Setting, Settings
from . import config_blocks, explaining, extensions, teaching  # noqa: F401 (registers span._.knn_score)
from .annotating import DocPrediction, annotate, leave_prediction, per_doc
from .config_blocks import BlockSetting
from .memory import saving
from .memory.memory import Memory
from .memory.sharing import is_away
from .predicting import Lookups, make_matcher, make_predictor, predicted
from .unaffected import pass_on


class KnnNer(Pipe):
    """Interpolates p_base with the labels of nearest neighbors (kNN-NER).

    Sets `doc.ents`, replacing what was there, and `doc.spans[name]` with the same spans
    and in `.attrs` their `"scores"` (an array, NaN where not computed) and whether they
    are `"unknown"` (None where not computed). `span._.knn_score` and
    `span._.knn_unknown` read them.

    settings (Settings), index (IndexFactory), interpolation (Interpolation): How it
        predicts; the latter two are set with config blocks, or parts of them.
    memory (Memory): The datastore, what changes it, and the calibration of scores.
    lookups (Lookups): How many tokens were looked up.
    """

    k = Setting()
    temperature = Setting()
    metric = Setting()
    decoding = Setting()
    base_confidence = Setting()
    keys = Setting()
    corrections = Setting()
    few_shot = Setting()
    lookup = Setting()
    verify = Setting()
    index = BlockSetting("memory.index_factory")
    interpolation = BlockSetting("_interpolation")
    store = BlockSetting("memory.place")

    def __init__(
        self,
        nlp: Language,
        name: str,
        settings: Settings,
        index: IndexFactory,
        interpolation: Interpolation,
        store: Place,
        *,
        scorer: Callable | None = ner_score,
    ) -> None:
        """Initialize the component.

        nlp (Language): The pipeline it belongs to, whose components encode examples.
        name (str): Its name in the pipeline.
        settings (Settings), index (IndexFactory), interpolation (Interpolation), store
            (Place): See `make_knn_ner` in factory.py.
        scorer (Callable | None): The scoring method. Default: spaCy's span F1.
        """
        self.vocab, self.name, self.scorer = nlp.vocab, name, scorer
        self.settings, self._interpolation = settings, interpolation
        self.memory = Memory(KeyEncoder(nlp, self, name, settings.keys), index, store)
        self.lookups = Lookups()
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
        """What was fitted: scores, what is unknown, the radius of corrections."""
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
        return make_matcher(self)

    @property
    def predictor(self) -> Predictor:
        """Predicts tags and probabilities of batches."""
        return make_predictor(self)

    # --- settings ------------------------------------------------------------------

    def set_settings(self, **changes: Any) -> None:
        """Change settings, also in the pipeline's config, which `nlp.to_disk` saves.

        changes (Any): Settings by name; of a block only what changes. See settings.py;
            `index` and `interpolation` are config blocks of registered functions.
        RAISES (KnnNerError): For a value that is not valid; nothing changes.
        """
        config_blocks.set_settings(self, changes)

    def config(self) -> dict[str, Any]:
        """List all settings, as a config has them."""
        return config_blocks.config_of(self)

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
            changing, predictions = predicted(self, docs)
            pass_on(docs, changing, self.name)
            self.set_annotations(changing, predictions)
        except Exception as error:
            if len(docs) > 1 and not is_away(error):  # one of them is the reason
                return [done for doc in docs for done in self._annotated([doc])]
            self.get_error_handler()(self.name, self, docs, error)
            return []
        return docs

    def predict(self, docs: Iterable[Doc]) -> list[DocPrediction]:
        """Predict, without modifying the Docs.

        docs (Iterable[Doc]): After the components in front.
        RETURNS (list[DocPrediction]): One per Doc. Raises what `BatchReader.read` does.
        """
        with self.memory.reading():
            batch = self.reader.read(list(docs))
            return per_doc(batch, self.predictor.predict(batch))

    def set_annotations(
        self, docs: Iterable[Doc], predictions: list[DocPrediction]
    ) -> None:
        """Set `doc.ents`, and `doc.spans[name]` with scores.

        docs (Iterable[Doc]): The Docs to modify.
        predictions (list[DocPrediction]): From `predict`.
        """
        rulers = upstream_rulers(self.nlp, self)[0] if predictions else []
        followed = is_followed(self.nlp, self)
        before = previous_stages(self.nlp, self)
        for doc, prediction in zip(docs, predictions, strict=True):
            annotate(doc, prediction, rulers, self.name, self.calibration, before)
            if followed:
                leave_prediction(doc, prediction, self.name)

    def explain(self, target: Doc | Span | Token, *, n: int = 5) -> Explanation:
        """Explain why these are the entities of a Doc, a span or a token.

        target (Doc | Span | Token): From this pipeline.
        n (int): Neighbors per token, at most so many of each kind. Default: 5.
        RETURNS (Explanation): The entities that are predicted, and those that would be
            without neighbors; and the evidence for their tokens' tags. All tokens are
            looked up.
        """
        with self.memory.reading():
            return explaining.explain(self, target, n)

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
        return self.memory.build(docs, self.settings, batch_size, show_progress, cache)

    def rebuild(self, *, batch_size: int = 64, show_progress: bool = True) -> int:
        """Make the keys of all examples again; see `Memory.rebuild`."""
        return self.memory.rebuild(self.settings, batch_size, show_progress)

    def make_index(self) -> dict[str, Any]:
        """Make the index of the store now, not at the first search; see
        `Memory.prepare`."""
        return self.memory.prepare(self.settings)

    def add(
        self,
        examples: Given | Iterable[Given],
        *,
        source: str | None = None,
        allow_duplicates: bool = False,
    ) -> Added:
        """Add corrections: annotated examples that take effect immediately.

        What exists already is not added again. Earlier corrections of the same words
        lose the annotation that is contradicted.

        examples (Given | Iterable[Given]): Docs, Spans, Examples, or texts with their
            entities; see `given_docs` in given.py. Annotate what you know: tokens
            without annotation (`ent_iob == 0`) are not stored.
        source (str | None): Where they come from: a person or a file, say.
        allow_duplicates (bool): Add what exists already, so that it counts twice.
            Default: False.
        RETURNS (Added): Their ids, for `forget`, and what changed in their texts.
        RAISES (KnnNerError): If they cannot be read; then nothing is changed.
        """
        return teaching.add(self, examples, source, allow_duplicates)

    def teach(
        self,
        examples: str | Given | Iterable[Given],
        entities: Entities | None = None,
        *,
        source: str | None = None,
    ) -> Added:
        """Add a correction of a text: `knn.teach("We met Ada", {"Ada": "PERSON"})`.

        examples (str | Given | Iterable[Given]): A text, or what `add` reads.
        entities (Entities | None): Words with labels, or (start, end, label) in
            characters; None for no entity. The rest of the text is not annotated.
        source (str | None), RETURNS (Added): As for `add`.
        """
        given: Any = examples if entities is None else (examples, entities)
        return self.add(given, source=source)

    def forget(
        self,
        examples: "Iterable[int] | int | str | Added | None" = None,
        *,
        source: str | None = None,
        text: str | None = None,
    ) -> int:
        """Remove the examples for which all that is given holds; what they had replaced
        comes back.

        examples (Iterable[int] | int | str | Added | None): Ids, or as `text`.
        source (str | None): As it was given to `add`.
        text (str | None): A part of the example's text, case-sensitive.
        RETURNS (int): How many entries (tokens) were removed.
        RAISES (KnnNerError): For an unknown id, or if nothing is given.
        """
        return teaching.forget(self, examples, source, text)

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
        """Initialize for training. Call `build` when the encoder is trained.

        get_examples (Callable[[], Iterable[Example]]): Not used.
        nlp (Language | None): The pipeline, of a component copied from another one.
        """
        if nlp is not None:
            self.memory.encoder.nlp = nlp

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Save the datastore and the calibration; see saving.py."""
        saving.to_disk(self.memory, path, exclude)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "KnnNer":
        """Load what `to_disk` saved; see saving.py."""
        saving.from_disk(self.memory, path, exclude, self.settings.verify)
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialize the datastore and the calibration; see saving.py."""
        return saving.to_bytes(self.memory, exclude)

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "KnnNer":
        """Load what `to_bytes` serialized."""
        saving.from_bytes(self.memory, bytes_data, exclude)
        return self
