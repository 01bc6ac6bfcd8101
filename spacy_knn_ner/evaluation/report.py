"""Everything that is known about a pipeline on a labelled corpus, as one dict."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ..datastore import kernel
from ..datastore.datastore import CORRECTIONS, STORE
from ..errors import Errors, KnnNerError
from ..pipeline.gate import gated
from ..pipeline.knn_ner import KnnNer
from ..pipeline.mixing import mixture, span_nearest
from ..pipeline.settings import LOSSLESS, Settings
from ..ty import Votes
from .breakdowns import KS, by_frequency, by_k, by_length
from .changes import BROKEN, MENDED, OTHER, add_evidence, distances, find_changes
from .encoded import encode
from .neighbors import every_entry_votes, find_neighbors, votes
from .significance import paired_bootstrap
from .spans import Corpus
from .systems import System

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
    """Score the tagger alone, the neighbors alone and their mixture, and find out
    where they differ.

    knn (KnnNer): With a store.
    docs (Sequence[Doc]): With entities, which nothing was learnt or chosen from.
    every_entry (bool): Also try k = null, which looks at the whole store. Default:
        True.
    ks (Sequence[int]): Numbers of neighbors to try.
    n_changes (int): How many changed predictions get their evidence. Default: 30.
    resamples (int), seed (int): Of the paired bootstrap.
    cache (str | Path | None): As for `encode`.
    show_progress (bool): Show progress bars. Default: False.
    RETURNS (dict): What JSON can hold; see docs/evaluation.md.
    RAISES (KnnNerError): If the store is empty, or there are no Docs.
    """
    if not knn.datastore.size(STORE):
        raise KnnNerError(Errors.E051, name=knn.name)
    queries = encode(knn, docs, cache=cache, show_progress=show_progress)
    corpus = Corpus(docs, queries.tag_set)
    # Searched once, for the component's own k and for those that are tried.
    most = max(*ks, knn.k or 1)
    near = find_neighbors(knn, queries, STORE, most, show_progress=show_progress)
    everyone = None
    if every_entry or knn.k is None:
        everyone = every_entry_votes(
            knn, queries, [knn.temperature], show_progress=show_progress
        )[0]
    if knn.k is None and everyone is not None:
        store = everyone
    else:
        store = votes(knn, queries, near, knn.k or most, knn.temperature)
    hear = partial(knn.corrections, queries)
    p = {
        TAGGER: queries.p_ner,
        NEIGHBORS: kernel.interpolate(queries.p_ner, store.p_knn, 1.0),
        MIXTURE: mixture(queries, store, hear, knn.settings),
    }
    settings = knn.settings

    def ask(asked: np.ndarray) -> Votes:
        nearest = np.where(asked, store.nearest, np.inf)
        return Votes(np.where(asked[:, None], store.p_knn, 0.0), nearest)

    passed = gated(queries, hear, settings, ask)
    expected = queries.tag_set.decode(p[MIXTURE], knn.decoding, queries.lengths)
    loss = passed.ids != expected
    # Of whom nobody asked nothing is known, as in the pipeline.
    keyed = np.isin(np.arange(len(passed.asked)), queries.keys.tokens)
    nearest = np.where(passed.asked | ~keyed, passed.nearest, np.nan)
    if settings.gate not in (LOSSLESS, None):
        p[MIXTURE] = passed.p  # that is what the pipeline predicts
    scale = {MIXTURE: settings.score_temperature}  # the others' scores are as they are
    systems = {
        name: System(corpus, queries, rows, knn.decoding, scale.get(name, 1.0))
        for name, rows in p.items()
    }
    both = {name: systems[name] for name in (TAGGER, MIXTURE)}
    changes = find_changes(systems[TAGGER], systems[MIXTURE], corpus)
    shown = _some(changes, n_changes)
    add_evidence(shown, knn, corpus, queries)
    return {
        "model": about(knn),
        "data": {
            "docs": len(docs),
            "tokens": len(corpus.doc_of),
            "entities": len(corpus.gold),
        },
        "unknown": _unknown(systems[MIXTURE], nearest, settings),
        "gate": {"asked": float(passed.asked.mean()), "tags_lost": int(loss.sum())},
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
        "by_k": by_k(knn, corpus, queries, near, ks=ks, everyone=everyone),
        "changes": {
            "counts": {
                verdict: sum(c["verdict"] == verdict for c in changes)
                for verdict in (MENDED, BROKEN, OTHER)
            },
            "shown": shown,
        },
        "distances": distances(knn, corpus, queries, near, store),
    }


def _unknown(
    system: System, nearest: np.ndarray, settings: Settings
) -> dict[str, Any] | None:
    """How many unknown entities are right, and how many of the others."""
    if settings.unknown_distance is None:
        return None
    distances = span_nearest(system.bounds, nearest)
    far = distances > settings.unknown_distance
    near = distances <= settings.unknown_distance
    return {
        "distance": settings.unknown_distance,
        "found": int(far.sum()),
        "right": float(system.right[far].mean()) if far.any() else None,
        "others_right": float(system.right[near].mean()) if near.any() else None,
    }


def _per_doc(system: System) -> tuple[Any, Any]:
    corpus = system.corpus
    return corpus.per_doc(system.spans), corpus.per_doc(system.spans, system.right)


def _some(changes: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    """Some of every verdict, in the order of the corpus."""
    chosen = []
    for verdict in (MENDED, BROKEN, OTHER):
        chosen += [c for c in changes if c["verdict"] == verdict][: -(-n // 3)]
    return chosen


def about(knn: KnnNer) -> dict[str, Any]:
    """What a pipeline is: its name, settings and datastore.

    knn (KnnNer): The component.
    RETURNS (dict): What JSON can hold.
    """
    meta, datastore = knn.nlp.meta, knn.datastore
    return {
        "name": f"{meta['lang']}_{meta['name']}",
        "version": meta["version"],
        "pipeline": list(knn.nlp.pipe_names),
        "component": knn.name,
        "settings": knn.settings.config(),
        "datastore": {
            "store": datastore.size(STORE),
            "corrections": datastore.size(CORRECTIONS),
            "examples": len(datastore.examples),
            "width": datastore.width,
            "dtype": datastore.dtype,
            "labels": list(datastore.tag_set.labels),
            "tag_scheme": datastore.tag_set.scheme,
            "key_bytes": _key_bytes(knn),
            "index": datastore.tiers[STORE].index_about if datastore.tiers else {},
        },
    }


def _key_bytes(knn: KnnNer) -> int:
    tiers = knn.datastore.tiers.values()
    return sum(len(t) * t.width * t.keys.dtype.itemsize for t in tiers)
