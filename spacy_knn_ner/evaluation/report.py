"""The report of an evaluation: everything about a pipeline on a corpus, as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ..components.knn_ner import KnnNer
from ..errors import Errors, KnnNerError
from ..inference.confidence import Calibration, span_distances
from ..inference.decoding import decode
from ..inference.interpolation import Constant
from ..inference.predictor import LOOK_UP_ALL
from ..reading.cache import encode
from ..types import Votes
from .breakdowns import KS, by_frequency, by_k, by_length
from .changes import FIXED, OTHER, REGRESSED, add_evidence, distances, find_changes
from .corpus import Corpus
from .leave_one_out import (
    KnownVotes,
    all_entry_votes,
    find_neighbors,
    neighbor_votes,
)
from .metrics import SystemResult
from .significance import paired_bootstrap

# The systems that are compared.
TAGGER, NEIGHBORS, MIXTURE = "tagger", "neighbors", "mixture"
TITLES = {
    TAGGER: "tagger alone",
    NEIGHBORS: "neighbors alone",
    MIXTURE: "with neighbors",
}


def evaluate(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    every_entry: bool = True,
    ks: Sequence[int] = KS,
    n_changes: int = 30,
    resamples: int = 10_000,
    seed: int = 0,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> dict[str, Any]:
    """Score the tagger alone, the neighbors alone and their mixture, and list where
    they differ.

    knn (KnnNer): With a store, or with corrections alone. Behind an encoder without a
        tagger, `has_tagger` is false, and the tagger alone predicts nothing.
    docs (Sequence[Doc]): With entities, not used for training or tuning.
    every_entry (bool): Also try k = null, which reads the whole store. Default:
        True.
    ks (Sequence[int]): Numbers of neighbors to try.
    n_changes (int): How many changed predictions get their evidence. Default: 30.
    resamples (int), seed (int): Of the paired bootstrap.
    cache (str | Path | None): As for `encode`.
    show_progress (bool): Show progress bars. Default: False.
    RETURNS (dict): JSON; see docs/evaluation.md.
    RAISES (KnnNerError): If the datastore is empty, or there are no Docs.
    """
    if not len(knn.datastore):
        raise KnnNerError(Errors.E051, name=knn.name)
    batch = encode(knn.reader, docs, cache=cache, show_progress=show_progress)
    corpus, settings = Corpus(docs, batch.tag_set), knn.settings
    has_tagger, has_store = bool(batch.p_base.any()), len(knn.datastore.store) > 0
    votes, of_all, near = Votes.empty(*batch.p_base.shape), None, None
    if has_store:
        # Searched once, for the component's own k and for those that are tried.
        most = max(*ks, knn.k or 1)
        near = find_neighbors(knn, batch, most, show_progress=show_progress)
        if every_entry or knn.k is None:
            of_all = all_entry_votes(
                knn, batch, [knn.temperature], show_progress=show_progress
            )[0]
        if knn.k is None and of_all is not None:
            votes = of_all
        else:
            votes = neighbor_votes(knn, batch, near, knn.k or most, knn.temperature)
    predictor = replace(knn.predictor, retriever=KnownVotes(votes))
    gated = predictor.predict(batch)  # as the pipeline predicts
    full = replace(predictor, lookup=LOOK_UP_ALL).predict(batch)
    neighbors_only = replace(
        predictor, interpolation=Constant(1.0), matcher=None, lookup=LOOK_UP_ALL
    )
    neighbors = neighbors_only.predict(batch)
    mixture = gated if settings.lookup.mode == "margin" else full
    tagger_tags = decode(batch.p_base, batch.tag_set, knn.decoding, batch.lengths)
    nearest = np.where(gated.looked_up | ~batch.has_key, gated.nearest, np.nan)
    # The scores of the others are as they are.
    temperature = knn.calibration.score_temperature
    systems = {
        TAGGER: SystemResult(corpus, batch, tagger_tags, batch.p_base),
        NEIGHBORS: SystemResult(corpus, batch, neighbors.tags, neighbors.p),
        MIXTURE: SystemResult(corpus, batch, mixture.tags, mixture.p, temperature),
    }
    if not has_store:
        del systems[NEIGHBORS]
    both = {name: systems[name] for name in (TAGGER, MIXTURE)}
    changes = find_changes(systems[TAGGER], systems[MIXTURE], corpus)
    shown = _first_of_each(changes, n_changes)
    add_evidence(shown, knn, corpus, batch, full.matches)
    return {
        "model": describe(knn),
        "has_tagger": has_tagger,
        "data": {
            "docs": len(docs),
            "tokens": len(corpus.doc_of),
            "entities": len(corpus.gold),
        },
        "unknown": _unknown(systems[MIXTURE], nearest, knn.calibration),
        "lookup": {
            "looked_up": float(gated.looked_up.mean()),
            "tags_lost": int((gated.tags != full.tags).sum()),
        },
        "systems": {name: system.summary() for name, system in systems.items()},
        "difference": asdict(
            paired_bootstrap(
                *_per_doc(systems[TAGGER]),
                *_per_doc(systems[MIXTURE]),
                corpus.per_doc(corpus.gold),
                resamples=resamples,
                seed=seed,
            )
        ),
        "by_length": by_length(both, corpus),
        "by_frequency": by_frequency(both, corpus, knn),
        "by_k": near and by_k(knn, corpus, batch, near, ks=ks, of_all=of_all),
        "changes": {
            "counts": {
                verdict: sum(c["verdict"] == verdict for c in changes)
                for verdict in (FIXED, REGRESSED, OTHER)
            },
            "shown": shown,
        },
        "distances": near and distances(knn, corpus, batch, near, votes),
    }


def _unknown(
    system: SystemResult, nearest: np.ndarray, calibration: Calibration
) -> dict[str, Any] | None:
    """How many unknown entities are correct, and how many of the others."""
    if calibration.unknown_distance is None:
        return None
    distances = span_distances(system.bounds, nearest)
    far = distances > calibration.unknown_distance
    near = distances <= calibration.unknown_distance
    return {
        "distance": calibration.unknown_distance,
        "predicted": int(far.sum()),
        "correct": float(system.correct[far].mean()) if far.any() else None,
        "others_correct": float(system.correct[near].mean()) if near.any() else None,
    }


def _per_doc(system: SystemResult) -> tuple[Any, Any]:
    corpus = system.corpus
    return corpus.per_doc(system.spans), corpus.per_doc(system.spans, system.correct)


def _first_of_each(changes: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """Some of every verdict, in the order of the corpus."""
    chosen = []
    for verdict in (FIXED, REGRESSED, OTHER):
        chosen += [c for c in changes if c["verdict"] == verdict][: -(-n // 3)]
    return chosen


def describe(knn: KnnNer) -> dict[str, Any]:
    """Describe a pipeline: its name, settings and datastore.

    knn (KnnNer): The component.
    RETURNS (dict): JSON.
    """
    meta, datastore = knn.nlp.meta, knn.datastore
    return {
        "name": f"{meta['lang']}_{meta['name']}",
        "version": meta["version"],
        "pipeline": list(knn.nlp.pipe_names),
        "component": knn.name,
        "settings": knn.config(),
        "calibration": asdict(knn.calibration),
        "datastore": {
            "store": len(datastore.store),
            "corrections": len(datastore.corrections),
            "examples": len(datastore.examples),
            "width": datastore.width,
            "dtype": datastore.dtype,
            "labels": list(datastore.tag_set.labels),
            "tag_scheme": datastore.tag_set.scheme,
            "key_bytes": sum(t.nbytes()["keys"] for t in datastore.tables.values()),
            "view": (datastore.fingerprint or {}).get("view"),
            "index": datastore.store.index_info(),
        },
    }
