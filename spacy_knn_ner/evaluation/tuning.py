"""Choosing k, temperature and weight on development data."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy import util
from spacy.tokens import Doc

from ..datastore import kernel
from ..datastore.datastore import STORE
from ..errors import Errors, KnnNerError
from ..pipeline.entities import trimmed
from ..pipeline.knn_ner import KnnNer
from ..pipeline.labelled import labelled_text
from ..pipeline.mixing import Queries, per_token
from ..tags import SpanTuple
from ..ty import Neighbors, Votes
from .scores import span_prf

KS = (8, 16, 32, 64, 128)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2)
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Trial:
    """Settings, and what they score.

    k (int), temperature (float), weight (float): As in `knn_ner`. A weight of 0
        is the tagger alone, tried once.
    precision, recall, f1 (float): Of spans, 0 to 1.
    """

    k: int
    temperature: float
    weight: float
    precision: float
    recall: float
    f1: float

    @property
    def settings(self) -> dict[str, Any]:
        """For `knn.set_settings(**trial.settings)`."""
        return {"k": self.k, "temperature": self.temperature, "weight": self.weight}


def tune(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    ks: Sequence[int] = KS,
    temperatures: Sequence[float] = TEMPERATURES,
    weights: Sequence[float] = WEIGHTS,
    batch_size: int = 64,
) -> list[Trial]:
    """Score every combination. Encoding and search are done once, at the largest
    k; the neighbors for a smaller k are the first of those. Corrections are left
    aside: they are not part of what is chosen here.

    knn (KnnNer): With a store; its settings are not changed.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    ks, temperatures, weights (Sequence): What to try.
    batch_size (int): Docs encoded at once.
    RETURNS (list[Trial]): Simplest first: by weight, then k, then temperature.
    RAISES (KnnNerError): If the store is empty.
    """
    if not knn.datastore.size(STORE):
        raise KnnNerError(Errors.E051, name=knn.name)
    searched = list(_search(knn, docs, max(ks), batch_size))
    trials: dict[tuple[float, int, float], Trial] = {}
    for k, temperature in itertools.product(ks, temperatures):
        votes = [
            _votes(knn, queries, found, k, temperature)
            for _, queries, found in searched
        ]
        for weight in weights if trials else (0.0, *weights):
            spans = [
                spans
                for (batch, queries, _), vote in zip(searched, votes, strict=True)
                for spans in _decode(knn, batch, queries, vote, weight)
            ]
            score = span_prf(docs, spans)
            trials[weight, k, temperature] = Trial(
                k, temperature, weight, score.precision, score.recall, score.fscore
            )
    return [trials[combination] for combination in sorted(trials)]


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest F1; among equals the simplest: the smallest
    weight, then the smallest k.

    trials (Sequence[Trial]): From `tune`.
    """
    return max(trials, key=lambda t: (t.f1, -t.weight, -t.k, -t.temperature))


def _search(
    knn: KnnNer, docs: Sequence[Doc], k: int, batch_size: int
) -> Iterator[tuple[list[Doc], Queries, Neighbors]]:
    store = knn.datastore.tiers[STORE]
    for batch in util.minibatch(docs, size=batch_size):
        texts = [labelled_text(doc, knn.name) for doc in batch]
        queries = knn.queries(knn.encoder.docs(texts))
        vectors = queries.keys.vectors
        found = store.search(vectors, k, metric=knn.metric, index=knn.index)
        yield batch, queries, found


def _votes(
    knn: KnnNer, queries: Queries, found: Neighbors, k: int, temperature: float
) -> Votes:
    distances, tags = found.distances[:, :k], found.tags[:, :k]
    p = kernel.knn_distribution(distances, tags, temperature, len(knn.tag_set))
    nearest = distances.min(axis=1, initial=np.inf)
    return per_token(Votes(p, nearest), queries, knn.tag_set)


def _decode(
    knn: KnnNer, docs: list[Doc], queries: Queries, votes: Votes, weight: float
) -> Iterator[list[SpanTuple]]:
    p = kernel.interpolate(queries.p_ner, votes.p_knn, weight)
    for doc, rows in zip(docs, queries.split(p), strict=True):
        ids = queries.tag_set.decode(rows, knn.decoding)
        yield trimmed(doc, queries.tag_set.spans(ids))
