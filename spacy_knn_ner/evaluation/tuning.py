"""Choosing settings on development data: everything is found once, then scored."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc
from tqdm import tqdm

from ..datastore import kernel
from ..datastore.datastore import CORRECTIONS, STORE
from ..errors import Errors, KnnNerError
from ..pipeline.hearing import votes as votes_of
from ..pipeline.knn_ner import KnnNer
from ..pipeline.mixing import Queries, p_final, silent
from ..tags import DECODINGS
from ..ty import Votes
from .encoded import encode
from .neighbors import (
    Groups,
    every_entry_votes,
    find_neighbors,
    of_others,
    own_documents,
    store_votes,
    votes,
)
from .spans import Corpus

# None: every entry votes. The simplest first.
KS = (4, 8, 16, 32, 64, 128, 256, None)
# For cosine; for other metrics see `temperatures_for`. Each is half of the next, which
# `EveryEntryVotes` makes use of.
TEMPERATURES = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
RADII = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
CORRECTION_WEIGHTS = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Trial:
    """Settings, and what they score.

    settings (dict[str, Any]): For `knn.set_settings(**trial.settings)`. A weight of
        0 is the tagger alone.
    precision, recall, f1 (float): Of spans, 0 to 1.
    """

    settings: dict[str, Any]
    precision: float
    recall: float
    f1: float


def tune(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    ks: Sequence[int | None] = KS,
    temperatures: Sequence[float] | None = None,
    weights: Sequence[float] = WEIGHTS,
    decodings: Sequence[str] = DECODINGS,
    leave_one_out: bool = False,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> list[Trial]:
    """Score every combination of k, temperature, weight and decoding.

    The Docs are encoded once. Neighbors are found once, at the largest k, and those
    for a smaller k are the first of them; one more pass over the store serves k =
    None at all temperatures. Corrections are left aside; see `tune_corrections`.

    knn (KnnNer): With a store; its settings are not changed.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    ks (Sequence[int | None]), temperatures (Sequence[float] | None), weights
        (Sequence[float]), decodings (Sequence[str]): What to try. Default
        temperatures: `temperatures_for` the metric.
    leave_one_out (bool): The store was built from these Docs: no document votes on
        itself. Default: False.
    cache (str | Path | None): As for `encode`.
    show_progress (bool): Show progress bars. Default: False.
    RETURNS (list[Trial]): Simplest first: by weight, then k (None last), then
        temperature, then `"viterbi"` before `"argmax"`.
    RAISES (KnnNerError): If the store is empty, or there are no Docs.
    """
    if not knn.datastore.size(STORE):
        raise KnnNerError(Errors.E051, name=knn.name)
    queries = encode(knn, docs, cache=cache, show_progress=show_progress)
    corpus = Corpus(docs, queries.tag_set)
    groups = own_documents(knn, docs, queries) if leave_one_out else None
    if temperatures is None:
        temperatures = temperatures_for(knn)
    found = _votes(knn, queries, ks, temperatures, groups, show_progress)
    total = (len(ks) * len(temperatures) * len(weights) + 1) * len(decodings)
    bar = tqdm(total=total, desc="Scoring", unit="setting", disable=not show_progress)
    trials: list[Trial] = []
    for k, temperature, vote in found:
        if not trials:
            # The tagger alone is scored once; what it does not use stays as it is.
            alone = {"k": knn.k, "temperature": knn.temperature, "weight": 0.0}
            trials += _score(corpus, queries, queries.p_ner, alone, decodings)
            bar.update(len(decodings))
        for weight in weights:
            p = kernel.interpolate(queries.p_ner, vote.p_knn, weight)
            settings = {"k": k, "temperature": temperature, "weight": weight}
            trials += _score(corpus, queries, p, settings, decodings)
            bar.update(len(decodings))
    bar.close()
    return sorted(trials, key=_simplicity)


def _votes(
    knn: KnnNer,
    queries: Queries,
    ks: Sequence[int | None],
    temperatures: Sequence[float],
    groups: Groups | None,
    show_progress: bool,
) -> Iterator[tuple[int | None, float, Votes]]:
    numbers = sorted(k for k in ks if k is not None)
    if numbers:
        near = find_neighbors(
            knn,
            queries,
            STORE,
            numbers[-1],
            groups=groups,
            show_progress=show_progress,
        )
        for k, temperature in itertools.product(numbers, temperatures):
            yield k, temperature, votes(knn, queries, near, k, temperature)
    if None in ks:
        everyone = every_entry_votes(
            knn, queries, temperatures, groups=groups, show_progress=show_progress
        )
        for temperature, vote in zip(temperatures, everyone, strict=True):
            yield None, temperature, vote


def _score(
    corpus: Corpus,
    queries: Queries,
    p: np.ndarray,
    settings: dict[str, Any],
    decodings: Sequence[str],
) -> Iterator[Trial]:
    for decoding in decodings:
        ids = queries.tag_set.decode(p, decoding, queries.lengths)
        score = corpus.score(corpus.spans(ids, queries.tag_set))
        chosen = {**settings, "decoding": decoding}
        yield Trial(chosen, score.precision, score.recall, score.fscore)


def tune_corrections(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    radii: Sequence[float] | None = None,
    correction_weights: Sequence[float] = CORRECTION_WEIGHTS,
    leave_one_out: bool = False,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> list[Trial]:
    """Score every combination of radius and correction weight, with the component's
    other settings.

    knn (KnnNer): With corrections; its settings are not changed.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    radii (Sequence[float] | None), correction_weights (Sequence[float]): What to try.
        Default radii: in units of the metric, like `temperatures_for`.
    leave_one_out, cache, show_progress: As for `tune`.
    RETURNS (list[Trial]): The component's present settings first: where dev does not
        meet the corrections, nothing is better than them. Then by correction
        weight and radius.
    RAISES (KnnNerError): If there are no corrections, or no Docs.
    """
    if not knn.datastore.size(CORRECTIONS):
        raise KnnNerError(Errors.E064, name=knn.name)
    queries = encode(knn, docs, cache=cache, show_progress=show_progress)
    corpus = Corpus(docs, queries.tag_set)
    groups = own_documents(knn, docs, queries) if leave_one_out else None
    store = store_votes(knn, queries, groups)
    base = p_final(queries.p_ner, store, silent(queries), knn.settings)
    ids = queries.tag_set.decode(base, knn.decoding, queries.lengths)
    heard = knn.heard(queries, ids)
    assert heard is not None  # there are some
    if groups is not None:
        heard = of_others(heard, queries, groups)
    if radii is None:
        radii = [scale_of(knn) * radius for radius in RADII]
    present = knn.correction_weight, knn.radius
    trials: list[Trial] = []
    for weight, radius in [
        present,
        *sorted(itertools.product(correction_weights, radii)),
    ]:
        settings = {"correction_weight": weight, "radius": radius}
        how = knn.settings.replace(knn.name, **settings)
        corrections = votes_of(heard, knn.datastore, queries, how)
        p = p_final(queries.p_ner, store, corrections, how)
        for trial in _score(corpus, queries, p, settings, [knn.decoding]):
            trials.append(Trial(settings, trial.precision, trial.recall, trial.f1))
    return trials


def temperatures_for(knn: KnnNer) -> tuple[float, ...]:
    """The temperatures worth trying, in units of the metric.

    knn (KnnNer): With a store.
    """
    return tuple(scale_of(knn) * temperature for temperature in TEMPERATURES)


def scale_of(knn: KnnNer) -> float:
    """How large distances are, next to those of cosine: on keys of one length L,
    squared distances are 2 · L² times as large; for plain ones L is taken.

    knn (KnnNer): With entries.
    """
    if knn.metric == "cosine":
        return 1.0
    filled = next(tier for tier in knn.datastore.tiers.values() if len(tier))
    keys = next(filled.keys.chunks(1 << 14))
    squared = float(np.mean(np.einsum("nw,nw->n", keys, keys, dtype=np.float64)))
    scale = 2 * squared if knn.metric == "sqeuclidean" else float(np.sqrt(squared))
    return float(f"{scale:.1e}")  # two digits, for people to read


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the highest F1; among equals the simplest, which comes first.

    trials (Sequence[Trial]): From `tune` or `tune_corrections`.
    """
    return max(trials, key=lambda trial: trial.f1)


def _simplicity(trial: Trial) -> tuple[float, ...]:
    s = trial.settings
    k = float("inf") if s["k"] is None else s["k"]
    return s["weight"], k, s["temperature"], DECODINGS.index(s["decoding"])
