"""Metrics: span F1 as conlleval counts it, by label, and calibration of scores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from spacy.scorer import PRFScore
from spacy.tokens import Doc

from ..inference.confidence import span_scores
from ..reading.annotations import annotated_entities
from ..tags import SpanTuple
from ..types import TokenBatch
from .corpus import Corpus, Spans

N_BINS = 10


def span_prf(
    golds: Iterable[Doc], predicted: Iterable[Sequence[SpanTuple]]
) -> PRFScore:
    """Compute micro-averaged precision, recall and F1 over exact, labeled spans.

    As spaCy's scorer does, predictions on tokens without annotation are left out, being
    neither correct nor wrong.

    golds (Iterable[Doc]): With entities.
    predicted (Iterable[Sequence[SpanTuple]]): Predicted entities, per Doc.
    RETURNS (PRFScore): With `.precision`, `.recall`, `.fscore` from 0 to 1.
    """
    score = PRFScore()
    for gold, spans in zip(golds, predicted, strict=True):
        entities, missing = annotated_entities(gold)
        unannotated = set(missing)
        scored = {s for s in spans if unannotated.isdisjoint(range(*s[:2]))}
        score.score_set(scored, set(entities))
    return score


def percent(share: float | None, digits: int = 2) -> str:
    """Format a share: 0.4168 → "41.68"; a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f}"


def reliability(
    scores: np.ndarray, correct: np.ndarray, n_bins: int = N_BINS
) -> list[dict[str, Any]]:
    """Count how often predicted entities are correct, by their score.

    scores (ndarray): From 0 to 1, shape (n,).
    correct (ndarray): Shape (n,), bool.
    n_bins (int): Bins of equal width. Default: 10.
    RETURNS (list[dict]): Per bin that is not empty: `low` and `high` border, `n`,
        `score` (mean) and `correct` (share).
    """
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    rows = []
    for i in range(n_bins):
        mask = bins == i
        if mask.any():
            rows.append(
                {
                    "low": i / n_bins,
                    "high": (i + 1) / n_bins,
                    "n": int(mask.sum()),
                    "score": float(scores[mask].mean()),
                    "correct": float(correct[mask].mean()),
                }
            )
    return rows


def expected_calibration_error(bins: list[dict[str, Any]]) -> float | None:
    """Compute ECE: the mean distance between score and share of correct ones, over
    entities (Naeini et al. 2015).

    bins (list[dict]): From `reliability`.
    RETURNS (float | None): 0 to 1; None without entities.
    """
    total = sum(row["n"] for row in bins)
    if not total:
        return None
    return sum(row["n"] * abs(row["score"] - row["correct"]) for row in bins) / total


@dataclass(frozen=True)
class PRFCounts:
    """Numbers of correct, predicted and gold entities.

    correct, predicted, gold (int): How many.
    """

    correct: int
    predicted: int
    gold: int

    def scores(self) -> dict[str, Any]:
        """Compute precision, recall and F1 from 0 to 1, None where undefined; and
        `gold`."""
        p = self.correct / self.predicted if self.predicted else None
        r = self.correct / self.gold if self.gold else None
        total = self.predicted + self.gold
        f = 2 * self.correct / total if total else None
        return {"precision": p, "recall": r, "f1": f, "gold": self.gold}


class SystemResult:
    """The entities that one way of predicting finds in a corpus."""

    def __init__(
        self,
        corpus: Corpus,
        batch: TokenBatch,
        tags: np.ndarray,
        p: np.ndarray,
        score_temperature: float = 1.0,
    ) -> None:
        """corpus (Corpus): The gold entities.
        batch (TokenBatch): The encoded corpus.
        tags (ndarray): Predicted tag ids, shape (n_tokens,).
        p (ndarray): Their probabilities, shape (n_tokens, n_tags).
        score_temperature (float): Of the scores. Default: 1.
        """
        self.corpus = corpus
        self.tags = tags
        self.p = p
        self.score_temperature = score_temperature
        self.spans: Spans = corpus.spans(tags, batch.tag_set)
        self.correct = corpus.is_correct(self.spans)

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """First token and the token after the last of each predicted entity."""
        return list(zip(self.spans.starts, self.spans.ends, strict=True))

    @cached_property
    def scores(self) -> np.ndarray:
        """The score of each predicted entity, as in `doc.spans`."""
        return span_scores(self.bounds, self.tags, self.p, self.score_temperature)

    def count(
        self, predicted: np.ndarray | None = None, gold: np.ndarray | None = None
    ) -> PRFCounts:
        """Count entities.

        predicted, gold (ndarray | None): Only these of the predicted and of the gold
            entities, bool. Default: all.
        """
        every = np.ones(len(self.spans), bool) if predicted is None else predicted
        n_gold = len(self.corpus.gold) if gold is None else int(gold.sum())
        return PRFCounts(int(self.correct[every].sum()), int(every.sum()), n_gold)

    def of_label(self, labels: list[str]) -> dict[str, Any]:
        """Compute the scores of some labels."""
        ids = [self.corpus.labels.index(label) for label in labels]
        predicted = np.isin(self.spans.labels, ids)
        return self.count(predicted, np.isin(self.corpus.gold.labels, ids)).scores()

    def summary(self) -> dict[str, Any]:
        """Compute scores overall and per label; boundaries and labels apart;
        calibration."""
        corpus = self.corpus
        on_boundary = int(corpus.boundaries_correct(self.spans).sum())
        boundaries = PRFCounts(on_boundary, len(self.spans), len(corpus.gold))
        bins = reliability(self.scores, self.correct)
        before = reliability(span_scores(self.bounds, self.tags, self.p), self.correct)
        return {
            **self.count().scores(),
            "predicted": len(self.spans),
            # Whatever the label; and how often the label is correct where the
            # boundaries are.
            "span_f1": boundaries.scores()["f1"],
            "type_accuracy": (
                int(self.correct.sum()) / on_boundary if on_boundary else None
            ),
            "labels": {label: self.of_label([label]) for label in corpus.labels},
            "groups": {
                name: self.of_label(labels)
                for name, labels in label_groups(corpus.labels).items()
            },
            "reliability": bins,
            "ece": expected_calibration_error(bins),
            "ece_uncalibrated": expected_calibration_error(before),
        }


def label_groups(labels: list[str]) -> dict[str, list[str]]:
    """Group labels by what follows their dot, as named (NAM) and nominal (NOM) mentions
    in Weibo; nothing where a label has none."""
    if not labels or any("." not in label for label in labels):
        return {}
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(label.rpartition(".")[2], []).append(label)
    return dict(sorted(groups.items()))
