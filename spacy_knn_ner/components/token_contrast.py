"""The factory `token_contrast`: vectors of one entity type together, apart from others.

Stage one of NerCo: it trains the encoder that it reads, and predicts nothing. Stage two
trains an `ner_tagger` from there; the vectors also serve as keys of a `knn_ner`.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, cast

import numpy as np
from spacy import util
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Config, Model, torch2xp, xp2torch
from thinc.types import Floats2d

from ..errors import Errors, KnnNerError
from ..ml.contrast import REDUCTIONS, contrastive_loss
from ..ml.extras import require_torch
from ..reading.annotations import CLASSES, gold_classes

DEFAULT_MODEL = Config().from_str(
    """
[model]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""
)["model"]

# Docs whose tokens are compared with each other, where the loss on dev is computed.
_DOCS_AT_ONCE = 32


@Language.factory(
    "token_contrast",
    assigns=[],
    default_config={
        "model": DEFAULT_MODEL,
        "temperature": 0.07,
        "reduction": "class_mean",
        "classes": "labels",
        "include_outside": False,
    },
    default_score_weights={"contrast_score": 1.0},
)
def make_token_contrast(
    nlp: Language,
    name: str,
    model: Model[list[Doc], list[Floats2d]],
    temperature: float,
    reduction: str,
    classes: str,
    include_outside: bool,
) -> "TokenContrast":
    """Make a TokenContrast component.

    model (Model[list[Doc], list[Floats2d]]): Docs → token vectors: any tok2vec or
        transformer sublayer. Behind a listener, the other component is trained.
    temperature (float): τ. Default: 0.07.
    reduction (str): `"class_mean"` (default), `"sum"` or `"mean"`; see
        `contrastive_loss`.
    classes (str): `"labels"` (default): a class per entity type, as in the paper;
        `"tags"`: the tokens at the beginning, inside and at the end of entities of a
        type are classes of their own.
    include_outside (bool): Whether `O` is a class like any other, the paper's ablation.
        Default: False.
    """
    return TokenContrast(
        nlp.vocab,
        model,
        name,
        temperature=temperature,
        reduction=reduction,
        classes=classes,
        include_outside=include_outside,
    )


class TokenContrast(TrainablePipe):
    """Trains an encoder by contrast: stage one of NerCo (see ml/contrast.py)."""

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], list[Floats2d]],
        name: str = "token_contrast",
        *,
        temperature: float = 0.07,
        reduction: str = "class_mean",
        classes: str = "labels",
        include_outside: bool = False,
    ) -> None:
        """Initialize the component.

        vocab (Vocab): The shared vocabulary.
        model (Model), temperature (float), reduction (str), classes (str),
            include_outside (bool): As for `make_token_contrast`.
        name (str): The component's name in the pipeline.
        RAISES (KnnNerError): For a setting that is not valid.
        """
        for setting, value, valid, expected in (
            ("temperature", temperature, temperature > 0, "a number above 0"),
            ("reduction", reduction, reduction in REDUCTIONS, f"one of {REDUCTIONS}"),
            ("classes", classes, classes in CLASSES, f"one of {CLASSES}"),
        ):
            if not valid:
                expected = f"expected {expected}"
                raise KnnNerError(
                    Errors.E040,
                    name=name,
                    setting=setting,
                    value=value,
                    expected=expected,
                )
        require_torch("token_contrast")
        self.vocab, self.model, self.name = vocab, model, name
        self.temperature, self.reduction = temperature, reduction
        self.classes, self.include_outside = classes, include_outside
        self.cfg: dict[str, Any] = {}

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Set the model's dimensions.

        get_examples (Callable[[], Iterable[Example]]): A sample of the gold data.
        nlp (Language | None): The pipeline.
        """
        validate_get_examples(get_examples, "TokenContrast.initialize")
        sample = [example.predicted for example in islice(get_examples(), 10)]
        self.model.initialize(X=sample)

    def predict(self, docs: Iterable[Doc]) -> list[None]:
        """Predict nothing: vectors are computed where they are used.

        docs (Iterable[Doc]): The Docs.
        """
        return [None for _ in docs]

    def set_annotations(self, docs: Iterable[Doc], scores: list[None]) -> None:
        """Leave the Docs as they are.

        docs (Iterable[Doc]), scores (list[None]): From `predict`.
        """

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """Compute the contrastive loss of a batch, and its gradient.

        examples (Iterable[Example]): The batch.
        scores (list[Floats2d]): The vectors of its tokens, per Doc.
        RETURNS (tuple[float, list[Floats2d]]): The loss, and the gradient with regard
            to the vectors: zeros if no two tokens have the same class.
        """
        examples = list(examples)
        validate_examples(examples, "TokenContrast.get_loss")
        xp = self.model.ops.xp
        gradients: list[Any] = [xp.zeros_like(vectors) for vectors in scores]
        filled = [i for i, vectors in enumerate(scores) if len(vectors)]
        if not filled:
            return 0.0, gradients
        vectors = xp2torch(_joined(xp, scores), requires_grad=True)
        loss = self._loss(examples, vectors, self.reduction)
        loss.backward()
        gradient: Any = torch2xp(cast(Any, vectors.grad), ops=self.model.ops)
        ends = np.cumsum([len(scores[i]) for i in filled])[:-1].tolist()
        for i, part in zip(filled, xp.split(gradient, ends), strict=True):
            gradients[i] = part
        return loss.item(), gradients

    def _loss(self, examples: list[Example], vectors: Any, reduction: str) -> Any:
        import torch

        classes = torch.as_tensor(gold_classes(examples, self.classes))
        return contrastive_loss(
            vectors,
            classes.to(vectors.device),
            temperature=self.temperature,
            reduction=reduction,
            include_outside=self.include_outside,
        )

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, float]:
        """Compute how probable the positives are among the negatives: exp(−loss), where
        the loss is the mean over the pairs of every 32 Docs in order.

        examples (Iterable[Example]): After the pipeline.
        RETURNS (dict[str, float]): `"contrast_score"`, 0 to 1.
        """
        import torch

        total, n_batches = 0.0, 0
        for batch in util.minibatch(examples, size=_DOCS_AT_ONCE):
            docs = [example.predicted for example in batch]
            if not any(map(len, docs)):
                continue
            xp = self.model.ops.xp
            vectors = xp2torch(_joined(xp, self.model.predict(docs)))
            with torch.no_grad():
                total += float(self._loss(list(batch), vectors, "mean"))
            n_batches += 1
        return {"contrast_score": float(np.exp(-total / max(1, n_batches)))}


def _joined(xp: Any, vectors: list[Floats2d]) -> Any:
    """The vectors of all Docs; an encoder may give empty ones vectors of no width."""
    return xp.concatenate([part for part in vectors if len(part)])
