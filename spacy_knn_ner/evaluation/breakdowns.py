"""Breakdowns: F1 by length, by frequency in the store, and by k."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..components.knn_ner import KnnNer
from ..datastore.datastore import STORE
from ..inference.predictor import LOOK_UP_ALL
from ..types import Neighbors, TokenBatch, Votes
from .corpus import Corpus, Spans
from .leave_one_out import KnownVotes, neighbor_votes
from .metrics import SystemResult

KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# Occurrences in training: (title, from, to).
FREQUENCIES = (("unseen", 0, 0), ("1–5", 1, 5), ("more than 5", 6, None))

Systems = dict[str, SystemResult]


def by_length(systems: Systems, corpus: Corpus) -> list[dict[str, Any]]:
    """Compute scores by the length of Docs, in four classes of about equal size.

    systems (Systems): By name.
    corpus (Corpus): The corpus.
    RETURNS (list[dict]): `title`, `docs`, and scores by name.
    """
    lengths = corpus.lengths
    borders = np.unique(np.quantile(lengths[lengths > 0], np.linspace(0, 1, 5)[1:]))
    rows = []
    low = 1
    for border in borders.astype(int):
        chosen = (lengths >= low) & (lengths <= border)
        if chosen.any():
            title = f"{low}–{border}" if low < border else str(border)
            rows.append(
                {
                    "title": title,
                    "docs": int(chosen.sum()),
                    **_of_docs(systems, corpus, chosen),
                }
            )
        low = border + 1
    return rows


def _of_docs(systems: Systems, corpus: Corpus, chosen: np.ndarray) -> dict[str, Any]:
    gold = chosen[corpus.doc_of[corpus.gold.starts]]
    return {
        name: s.count(chosen[corpus.doc_of[s.spans.starts]], gold).scores()
        for name, s in systems.items()
    }


def by_frequency(systems: Systems, corpus: Corpus, knn: KnnNer) -> list[dict[str, Any]]:
    """Compute scores by how often an entity (same text, same label) occurs in the
    store: the paper's claim about the long tail.

    systems (Systems): By name.
    corpus (Corpus): The corpus.
    knn (KnnNer): With the store.
    RETURNS (list[dict]): `title`, and scores by name.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for example in knn.datastore.examples:
        if example.part == STORE:
            text = example.annotated
            for start, end, label in text.entities:
                seen[_surface(text.words, text.spaces, start, end), label] += 1
    frequency = {
        name: _frequencies(s.spans, corpus, seen) for name, s in systems.items()
    }
    gold = _frequencies(corpus.gold, corpus, seen)
    rows: list[dict[str, Any]] = []
    for title, low, high in FREQUENCIES:
        top = np.inf if high is None else high
        here = (gold >= low) & (gold <= top)
        row: dict[str, Any] = {"title": title}
        for name, system in systems.items():
            mine = (frequency[name] >= low) & (frequency[name] <= top)
            row[name] = system.count(mine, here).scores()
        rows.append(row)
    return rows


def _frequencies(
    spans: Spans, corpus: Corpus, seen: Counter[tuple[str, str]]
) -> np.ndarray:
    found = []
    for start, end, label in zip(spans.starts, spans.ends, spans.labels, strict=True):
        doc = corpus.doc_of[start]
        offset = corpus.offsets[doc]
        text = corpus.docs[doc][start - offset : end - offset].text
        found.append(seen[text, corpus.labels[label]])
    return np.array(found, dtype=np.int64)


def _surface(words: list[str], spaces: list[bool], start: int, end: int) -> str:
    pairs = zip(words[start:end], spaces[start:end], strict=True)
    return "".join(word + " " * space for word, space in pairs).rstrip(" ")


def by_k(
    knn: KnnNer,
    corpus: Corpus,
    batch: TokenBatch,
    near: Neighbors,
    *,
    ks: Sequence[int] = KS,
    of_all: Votes | None = None,
) -> list[dict[str, Any]]:
    """Compute scores of the mixture by the number of neighbors (the paper's table 3),
    with the component's other settings.

    knn (KnnNer): With a store.
    corpus (Corpus), batch (TokenBatch): The corpus.
    near (Neighbors): Of every key, as many as the largest of ks.
    ks (Sequence[int]): What to try.
    of_all (Votes | None): The votes of all entries, for k = null. Default: not tried.
    RETURNS (list[dict]): `k` (None: every entry) and scores.
    """
    found: list[tuple[int | None, Votes]] = [
        (k, neighbor_votes(knn, batch, near, k, knn.temperature)) for k in ks
    ]
    if of_all is not None:
        found.append((None, of_all))
    predictor = replace(knn.predictor, lookup=LOOK_UP_ALL)
    rows = []
    for k, votes in found:
        known = replace(predictor, retriever=KnownVotes(votes)).predict(batch)
        system = SystemResult(corpus, batch, known.tags, known.p)
        rows.append({"k": k, **system.count().scores()})
    return rows
