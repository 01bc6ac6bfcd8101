"""Explaining: why these are the entities of a Doc, a span or a token."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from spacy.tokens import Doc, Span, Token

from ..inference.confidence import Calibration, span_scores
from ..inference.explanation import EntityExplanation, Explanation, TokenExplainer
from ..inference.predictor import LOOK_UP_ALL
from ..reading import tagger_output
from ..reading.annotations import entity_spans, trimmed
from ..reading.rulers import merge_spans, ruler_entities, upstream_rulers
from ..tags import SpanTuple

if TYPE_CHECKING:
    from .knn_ner import KnnNer


def explain(knn: "KnnNer", target: Doc | Span | Token, n: int) -> Explanation:
    """Explain a prediction; see `KnnNer.explain`.

    knn (KnnNer): The component.
    target (Doc | Span | Token): What to explain.
    n (int): Neighbors per token, at most so many of each kind.
    RETURNS (Explanation): Entities and tokens.
    """
    doc = target if isinstance(target, Doc) else target.doc
    batch = knn.reader.read([doc], use_saved_base=True)
    prediction = replace(knn.predictor, lookup=LOOK_UP_ALL).predict(batch)
    calibration = knn.calibration
    explainer = TokenExplainer(
        batch, prediction, knn.datastore, knn.settings, calibration.unknown_distance
    )
    rulers, _ = upstream_rulers(knn.nlp, knn)
    entities = _entities(doc, explainer, rulers, calibration)
    if isinstance(target, Doc):
        covered = {i for e in entities for i in range(e.start, e.end)}
        tokens = sorted(i for i in covered if not doc[i].is_space)
    else:
        tokens = [target.i] if isinstance(target, Token) else [t.i for t in target]
        touched = set(tokens)
        entities = [
            e for e in entities if not touched.isdisjoint(range(e.start, e.end))
        ]
    explained = [explainer.explain(i, doc[i].text, n) for i in tokens]
    return Explanation(entities, explained)


def _entities(
    doc: Doc, explainer: TokenExplainer, rulers: list[Any], calibration: Calibration
) -> list[EntityExplanation]:
    tag_set, prediction = explainer.batch.tag_set, explainer.prediction
    base_tags = explainer.base_tags
    has_distribution = tagger_output.read(doc) is not None
    preserved = ruler_entities(doc, rulers)
    spans = entity_spans(doc, tag_set, prediction.tags)
    final = {_tuple(ent) for ent in merge_spans(doc, spans, preserved)}
    of_rulers = {_tuple(ent) for ent in preserved}
    base = {*trimmed(doc, tag_set.spans(base_tags))} | of_rulers
    found = []
    for start, end, label in sorted(final | base):
        span = start, end, label
        tags = prediction.tags if span in final else base_tags
        temperature = calibration.score_temperature
        score = span_scores([(start, end)], tags, prediction.p, temperature)[0]
        is_ruler = span in of_rulers
        no_votes = bool(np.isinf(prediction.nearest[start:end]).all())
        has_score = not is_ruler and (has_distribution or not no_votes)
        found.append(
            EntityExplanation(
                start=start,
                end=end,
                text=doc[start:end].text,
                label=label,
                score=float(score) if has_score else None,
                predicted=span in final,
                changed=(span in final) != (span in base),
                unknown=None if is_ruler else _unknown(doc, span, explainer),
                by_ruler=is_ruler,
                by_correction=bool(prediction.corrections.weight[start:end].any()),
            )
        )
    return found


def _unknown(doc: Doc, span: SpanTuple, explainer: TokenExplainer) -> bool | None:
    if explainer.unknown_distance is None:
        return None
    words = [i for i in range(span[0], span[1]) if not doc[i].is_space]
    nearest = explainer.prediction.nearest[words]
    return bool(np.any(nearest > explainer.unknown_distance))


def _tuple(span: Span) -> SpanTuple:
    return span.start, span.end, span.label_
