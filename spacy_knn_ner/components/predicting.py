"""Predicting: its parts, of a component's settings and memory; and Docs, also while a
shared store is away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacy.tokens import Doc

from ..corrections.borders import Orthography
from ..corrections.matching import CorrectionMatcher
from ..errors import KnnNerError
from ..inference.predictor import LOOK_UP_ALL, Predictor
from ..reading.stages import is_followed
from .annotating import DocPrediction
from .unaffected import affected

if TYPE_CHECKING:
    from .knn_ner import KnnNer


@dataclass
class Lookups:
    """What was looked up since the component was made.

    tokens (int): That were predicted.
    looked_up (int): Those of them whose neighbors were searched.
    """

    tokens: int = 0
    looked_up: int = 0

    def count(self, docs: list[Doc], predictions: list[DocPrediction]) -> None:
        """Count a batch.

        docs (list[Doc]): The Docs.
        predictions (list[DocPrediction]): Of those that the memory may change.
        """
        self.tokens += sum(map(len, docs))
        self.looked_up += sum(p.n_looked_up for p in predictions)


def make_matcher(knn: "KnnNer") -> CorrectionMatcher:
    """Make what finds the corrections that apply.

    knn (KnnNer): The component.
    """
    return CorrectionMatcher(
        knn.datastore,
        knn.memory.phrases,
        knn.settings,
        Orthography(knn.nlp.Defaults.stop_words, knn.nlp.lang or ""),
        knn.calibration.correction_radius,
    )


def make_predictor(knn: "KnnNer") -> Predictor:
    """Make what predicts tags and probabilities. Where another `knn_ner` reads them,
    every token is looked up: the gate keeps tags, and not probabilities.

    knn (KnnNer): The component.
    """
    followed = is_followed(knn.nlp, knn)
    return Predictor(
        knn.retriever,
        knn.interpolation,
        knn.matcher,
        LOOK_UP_ALL if followed else knn.settings.lookup,
        knn.settings.decoding,
    )


def predicted(knn: "KnnNer", docs: list[Doc]) -> tuple[list[Doc], list[DocPrediction]]:
    """Predict the Docs whose entities the memory may change.

    knn (KnnNer): The component.
    docs (list[Doc]): After the components in front.
    RETURNS (tuple[list[Doc], list[DocPrediction]]): Those Docs, and the predictions: of
        the components in front alone while a shared store is away, if that is wanted.
    RAISES (KnnNerError): If it is not.
    """
    try:
        with knn.memory.reading():
            found = _predicted(knn, docs)
        knn.memory.absence.ends()
        knn.lookups.count(docs, found[1])
        return found
    except KnnNerError as error:
        with knn.memory.without(error):
            return _predicted(knn, docs)


def _predicted(knn: "KnnNer", docs: list[Doc]) -> tuple[list[Doc], list[DocPrediction]]:
    changing = affected(docs, knn.matcher)
    return changing, knn.predict(changing) if changing else []
