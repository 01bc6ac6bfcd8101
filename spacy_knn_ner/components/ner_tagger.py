"""The component `ner_tagger`: learns, predicts and annotates tags."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import srsly
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.pipeline.ner import ner_score
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..errors import Errors, KnnNerError
from ..inference.decoding import decode
from ..ml.cooperative import Cooperative
from ..ml.heads import SoftmaxHead, TagHead
from ..ml.two_views import CooperativeLoss, cooperative_loss, weights_of
from ..reading import tagger_output
from ..reading.annotations import (
    entity_spans,
    gold_labels,
    gold_tag_ids,
)
from ..reading.find_encoder import is_listener
from ..reading.vectors import to_numpy
from ..tags import TagSet, transitions


class TaggerPrediction(NamedTuple):
    """What is predicted for one Doc.

    probabilities (ndarray): Shape (n_tokens, n_tags).
    vectors (ndarray | None): Of its tokens, where the encoder is the tagger's own.
    tags (ndarray): The best valid sequence, shape (n_tokens,).
    """

    probabilities: np.ndarray
    vectors: np.ndarray | None
    tags: np.ndarray


class NerTagger(TrainablePipe):
    """Tags tokens with BILUO or BIO tags: by a softmax (equation 1), or by a CRF.

    Sets `doc.ents` from the best valid tag sequence, replacing what was there,
    and leaves the distribution in `doc._.ner_tagger` (see `TaggerOutput`).
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "ner_tagger",
        *,
        tag_scheme: str = "BILUO",
        head_only_updates: int = 0,
        head_learn_rate: float = 1.0,
        cooperative: Cooperative | None = None,
        scorer: Callable | None = ner_score,
    ) -> None:
        """Initialize the tagger.

        vocab (Vocab): The shared vocabulary.
        model (Model): As for `make_ner_tagger`.
        name (str): The component's name in the pipeline.
        tag_scheme (str), head_only_updates (int), head_learn_rate (float),
            cooperative (Cooperative | None): As for `make_ner_tagger`.
        scorer (Callable | None): The scoring method.
        RAISES (KnnNerError): For an unknown tag scheme.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.head_only_updates = head_only_updates
        self.head_learn_rate = head_learn_rate
        self.cooperative = cooperative or Cooperative(loss="none")
        self._n_updates = 0
        self.cfg: dict[str, Any] = {"labels": [], "tag_scheme": tag_scheme}
        TagSet(tag_scheme)  # raises now, not at the first text

    @property
    def labels(self) -> tuple[str, ...]:
        """The entity labels, in the order of the model's output."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """The labels, for `spacy init labels`."""
        return self.labels

    @property
    def tag_set(self) -> TagSet:
        """The columns of the model's output."""
        return TagSet(self.cfg["tag_scheme"], self.labels)

    def add_label(self, label: str) -> int:
        """Add an entity label; an initialized model gets room for its tags.

        label (str): The label.
        RETURNS (int): 0 if it was there already, otherwise 1.
        """
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self.model.get_ref("output_layer").has_dim("nO"):
            self.set_output(len(self.tag_set))
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Set the labels and the model's dimensions.

        get_examples (Callable[[], Iterable[Example]]): A sample of the gold data.
        nlp (Language | None): The pipeline.
        labels (Iterable[str] | None): Entity labels; read from the examples if
            None.
        RAISES (KnnNerError): If there is no label at all.
        """
        validate_get_examples(get_examples, "NerTagger.initialize")
        self._n_updates = 0
        for label in gold_labels(get_examples()) if labels is None else labels:
            if label not in self.labels:
                self.cfg["labels"].append(label)
                self.vocab.strings.add(label)
        if not self.labels:
            raise KnnNerError(Errors.E010, name=self.name)
        sample = [example.predicted for example in islice(get_examples(), 10)]
        self.set_output(len(self.tag_set))
        # Y is not needed: the output's size is set, and Docs give the input's.
        self.model.initialize(X=sample)

    def predict(self, docs: Iterable[Doc]) -> list[TaggerPrediction]:
        """Apply the model, without modifying the Docs.

        docs (Iterable[Doc]): The Docs.
        RETURNS (list[TaggerPrediction]): One per Doc.
        """
        docs, tag_set = list(docs), self.tag_set
        if not any(len(doc) for doc in docs):
            nothing = np.zeros((0, len(tag_set)), dtype=np.float32)
            no_tags = np.zeros(0, dtype=np.int64)
            return [TaggerPrediction(nothing, None, no_tags) for _ in docs]
        encoder = self.model.get_ref("tok2vec")
        vectors = encoder.predict(docs)
        if _without_pieces(vectors):
            width = encoder.get_dim("nO")
            vectors = [encoder.ops.alloc2f(len(doc), width) for doc in docs]
        scores = self.model.get_ref("head").predict(vectors)
        head, allowed = self._head, transitions(tag_set)
        distribution = head.distribution(self.model, scores, allowed)
        probabilities = [to_numpy(p) for p in distribution]
        tags = head.best_tags(self.model, scores, allowed)
        if tags is None:
            tags = [decode(p, tag_set) for p in probabilities]
        own = [None] * len(docs) if self.listens else [to_numpy(v) for v in vectors]
        columns = zip(probabilities, own, tags, strict=True)
        return [TaggerPrediction(*column) for column in columns]

    @property
    def _head(self) -> TagHead:
        return self.model.attrs.get("tag_head", SoftmaxHead())

    @property
    def listens(self) -> bool:
        """Check whether the encoder is another component's."""
        return any(is_listener(node) for node in self.model.get_ref("tok2vec").walk())

    def set_annotations(
        self, docs: Iterable[Doc], scores: list[TaggerPrediction]
    ) -> None:
        """Set `doc.ents` and `doc._.ner_tagger`.

        docs (Iterable[Doc]): The Docs to modify.
        scores (list[TaggerPrediction]): From `predict`.
        """
        tag_set = self.tag_set
        for doc, (probabilities, vectors, tags) in zip(docs, scores, strict=True):
            doc.set_ents(entity_spans(doc, tag_set, tags))
            value = tagger_output.TaggerOutput(
                scheme=tag_set.scheme,
                tags=list(tag_set.tags),
                probabilities=probabilities,
                vectors=vectors,
                tagger=tagger_output.identity(self),
            )
            tagger_output.write(doc, value)

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """Compute the negative log-likelihood of the annotation, and its gradient; of
        context views with their weight.

        examples (Iterable[Example]): The batch.
        scores (list[Floats2d]): The model's output per Doc.
        RETURNS (tuple[float, list[Floats2d]]): The sum over annotated tokens (of a
            CRF: over Docs), and the gradient as the model's head defines it.
        RAISES (KnnNerError): For a label the tagger was not initialized with.
        """
        examples, tag_set = list(examples), self.tag_set
        validate_examples(examples, "NerTagger.get_loss")
        try:
            gold = [gold_tag_ids(example, tag_set) for example in examples]
        except KeyError as error:
            label = str(error.args[0]).partition("-")[2]
            raise KnnNerError(Errors.E011, name=self.name, label=label) from error
        weights = weights_of([e.predicted for e in examples], self.cooperative)
        return self._head.loss(self.model, scores, gold, transitions(tag_set), weights)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch.

        examples (Iterable[Example]): The batch.
        drop (float): Dropout rate. Default: 0.
        sgd (Optimizer | None): If given, weights are updated.
        losses (dict[str, float] | None): The loss is added under the tagger's name.
        RETURNS (dict[str, float]): The losses.
        """
        examples, losses = list(examples), {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        validate_examples(examples, "NerTagger.update")
        docs = [example.predicted for example in examples]
        if not any(map(len, docs)):
            return losses
        set_dropout_rate(self.model, drop)
        vectors, backprop_encoder = self.model.get_ref("tok2vec").begin_update(docs)
        if _without_pieces(vectors):
            return losses
        scores, backprop_head = self.model.get_ref("head").begin_update(vectors)
        loss, of_scores = self.get_loss(examples, scores)
        between = self._cooperative_loss(docs, vectors, scores)
        for i, gradient in between.of_scores.items():
            of_scores[i] = of_scores[i] + gradient
        of_vectors = backprop_head(of_scores)
        for i, gradient in between.of_vectors.items():
            of_vectors[i] = of_vectors[i] + gradient
        if self._n_updates >= self.head_only_updates:
            backprop_encoder(of_vectors)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss + between.loss
        return losses

    def _cooperative_loss(
        self, docs: list[Doc], vectors: list[Floats2d], scores: list[Floats2d]
    ) -> CooperativeLoss:
        """Compute the loss between the two views of sentences in a batch."""
        allowed = transitions(self.tag_set)
        return cooperative_loss(
            self.model, self._head, self.cooperative, docs, vectors, scores, allowed
        )

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights by the gradients, those of the head at its own rate.

        sgd (Optimizer): The optimizer.
        RAISES (KnnNerError): If it is RAdam, which knows no rates of parts, and the
            head has a rate of its own.
        """
        rate = self.head_learn_rate
        if rate != 1 and getattr(sgd, "use_radam", False):
            raise KnnNerError(Errors.E092, name=self.name)

        def faster(key: Any, weights: Any, gradient: Any, lr_scale: float = 1.0) -> Any:
            return sgd(key, weights, gradient, lr_scale=rate * lr_scale)

        if self._n_updates >= self.head_only_updates:
            self.model.get_ref("tok2vec").finish_update(sgd)
        self.model.get_ref("head").finish_update(cast(Optimizer, faster))
        self._n_updates += 1

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "NerTagger":
        """Load from `to_bytes`; scheme and model must be those it was saved
        with."""
        msg = srsly.msgpack_loads(bytes_data)
        if "cfg" in msg:
            self._check_scheme(srsly.json_loads(msg["cfg"]))
        with self._checked_model():
            return super().from_bytes(bytes_data, exclude=exclude)

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = ()
    ) -> "NerTagger":
        """Load from `to_disk`; scheme and model must be those it was saved
        with."""
        cfg = util.ensure_path(path) / "cfg"
        if cfg.exists():
            self._check_scheme(srsly.read_json(cfg))
        with self._checked_model():
            return super().from_disk(path, exclude=exclude)

    @contextmanager
    def _checked_model(self) -> Iterator[None]:
        """Say what to do if saved weights do not fit the model."""
        try:
            yield
        except KnnNerError:
            raise
        except (ValueError, AttributeError) as error:
            reason = str(error)
            raise KnnNerError(Errors.E088, name=self.name, reason=reason) from error

    def _check_scheme(self, saved: dict[str, Any]) -> None:
        given, scheme = self.cfg["tag_scheme"], saved["tag_scheme"]
        if scheme != given:
            raise KnnNerError(Errors.E012, name=self.name, saved=scheme, given=given)


def _without_pieces(vectors: list[Floats2d]) -> bool:
    """Check whether an encoder has made no word piece of some texts, such as of
    whitespace alone: some packages then leave vectors of no width."""
    return not any(array.shape[1] for array in vectors)
