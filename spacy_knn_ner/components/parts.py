"""The parts of a prediction, made of a component's settings and memory."""

from typing import TYPE_CHECKING

from ..corrections.borders import Orthography
from ..corrections.matching import CorrectionMatcher
from ..inference.predictor import LOOK_UP_ALL, Predictor
from ..reading.stages import is_followed

if TYPE_CHECKING:
    from .knn_ner import KnnNer


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
