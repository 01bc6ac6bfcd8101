"""Annotating: a prediction → `doc.ents`, and `doc.spans` with scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from ..inference.confidence import Calibration, span_distances, span_scores
from ..inference.predictor import Prediction
from ..reading import tagger_output
from ..reading.annotations import entity_spans
from ..reading.rulers import merge_spans, ruler_entities
from ..tags import TagSet
from ..types import TokenBatch
from .extensions import FACTORY


@dataclass(frozen=True)
class DocPrediction:
    """What is predicted for one Doc.

    tag_set (TagSet): The meaning of ids and columns.
    ids (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): p_final, shape (n_tokens, n_tags), float64; NaN in the rows of tokens
        that were not looked up.
    p_base (ndarray): Of the components in front, shape (n_tokens, n_tags).
    nearest (ndarray): Distance of the nearest entry, shape (n_tokens,); inf if there is
        none, NaN where the token was not looked up.
    """

    tag_set: TagSet
    ids: np.ndarray
    p: np.ndarray
    p_base: np.ndarray
    nearest: np.ndarray

    @property
    def n_looked_up(self) -> int:
        """Number of tokens that were looked up."""
        return int(np.count_nonzero(~np.isnan(self.nearest)))


def per_doc(batch: TokenBatch, prediction: Prediction) -> list[DocPrediction]:
    """Split a prediction by Doc.

    batch (TokenBatch): The tokens.
    prediction (Prediction): Their prediction.
    RETURNS (list[DocPrediction]): One per Doc.
    """
    known = prediction.looked_up | ~batch.has_key
    p = np.where(known[:, None], prediction.p, np.nan)
    nearest = np.where(known, prediction.nearest, np.nan)
    columns = (prediction.tags, p, batch.p_base, nearest)
    rows = zip(*(batch.per_doc(column) for column in columns), strict=True)
    return [DocPrediction(batch.tag_set, *row) for row in rows]


def annotate(
    doc: Doc,
    prediction: DocPrediction,
    rulers: list[Any],
    name: str,
    calibration: Calibration,
    previous: Sequence[str] = (),
) -> None:
    """Set `doc.ents`, and `doc.spans[name]` with the same spans and their values.

    doc (Doc): The Doc to modify.
    prediction (DocPrediction): From `KnnNer.predict`.
    rulers (list[Any]): From `upstream_rulers`; their entities stay.
    name (str): Of the component.
    calibration (Calibration): Of the scores.
    previous (Sequence[str]): From `previous_stages`. Default: none.
    """
    preserved = ruler_entities(doc, rulers)
    spans = entities_of(doc, prediction, preserved)
    doc.set_ents(spans)
    values = _values(spans, preserved, prediction, calibration)
    if tagger_output.read(doc) is None:
        _remove_unknown(values["scores"], spans, prediction)
    attrs = {**values, **FACTORY}
    doc.spans[name] = SpanGroup(doc, name=name, spans=spans, attrs=attrs)
    if tagger_output.read(doc) is None:
        if tagger_output.read_stage(doc, previous) is None:
            tagger_output.write_base(doc, _saved_base(doc, prediction))
        else:
            tagger_output.refresh_base(doc)


def leave_prediction(doc: Doc, prediction: DocPrediction, name: str) -> None:
    """Leave p_final on a Doc, for the next `knn_ner`.

    doc (Doc): The Doc to modify.
    prediction (DocPrediction): From `KnnNer.predict`, with every token looked up.
    name (str): Of the component.
    """
    value = tagger_output.Distribution(
        scheme=prediction.tag_set.scheme,
        tags=list(prediction.tag_set.tags),
        probabilities=prediction.p,
    )
    tagger_output.write_stage(doc, name, value)


def entities_of(
    doc: Doc, prediction: DocPrediction, preserved: list[Span]
) -> list[Span]:
    """List the entities that a Doc gets.

    doc (Doc): The Doc, which stays as it is.
    prediction (DocPrediction): From `KnnNer.predict`.
    preserved (list[Span]): Entities of rulers, which stay.
    """
    decoded = entity_spans(doc, prediction.tag_set, prediction.ids)
    return merge_spans(doc, decoded, preserved)


def _values(
    spans: list[Span],
    preserved: list[Span],
    prediction: DocPrediction,
    calibration: Calibration,
) -> dict[str, Any]:
    """Scores of entities, and whether they are unknown; not of those of rulers."""
    bounds = [(span.start, span.end) for span in spans]
    temperature, far = calibration.score_temperature, calibration.unknown_distance
    scores = span_scores(bounds, prediction.ids, prediction.p, temperature)
    of_rulers = {(span.start, span.end, span.label) for span in preserved}
    is_ruler = [(span.start, span.end, span.label) in of_rulers for span in spans]
    scores[np.array(is_ruler, dtype=bool)] = np.nan
    distances = span_distances(bounds, prediction.nearest)
    unknown = [
        None if far is None or np.isnan(score) else bool(distance > far)
        for score, distance in zip(scores, distances, strict=True)
    ]
    return {"scores": scores, "unknown": unknown}


def _remove_unknown(
    scores: np.ndarray, spans: list[Span], prediction: DocPrediction
) -> None:
    """Remove the scores of entities that nothing has voted on, where the components in
    front have left no distribution: `base_confidence` says nothing of them."""
    for i, span in enumerate(spans):
        if np.isinf(prediction.nearest[span.start : span.end]).all():
            scores[i] = np.nan


def _saved_base(doc: Doc, prediction: DocPrediction) -> tagger_output.SavedBase:
    return tagger_output.SavedBase(
        scheme=prediction.tag_set.scheme,
        tags=list(prediction.tag_set.tags),
        probabilities=prediction.p_base,
        entities=[(ent.start, ent.end, ent.label_) for ent in doc.ents],
    )
