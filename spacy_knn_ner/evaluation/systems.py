"""The tagger alone, the neighbors alone, and the mixture, on one corpus."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..pipeline.mixing import Queries, span_scores
from .calibration import expected_calibration_error, reliability
from .spans import Corpus, Spans


@dataclass(frozen=True)
class Counted:
    """Right, found and gold entities.

    right, found, gold (int): How many.
    """

    right: int
    found: int
    gold: int

    def scores(self) -> dict[str, Any]:
        """Precision, recall and F1 from 0 to 1, None where undefined; and `gold`."""
        p = self.right / self.found if self.found else None
        r = self.right / self.gold if self.gold else None
        total = self.found + self.gold
        f = 2 * self.right / total if total else None
        return {"precision": p, "recall": r, "f1": f, "gold": self.gold}


class System:
    """What one way of predicting finds in a corpus."""

    def __init__(
        self,
        corpus: Corpus,
        queries: Queries,
        p: np.ndarray,
        decoding: str,
        score_temperature: float = 1.0,
    ) -> None:
        """corpus (Corpus): The right entities.
        queries (Queries): The encoded corpus.
        p (ndarray): Shape (n_tokens, n_tags).
        decoding (str): `"viterbi"` or `"argmax"`.
        score_temperature (float): Of the scores. Default: 1.
        """
        self.corpus = corpus
        self.p = p
        self.score_temperature = score_temperature
        self.ids = queries.tag_set.decode(p, decoding, queries.lengths)
        self.spans: Spans = corpus.spans(self.ids, queries.tag_set)
        self.right = corpus.is_right(self.spans)

    @cached_property
    def bounds(self) -> list[tuple[int, int]]:
        """Of each found entity."""
        return list(zip(self.spans.starts, self.spans.ends, strict=True))

    @cached_property
    def scores(self) -> np.ndarray:
        """Of each found entity, as in `doc.spans`."""
        return span_scores(self.bounds, self.ids, self.p, self.score_temperature)

    def count(
        self, found: np.ndarray | None = None, gold: np.ndarray | None = None
    ) -> Counted:
        """Count entities.

        found, gold (ndarray | None): Only these of the found and of the right
            ones, bool. Default: all.
        """
        every = np.ones(len(self.spans), bool) if found is None else found
        n_gold = len(self.corpus.gold) if gold is None else int(gold.sum())
        return Counted(int(self.right[every].sum()), int(every.sum()), n_gold)

    def of_label(self, labels: list[str]) -> dict[str, Any]:
        """Scores of some labels."""
        ids = [self.corpus.labels.index(label) for label in labels]
        found = np.isin(self.spans.labels, ids)
        return self.count(found, np.isin(self.corpus.gold.labels, ids)).scores()

    def summary(self) -> dict[str, Any]:
        """Overall and per label; borders and labels apart; calibration."""
        corpus = self.corpus
        on_border = int(corpus.boundaries_right(self.spans).sum())
        borders = Counted(on_border, len(self.spans), len(corpus.gold))
        bins = reliability(self.scores, self.right)
        before = reliability(span_scores(self.bounds, self.ids, self.p), self.right)
        return {
            **self.count().scores(),
            "found": len(self.spans),
            # Whatever the label; and how often the label is right where borders are.
            "span_f1": borders.scores()["f1"],
            "type_accuracy": int(self.right.sum()) / on_border if on_border else None,
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
    """Labels by what follows their dot, as named (NAM) and nominal (NOM) mentions in
    Weibo; nothing where a label has none."""
    if not labels or any("." not in label for label in labels):
        return {}
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(label.rpartition(".")[2], []).append(label)
    return dict(sorted(groups.items()))
