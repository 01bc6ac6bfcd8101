"""The factory `ner_tagger`: the distribution that neighbors are interpolated with."""

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import srsly
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.pipeline.ner import ner_score
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, get_array_module
from thinc.types import Floats2d

from ..errors import Errors, KnnNerError
from ..inference.decoding import decode
from ..reading import tagger_output
from ..reading.annotations import (
    SCORE_WEIGHTS,
    entity_spans,
    gold_labels,
    gold_tag_ids,
)
from ..reading.find_encoder import is_listener
from ..reading.vectors import to_numpy
from ..tags import MISSING, TagSet

DEFAULT_CONFIG = """
[model]
@architectures = "spacy_knn_ner.NerTagger.v1"
hidden_size = null

[model.tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[model.tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
rows = [5000, 1000, 2500, 1000]
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
include_static_vectors = false

[model.tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = ${model.tok2vec.embed.width}
window_size = 1
maxout_pieces = 3
depth = 4
"""

DEFAULT_MODEL = Config().from_str(DEFAULT_CONFIG)["model"]

# One Doc's distribution and, where the encoder is the tagger's own, its vectors.
TaggerPrediction = tuple[np.ndarray, np.ndarray | None]


@Language.factory(
    "ner_tagger",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "doc._.ner_tagger"],
    default_config={
        "model": DEFAULT_MODEL,
        "tag_scheme": "BILUO",
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights=SCORE_WEIGHTS,
)
def make_ner_tagger(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    tag_scheme: str,
    scorer: Callable | None,
) -> "NerTagger":
    """Make a NerTagger component.

    model (Model[list[Doc], list[Floats2d]]): Docs → tag probabilities, such as
        `spacy_knn_ner.NerTagger.v1` over any tok2vec or transformer sublayer.
    tag_scheme (str): `"BILUO"` (default) or `"BIO"`.
    scorer (Callable | None): Scores examples. Default: spaCy's span F1.
    """
    return NerTagger(nlp.vocab, model, name, tag_scheme=tag_scheme, scorer=scorer)


class NerTagger(TrainablePipe):
    """Tags tokens with a softmax over BILUO or BIO tags (equation 1).

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
        scorer: Callable | None = ner_score,
    ) -> None:
        """Initialize the tagger.

        vocab (Vocab): The shared vocabulary.
        model (Model): As for `make_ner_tagger`.
        name (str): The component's name in the pipeline.
        tag_scheme (str): `"BILUO"` (default) or `"BIO"`.
        scorer (Callable | None): The scoring method.
        RAISES (KnnNerError): For an unknown tag scheme.
        """
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
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
        RETURNS (list[TaggerPrediction]): Per Doc, probabilities of shape (n_tokens,
            n_tags), and the token vectors where the encoder is the tagger's own.
        """
        docs = list(docs)
        width = len(self.tag_set)
        if not any(len(doc) for doc in docs):
            return [(np.zeros((0, width), dtype=np.float32), None) for _ in docs]
        vectors = self.model.get_ref("tok2vec").predict(docs)
        probabilities = self.model.get_ref("head").predict(vectors)
        own = [None] * len(docs) if self.listens else [to_numpy(v) for v in vectors]
        return [(to_numpy(p), v) for p, v in zip(probabilities, own, strict=True)]

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
        for doc, (probabilities, vectors) in zip(docs, scores, strict=True):
            ids = decode(probabilities, tag_set)
            doc.set_ents(entity_spans(doc, tag_set, ids))
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
        """Compute cross-entropy over the annotated tokens, and its gradient.

        examples (Iterable[Example]): The batch.
        scores (list[Floats2d]): The model's probabilities per Doc.
        RETURNS (tuple[float, list[Floats2d]]): The summed loss, and the gradient
            with regard to the logits; unannotated tokens have none.
        RAISES (KnnNerError): For a label the tagger was not initialized with.
        """
        examples = list(examples)
        validate_examples(examples, "NerTagger.get_loss")
        loss = 0.0
        gradients: list[Floats2d] = []
        for example, p in zip(examples, scores, strict=True):
            try:
                gold = gold_tag_ids(example, self.tag_set)
            except KeyError as error:
                label = str(error.args[0]).partition("-")[2]
                raise KnnNerError(Errors.E011, name=self.name, label=label) from error
            known = np.flatnonzero(gold != MISSING)
            xp = get_array_module(p)
            gradient = xp.zeros_like(p)
            if len(known):
                rows, columns = xp.asarray(known), xp.asarray(gold[known])
                gradient[rows] = p[rows]
                gradient[rows, columns] -= 1
                loss -= float(xp.log(xp.maximum(p[rows, columns], 1e-12)).sum())
            gradients.append(gradient)
        return loss, gradients

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "NerTagger":
        """Load from `to_bytes`; the scheme of the saved tagger must be this one's."""
        msg = srsly.msgpack_loads(bytes_data)
        if "cfg" in msg:
            self._check_scheme(srsly.json_loads(msg["cfg"]))
        return super().from_bytes(bytes_data, exclude=exclude)

    def from_disk(
        self, path: str | Path, *, exclude: Iterable[str] = ()
    ) -> "NerTagger":
        """Load from `to_disk`; the scheme of the saved tagger must be this one's."""
        cfg = util.ensure_path(path) / "cfg"
        if cfg.exists():
            self._check_scheme(srsly.read_json(cfg))
        return super().from_disk(path, exclude=exclude)

    def _check_scheme(self, saved: dict[str, Any]) -> None:
        given, scheme = self.cfg["tag_scheme"], saved["tag_scheme"]
        if scheme != given:
            raise KnnNerError(Errors.E012, name=self.name, saved=scheme, given=given)
