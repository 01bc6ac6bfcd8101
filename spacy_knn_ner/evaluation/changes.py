"""What neighbors changed, for better and for worse, and what they are like."""

from dataclasses import asdict
from typing import Any

import numpy as np

from ..pipeline.knn_ner import KnnNer
from ..pipeline.mixing import Queries
from ..tags import OUTSIDE, split_tag
from ..ty import Neighbors, Votes
from .spans import Corpus, Spans
from .systems import System

MENDED, BROKEN, OTHER = "mended", "broken", "still wrong"
_WORDS = 12  # shown to either side of a neighbor's token


def find_changes(before: System, after: System, corpus: Corpus) -> list[dict[str, Any]]:
    """Where two systems find different entities.

    Differing entities that overlap, in either system or in the gold annotation, are
    one change.

    before, after (System): On the same corpus.
    corpus (Corpus): Theirs.
    RETURNS (list[dict]): `doc`, `start`, `end` (tokens in the Doc), the entities
        `before`, `after` and `gold` there, and `verdict`: `"mended"` (all right
        now), `"broken"` (all right before) or `"still wrong"`.
    """
    one, other = corpus.code(before.spans), corpus.code(after.spans)
    lost = before.spans.where(~np.isin(one, other))
    won = after.spans.where(~np.isin(other, one))
    changed = np.unique(np.concatenate([lost.starts, won.starts]))
    return [
        _change(before, after, corpus, start, end)
        for start, end in regions([lost, won, corpus.gold])
        if np.any((changed >= start) & (changed < end))
    ]


def regions(spans: list[Spans]) -> list[tuple[int, int]]:
    """The union of some entities: ranges of tokens that do not overlap.

    spans (list[Spans]): The entities.
    RETURNS (list[tuple[int, int]]): First token and the token after the last, in order.
    """
    pairs = sorted(
        (int(a), int(b)) for s in spans for a, b in zip(s.starts, s.ends, strict=True)
    )
    found: list[tuple[int, int]] = []
    for start, end in pairs:
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _change(
    before: System, after: System, corpus: Corpus, start: int, end: int
) -> dict[str, Any]:
    doc = int(corpus.doc_of[start])
    offset = int(corpus.offsets[doc])

    def there(spans: Spans) -> list[list[Any]]:
        return [list(span) for span in corpus.touching(spans, start, end)]

    gold, was, now = (there(s) for s in (corpus.gold, before.spans, after.spans))
    verdict = MENDED if now == gold else BROKEN if was == gold else OTHER
    return {
        "doc": doc,
        "start": start - offset,
        "end": end - offset,
        "before": was,
        "after": now,
        "gold": gold,
        "verdict": verdict,
    }


def add_evidence(
    changes: list[dict[str, Any]],
    knn: KnnNer,
    corpus: Corpus,
    queries: Queries,
    *,
    n: int = 3,
) -> None:
    """Give changes their words, and the neighbors of their first token.

    changes (list[dict]): From `find_changes`; modified.
    knn (KnnNer), corpus (Corpus), queries (Queries): They are about.
    n (int): Neighbors per tier. Default: 3.
    """
    heard = knn.all_heard(queries)
    for change in changes:
        token = int(corpus.offsets[change["doc"]]) + change["start"]
        found = knn.evidence(queries, heard, token, n=n)
        doc = corpus.docs[change["doc"]]
        change["words"] = [token.text for token in doc]
        change["spaces"] = [bool(token.whitespace_) for token in doc]
        change["evidence"] = [_around(asdict(evidence)) for evidence in found]


def _around(evidence: dict[str, Any]) -> dict[str, Any]:
    token = evidence["token"]
    first = max(0, token - _WORDS)
    part = slice(first, token + _WORDS + 1)
    words, spaces = evidence["words"][part], evidence["spaces"][part]
    return {**evidence, "words": words, "spaces": spaces, "token": token - first}


def distances(
    knn: KnnNer, corpus: Corpus, queries: Queries, near: Neighbors, store: Votes
) -> dict[str, Any]:
    """How near the neighbors are, and what share of them is `O`.

    knn (KnnNer), corpus (Corpus), queries (Queries): They are about.
    near (Neighbors): Of every key.
    store (Votes): The store's, per token.
    RETURNS (dict): For tokens inside and outside gold entities: quartiles of the
        distance of the nearest neighbor, the mean share of `O` among the k nearest
        (of those that were found, where every entry votes), and how often the most
        voted tag has the right label. `errors`: of the tokens that the tagger gives a
        wrong label, how many the neighbors alone give the same, and the right one.
    """
    is_outside = np.array([tag == OUTSIDE for tag in knn.tag_set.tags])
    shares = np.zeros(len(queries.p_ner))
    counts = np.bincount(queries.keys.tokens, minlength=len(shares))
    first = slice(0, knn.k)
    there = near.rows[:, first] >= 0
    outside = is_outside[near.tags[:, first]] & there
    per_key = outside.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    np.add.at(shares, queries.keys.tokens, per_key)
    has = (counts > 0) & ~corpus.silent
    shares[has] /= counts[has]
    labels = np.full(len(shares), -1)
    for start, end, label in zip(
        corpus.gold.starts, corpus.gold.ends, corpus.gold.labels, strict=True
    ):
        labels[start:end] = label
    names = [split_tag(tag)[1] for tag in queries.tag_set.tags]
    columns = np.array([corpus.labels.index(n) if n else -1 for n in names])
    voted = columns[store.p_knn.argmax(axis=1)]
    rows: dict[str, Any] = {}
    for title, chosen in [
        ("entity", has & (labels >= 0)),
        ("outside", has & (labels < 0)),
    ]:
        if chosen.any():
            quartiles = np.quantile(store.nearest[chosen], [0.25, 0.5, 0.75])
            rows[title] = {
                "tokens": int(chosen.sum()),
                "nearest": [float(q) for q in quartiles],
                "share_outside": float(shares[chosen].mean()),
                "label_right": float((voted == labels)[chosen].mean()),
            }
    tagger = columns[queries.p_ner.argmax(axis=1)]
    wrong = has & (tagger != labels)
    if wrong.any():
        rows["errors"] = {
            "tokens": int(wrong.sum()),
            "same": float((voted == tagger)[wrong].mean()),
            "right": float((voted == labels)[wrong].mean()),
        }
    return rows
