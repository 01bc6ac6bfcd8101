"""What an engine and a re-ranker are. Both are registered: `knn_engines`,
`knn_rerankers`."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable


class Hit(NamedTuple):
    """A text that was found.

    text (str): The text.
    score (float): Of the engine or the re-ranker: higher is better.
    """

    text: str
    score: float


@runtime_checkable
class Engine(Protocol):
    """Finds texts. One with an attribute `whole_sentences = True` gets long sentences
    as one query, and not in parts."""

    def search(self, queries: Sequence[str], n: int) -> list[list[Hit]]:
        """Find the texts that are most relevant to queries.

        queries (Sequence[str]): Sentences, or parts of them.
        n (int): How many texts for each, at most.
        RETURNS (list[list[Hit]]): For each query, the best first.
        RAISES (Exception): If it cannot be reached; the sentences are then read
            without contexts.
        """


@runtime_checkable
class Reranker(Protocol):
    """Orders texts by how much they are like a sentence."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Score texts.

        pairs (Sequence[tuple[str, str]]): A sentence and a text each.
        RETURNS (list[float]): Higher is more alike.
        """
