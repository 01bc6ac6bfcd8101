"""Fuzzy match: how many characters must change."""

from collections.abc import Sequence

from ...ml.extras import require


class Fuzzy:
    """The share of characters that two texts have in common, as rapidfuzz's `ratio`
    computes it."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Score texts; see `Reranker.score`."""
        fuzz = require("rapidfuzz", "spacy_knn_ner.Fuzzy.v1", "retrieval").fuzz
        return [
            fuzz.ratio(one.casefold(), other.casefold()) / 100 for one, other in pairs
        ]


def make_fuzzy() -> Fuzzy:
    """Make the re-ranker, `spacy_knn_ner.Fuzzy.v1`."""
    return Fuzzy()
