"""Tuning: settings chosen on development data. Neighbors are searched once."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc
from tqdm import tqdm

from ..components.knn_ner import KnnNer
from ..errors import Errors, KnnNerError
from ..inference.interpolation import Constant, Interpolation
from ..inference.predictor import Matcher, Predictor
from ..reading.cache import encode
from ..settings import DECODINGS
from ..types import TokenBatch, Votes
from .corpus import Corpus
from .leave_one_out import (
    Groups,
    KnownVotes,
    all_entry_votes,
    encode_corpus,
    find_neighbors,
    neighbor_votes,
    own_documents,
    store_votes,
)

# None: every entry votes. The simplest first.
KS = (4, 8, 16, 32, 64, 128, 256, None)
# For cosine; for other metrics see `temperatures_for`. Each is half of the next, which
# `AllVotes` makes use of.
TEMPERATURES = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Of corrections, in parts of the radius that was found in the store.
RADII = (0.25, 0.5, 0.75, 1.0)
CORRECTION_VOTES = (1.0, 4.0, 16.0, 64.0)


@dataclass(frozen=True)
class TuningTrial:
    """Settings, and their scores.

    settings (dict[str, Any]): By dotted name. An `interpolation.weight` of 0 is the
        tagger alone.
    precision, recall, f1 (float): Of spans, 0 to 1.
    """

    settings: dict[str, Any]
    precision: float
    recall: float
    f1: float

    def config(self) -> dict[str, Any]:
        """Convert the settings to blocks, for `knn.set_settings(**trial.config())`."""
        config: dict[str, Any] = {}
        for name, value in self.settings.items():
            block, _, setting = name.partition(".")
            if setting:
                config.setdefault(block, {})[setting] = value
            else:
                config[name] = value
        return config


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
) -> list[TuningTrial]:
    """Score every combination of k, temperature, weight and decoding.

    The Docs are encoded once. Neighbors are searched once, at the largest k, and those
    for a smaller k are the first of them; one more pass over the store serves k = None
    at all temperatures. Corrections are left aside; see `tune_corrections`.

    knn (KnnNer): With a store; its settings are not changed. The weight is tuned where
        the interpolation is `Constant`.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    ks (Sequence[int | None]), temperatures (Sequence[float] | None), weights
        (Sequence[float]), decodings (Sequence[str]): What to try. Default temperatures:
        `temperatures_for` the metric.
    leave_one_out (bool): The store was built from these Docs: no document votes on
        itself. Default: False.
    cache (str | Path | None): As for `encode`.
    show_progress (bool): Show progress bars. Default: False.
    RETURNS (list[TuningTrial]): Simplest first: by weight, then k (None last), then
        temperature, then `"viterbi"` before `"argmax"`.
    RAISES (KnnNerError): If the store is empty, or there are no Docs.
    """
    batch = encode_corpus(knn, docs, cache=cache, show_progress=show_progress)
    corpus = Corpus(docs, batch.tag_set)
    groups = own_documents(knn, docs, batch) if leave_one_out else None
    if temperatures is None:
        temperatures = temperatures_for(knn)
    has_tagger = bool(batch.p_base.any())  # otherwise neighbors decide alone
    interpolations = _interpolations(knn, weights if has_tagger else None)
    n_settings = len(ks) * len(temperatures) * len(interpolations) + has_tagger
    total = n_settings * len(decodings)
    bar = tqdm(total=total, desc="Scoring", unit="setting", disable=not show_progress)
    trials: list[TuningTrial] = []
    if has_tagger:
        # The tagger alone is scored once; what it does not use stays as it is.
        present = {"k": knn.k, "temperature": knn.temperature}
        alone = {**present, "interpolation.weight": 0.0}
        no_votes = Votes.empty(*batch.p_base.shape)
        trials = _score(corpus, batch, no_votes, Constant(0.0), alone, decodings)
        bar.update(len(decodings))
    for k, temperature, votes in _votes(
        knn, batch, ks, temperatures, groups, show_progress
    ):
        for setting, interpolation in interpolations:
            settings = {"k": k, "temperature": temperature, **setting}
            trials += _score(corpus, batch, votes, interpolation, settings, decodings)
            bar.update(len(decodings))
    bar.close()
    return sorted(trials, key=_simplicity)


def _interpolations(
    knn: KnnNer, weights: Sequence[float] | None
) -> list[tuple[dict[str, Any], Interpolation]]:
    """The interpolations to try, with their settings; None: the present one."""
    if weights is None or not isinstance(knn.interpolation, Constant):
        return [({}, knn.interpolation)]
    return [({"interpolation.weight": w}, Constant(w)) for w in weights]


def _votes(
    knn: KnnNer,
    batch: TokenBatch,
    ks: Sequence[int | None],
    temperatures: Sequence[float],
    groups: Groups | None,
    show_progress: bool,
) -> Iterator[tuple[int | None, float, Votes]]:
    numbers = sorted(k for k in ks if k is not None)
    if numbers:
        near = find_neighbors(
            knn, batch, numbers[-1], groups=groups, show_progress=show_progress
        )
        for k, temperature in itertools.product(numbers, temperatures):
            yield k, temperature, neighbor_votes(knn, batch, near, k, temperature)
    if None in ks:
        of_all = all_entry_votes(
            knn, batch, temperatures, groups=groups, show_progress=show_progress
        )
        for temperature, votes in zip(temperatures, of_all, strict=True):
            yield None, temperature, votes


def _score(
    corpus: Corpus,
    batch: TokenBatch,
    votes: Votes,
    interpolation: Interpolation,
    settings: dict[str, Any],
    decodings: Sequence[str],
    matcher: Matcher | None = None,
) -> list[TuningTrial]:
    trials = []
    for decoding in decodings:
        retriever = KnownVotes(votes)
        predictor = Predictor(retriever, interpolation, matcher, decoding=decoding)
        tags = predictor.predict(batch).tags
        score = corpus.score(corpus.spans(tags, batch.tag_set))
        chosen = {**settings, "decoding": decoding}
        trials.append(TuningTrial(chosen, score.precision, score.recall, score.fscore))
    return trials


def tune_corrections(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    radii: Sequence[float] | None = None,
    votes: Sequence[float] = CORRECTION_VOTES,
    leave_one_out: bool = False,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> list[TuningTrial]:
    """Score every combination of radius and votes of corrections, with the component's
    other settings.

    knn (KnnNer): With corrections; its settings are not changed.
    docs (Sequence[Doc]): Development data with entities. Never the test data.
    radii (Sequence[float] | None), votes (Sequence[float]): What to try. Default radii:
        parts of the one that was found in the store, in units of the metric.
    leave_one_out, cache, show_progress: As for `tune`.
    RETURNS (list[TuningTrial]): The component's present settings first: where dev has
        no token that corrections apply to, nothing is better than them. Then by votes
        and radius.
    RAISES (KnnNerError): If there are no corrections, or no Docs.
    """
    if not len(knn.datastore.corrections):
        raise KnnNerError(Errors.E064, name=knn.name)
    batch = encode(knn.reader, docs, cache=cache, show_progress=show_progress)
    corpus = Corpus(docs, batch.tag_set)
    groups = own_documents(knn, docs, batch) if leave_one_out else None
    matcher = replace(knn.matcher, left_out=groups)
    of_store = store_votes(knn, batch, groups)
    if radii is None:
        found = knn.calibration.correction_radius
        radii = [radius * (found or scale_of(knn)) for radius in RADII]
    present = knn.corrections.votes, knn.corrections.radius
    trials: list[TuningTrial] = []
    for n_votes, radius in [present, *sorted(itertools.product(votes, radii))]:
        changes = {"votes": n_votes, "radius": radius}
        settings = knn.settings.replace(knn.name, corrections=changes)
        changed = replace(matcher, settings=settings)
        for trial in _score(
            corpus, batch, of_store, knn.interpolation, {}, [knn.decoding], changed
        ):
            named = {f"corrections.{name}": value for name, value in changes.items()}
            trials.append(replace(trial, settings=named))
    return trials


def temperatures_for(knn: KnnNer) -> tuple[float, ...]:
    """List the temperatures worth trying, in units of the metric.

    knn (KnnNer): With a store.
    """
    return tuple(scale_of(knn) * temperature for temperature in TEMPERATURES)


def scale_of(knn: KnnNer) -> float:
    """Compute how large distances are, next to those of cosine: on keys of one length
    L, squared distances are 2 · L² times as large; for plain ones L is taken.

    knn (KnnNer): With entries.
    """
    if knn.metric == "cosine":
        return 1.0
    filled = next(table for table in knn.datastore.tables.values() if len(table))
    keys = next(filled.keys.chunks(1 << 14))
    squared = float(np.mean(np.einsum("nw,nw->n", keys, keys, dtype=np.float64)))
    scale = 2 * squared if knn.metric == "sqeuclidean" else float(np.sqrt(squared))
    return float(f"{scale:.1e}")  # two digits, for people to read


def best(trials: Sequence[TuningTrial]) -> TuningTrial:
    """Choose the trial with the highest F1; among equals the simplest, which is first.

    trials (Sequence[TuningTrial]): From `tune` or `tune_corrections`.
    """
    return max(trials, key=lambda trial: trial.f1)


def _simplicity(trial: TuningTrial) -> tuple[float, ...]:
    s = trial.settings
    k = float("inf") if s["k"] is None else s["k"]
    weight = s.get("interpolation.weight", 1.0)
    return weight, k, s["temperature"], DECODINGS.index(s["decoding"])
