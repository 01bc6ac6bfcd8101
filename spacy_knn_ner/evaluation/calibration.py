"""Does a score of 0.8 mean that four in five are right?"""

from typing import Any

import numpy as np

N_BINS = 10


def reliability(
    scores: np.ndarray, right: np.ndarray, n_bins: int = N_BINS
) -> list[dict[str, Any]]:
    """How often found entities are right, by their score.

    scores (ndarray): From 0 to 1, shape (n,).
    right (ndarray): Shape (n,), bool.
    n_bins (int): Bins of equal width. Default: 10.
    RETURNS (list[dict]): Per bin that is not empty: `low` and `high` border, `n`,
        `score` (mean) and `right` (share).
    """
    bins = np.minimum((scores * n_bins).astype(int), n_bins - 1)
    rows = []
    for i in range(n_bins):
        here = bins == i
        if here.any():
            rows.append(
                {
                    "low": i / n_bins,
                    "high": (i + 1) / n_bins,
                    "n": int(here.sum()),
                    "score": float(scores[here].mean()),
                    "right": float(right[here].mean()),
                }
            )
    return rows


def expected_calibration_error(bins: list[dict[str, Any]]) -> float | None:
    """ECE: the mean distance between score and share of right ones, over entities
    (Naeini et al. 2015).

    bins (list[dict]): From `reliability`.
    RETURNS (float | None): 0 to 1; None where nothing was found.
    """
    total = sum(row["n"] for row in bins)
    if not total:
        return None
    return sum(row["n"] * abs(row["score"] - row["right"]) for row in bins) / total
