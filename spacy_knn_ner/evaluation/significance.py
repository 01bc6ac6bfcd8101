"""Significance: whether the difference between two systems is more than chance."""

from dataclasses import dataclass

import numpy as np

# Resamples drawn at once.
_AT_ONCE = 500


@dataclass(frozen=True)
class Difference:
    """F1 of one system minus F1 of another, on the same Docs.

    delta (float): The difference, in shares of 1.
    low, high (float): Its 95 % confidence interval.
    p (float): Two-sided: how often a difference of the other sign (or none) shows up
        by chance, times two.
    resamples (int): How many were drawn.
    """

    delta: float
    low: float
    high: float
    p: float
    resamples: int


def paired_bootstrap(
    found_a: np.ndarray,
    right_a: np.ndarray,
    found_b: np.ndarray,
    right_b: np.ndarray,
    gold: np.ndarray,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """Compare by paired bootstrap over Docs (Efron and Tibshirani 1993; Koehn 2004).

    found_a, found_b (ndarray): Entities each system found, per Doc, shape (n_docs,).
    right_a, right_b (ndarray): How many of them are right.
    gold (ndarray): How many there are.
    resamples (int): How often as many Docs are drawn with replacement.
    seed (int): Of the draws.
    RETURNS (Difference): Of b minus a.
    """
    counts = np.stack([found_a, right_a, found_b, right_b, gold], axis=1)
    counts = counts.astype(np.float64)
    rng = np.random.default_rng(seed)
    n = len(counts)
    deltas = []
    for start in range(0, resamples, _AT_ONCE):
        size = min(_AT_ONCE, resamples - start)
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=size)
        deltas.append(_delta(drawn @ counts))
    resampled = np.concatenate(deltas)
    below = (np.sum(resampled <= 0) + 1) / (resamples + 1)
    above = (np.sum(resampled >= 0) + 1) / (resamples + 1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Difference(
        delta=float(_delta(counts.sum(axis=0)[None])[0]),
        low=float(low),
        high=float(high),
        p=float(min(1.0, 2 * min(below, above))),
        resamples=resamples,
    )


def _delta(totals: np.ndarray) -> np.ndarray:
    found_a, right_a, found_b, right_b, gold = totals.T
    return _f1(found_b, right_b, gold) - _f1(found_a, right_a, gold)


def _f1(found: np.ndarray, right: np.ndarray, gold: np.ndarray) -> np.ndarray:
    return 2 * right / np.maximum(found + gold, 1)
