"""Fitting the calibration of scores, and what is unknown, on development data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from spacy.tokens import Doc

from ..components.knn_ner import KnnNer
from ..inference.confidence import Calibration, span_distances, span_scores
from ..inference.predictor import Predictor
from .corpus import Corpus
from .leave_one_out import (
    KnownVotes,
    encode_corpus,
    own_documents,
    store_votes,
)
from .metrics import SystemResult, expected_calibration_error, reliability

# Temperatures that are tried: from much too low scores to much too high ones.
TEMPERATURES = np.geomspace(0.2, 10.0, 200)
_KNOWN = 0.99  # of the correct entities are nearer than `unknown_distance`


@dataclass(frozen=True)
class FittedCalibration:
    """A calibration, and its error.

    calibration (Calibration): For `knn.calibration`; its `unknown_distance` is None
        where no entity with neighbors is correct.
    ece_before, ece_after (float | None): Expected calibration error with temperature 1
        and with this one, on the same data; None without entities.
    """

    calibration: Calibration
    ece_before: float | None
    ece_after: float | None


def fit_calibration(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    leave_one_out: bool = False,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> FittedCalibration:
    """Fit the temperature of scores, and the distance from which on entities are
    unknown.

    The temperature (Guo et al. 2017) is that with the least expected calibration error,
    and not with the least negative log-likelihood as theirs: without a tagger, that one
    made the error larger. An entity is unknown where it is farther from all entries
    than 99 % of the correct entities are.

    knn (KnnNer): With a store and the settings it will have.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    leave_one_out, cache, show_progress: As for `tune`.
    RETURNS (FittedCalibration): The calibration, and its error.
    RAISES (KnnNerError): If the store is empty, or there are no Docs.
    """
    batch = encode_corpus(knn, docs, cache=cache, show_progress=show_progress)
    groups = own_documents(knn, docs, batch) if leave_one_out else None
    votes, settings = store_votes(knn, batch, groups), knn.settings
    predictor = Predictor(
        KnownVotes(votes),
        knn.interpolation,
        replace(knn.matcher, left_out=groups),
        decoding=settings.decoding,
    )
    prediction = predictor.predict(batch)
    p, corpus = prediction.p, Corpus(docs, batch.tag_set)
    system = SystemResult(corpus, batch, prediction.tags, p)
    correct = system.correct
    if not len(correct):
        return FittedCalibration(knn.calibration, None, None)
    errors = {
        t: _error(span_scores(system.bounds, system.tags, p, t), correct)
        for t in (1.0, *TEMPERATURES)
    }
    best = min(errors, key=lambda t: errors[t])
    distances = span_distances(system.bounds, prediction.nearest)
    known = distances[correct & np.isfinite(distances)]
    unknown = float(np.quantile(known, _KNOWN)) if len(known) else 0.0
    # A distance of 0 means that all correct entities are in the store as they are.
    calibration = replace(
        knn.calibration,
        score_temperature=float(best),
        unknown_distance=unknown or None,
    )
    return FittedCalibration(calibration, errors[1.0], errors[best])


def _error(scores: np.ndarray, correct: np.ndarray) -> float:
    """The expected calibration error of at least one entity."""
    return expected_calibration_error(reliability(scores, correct)) or 0.0
