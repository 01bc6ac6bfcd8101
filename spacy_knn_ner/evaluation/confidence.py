"""What scores mean, and what is unknown: both are learnt from development data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from spacy.tokens import Doc

from ..datastore.datastore import STORE
from ..errors import Errors, KnnNerError
from ..pipeline.knn_ner import KnnNer
from ..pipeline.mixing import nearest_of, p_final, silent, span_nearest, span_scores
from .calibration import expected_calibration_error, reliability
from .encoded import encode
from .neighbors import of_others, own_documents, store_votes
from .spans import Corpus
from .systems import System

# Temperatures that are tried: from "much too unsure" to "much too sure".
TEMPERATURES = np.geomspace(0.2, 10.0, 200)
_KNOWN = 0.99  # of the right entities are nearer than `unknown_distance`


@dataclass(frozen=True)
class Confidence:
    """What was found.

    score_temperature (float), unknown_distance (float | None): The settings; None where
        nothing was right that has neighbors.
    ece_before, ece_after (float | None): Expected calibration error with temperature 1
        and with this one, on the same data; None where nothing was found.
    """

    score_temperature: float
    unknown_distance: float | None
    ece_before: float | None
    ece_after: float | None

    @property
    def settings(self) -> dict[str, float | None]:
        """For `set_settings`."""
        return {
            "score_temperature": self.score_temperature,
            "unknown_distance": self.unknown_distance,
        }


def fit_confidence(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    leave_one_out: bool = False,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> Confidence:
    """Fit the temperature of scores, and the distance from which entities are unknown.

    The temperature (Guo et al. 2017) is that with the least expected calibration error,
    and not with the least negative log-likelihood as theirs: where neighbors decide
    alone, that one made the error larger. Unknown is what is farther from what was seen
    than 99 % of the right entities are.

    knn (KnnNer): With a store and the settings it will have.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    leave_one_out, cache, show_progress: As for `tune`.
    RETURNS (Confidence): Settings, and how well they do.
    RAISES (KnnNerError): If the store is empty, or there are no Docs.
    """
    if not knn.datastore.size(STORE):
        raise KnnNerError(Errors.E051, name=knn.name)
    queries = encode(knn, docs, cache=cache, show_progress=show_progress)
    groups = own_documents(knn, docs, queries) if leave_one_out else None
    store, settings = store_votes(knn, queries, groups), knn.settings
    without = p_final(queries.p_ner, store, silent(queries), settings)
    ids = queries.tag_set.decode(without, settings.decoding, queries.lengths)
    heard = knn.heard(queries, ids)
    if heard is not None and groups is not None:
        heard = of_others(heard, queries, groups)
    corrections = knn.said(queries, heard)
    p = p_final(queries.p_ner, store, corrections, settings)
    system = System(Corpus(docs, queries.tag_set), queries, p, settings.decoding)
    right = system.right
    if not len(right):
        return Confidence(1.0, None, None, None)
    errors = {
        t: _error(span_scores(system.bounds, system.ids, p, t), right)
        for t in (1.0, *TEMPERATURES)
    }
    best = min(errors, key=lambda t: errors[t])
    distances = span_nearest(system.bounds, nearest_of(queries, store, corrections))
    there = distances[right & np.isfinite(distances)]
    unknown = float(np.quantile(there, _KNOWN)) if len(there) else 0.0
    return Confidence(
        score_temperature=float(best),
        unknown_distance=unknown or None,  # if all are there letter by letter
        ece_before=errors[1.0],
        ece_after=errors[best],
    )


def _error(scores: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error of at least one entity."""
    return expected_calibration_error(reliability(scores, right)) or 0.0
