"""Changes: what neighbors fixed and what they broke, and how near they are."""

from dataclasses import asdict
from typing import Any

import numpy as np

from ..components.knn_ner import KnnNer
from ..inference.evidence import correction_evidence, store_evidence
from ..tags import OUTSIDE, split_tag
from ..types import Matches, Neighbors, TokenBatch, Votes
from .corpus import Corpus, Spans
from .metrics import SystemResult

FIXED, REGRESSED, OTHER = "fixed", "regressed", "still wrong"
_WORDS = 12  # shown to either side of a neighbor's token


def find_changes(
    before: SystemResult, after: SystemResult, corpus: Corpus
) -> list[dict[str, Any]]:
    """List where two systems predict different entities.

    Differing entities that overlap, in either system or in the gold annotation, are
    one change.

    before, after (SystemResult): On the same corpus.
    corpus (Corpus): The corpus.
    RETURNS (list[dict]): `doc`, `start`, `end` (tokens in the Doc), the entities
        `before`, `after` and `gold` in that range, and `verdict`: `"fixed"` (all
        correct after), `"regressed"` (all correct before) or `"still wrong"`.
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
    """Unite entities: ranges of tokens that do not overlap.

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
    before: SystemResult, after: SystemResult, corpus: Corpus, start: int, end: int
) -> dict[str, Any]:
    doc = int(corpus.doc_of[start])
    offset = int(corpus.offsets[doc])

    gold, was, now = (
        [list(span) for span in corpus.overlapping(spans, start, end)]
        for spans in (corpus.gold, before.spans, after.spans)
    )
    verdict = FIXED if now == gold else REGRESSED if was == gold else OTHER
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
    batch: TokenBatch,
    matches: Matches,
    *,
    n: int = 3,
) -> None:
    """Add words to changes, and the neighbors of their first token.

    changes (list[dict]): From `find_changes`; modified.
    knn (KnnNer), corpus (Corpus), batch (TokenBatch): Of the changes.
    matches (Matches): The corrections that apply to the corpus.
    n (int): Neighbors, at most so many of each kind. Default: 3.
    """
    keys = batch.keys
    for change in changes:
        token = int(corpus.offsets[change["doc"]]) + change["start"]
        vectors = keys.vectors[keys.tokens == token]
        found = [
            *correction_evidence(knn.datastore, matches, token, n),
            *store_evidence(knn.datastore, vectors, knn.settings, n),
        ]
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
    knn: KnnNer, corpus: Corpus, batch: TokenBatch, near: Neighbors, votes: Votes
) -> dict[str, Any]:
    """Describe how near neighbors are, and what share of them is `O`.

    knn (KnnNer), corpus (Corpus), batch (TokenBatch): The corpus.
    near (Neighbors): Of every key.
    votes (Votes): The store's, per token.
    RETURNS (dict): For tokens inside and outside gold entities: quartiles of the
        distance of the nearest neighbor, the mean share of `O` among the k nearest
        (of those that were found, where every entry votes), and how often the tag with
        most votes has the correct label. `errors`: of the tokens that the tagger gives
        a wrong label, how many the neighbors alone give the same, and the correct one.
    """
    is_outside = np.array([tag == OUTSIDE for tag in knn.datastore.tag_set.tags])
    shares = np.zeros(len(batch.p_base))
    counts = np.bincount(batch.keys.tokens, minlength=len(shares))
    first = slice(0, knn.k)
    valid = near.rows[:, first] >= 0
    outside = is_outside[near.tags[:, first]] & valid
    per_key = outside.sum(axis=1) / np.maximum(valid.sum(axis=1), 1)
    np.add.at(shares, batch.keys.tokens, per_key)
    has = (counts > 0) & ~corpus.unannotated
    shares[has] /= counts[has]
    labels, columns = _labels(corpus, batch)
    voted = columns[votes.p_knn.argmax(axis=1)]
    rows: dict[str, Any] = {}
    for title, chosen in [
        ("entity", has & (labels >= 0)),
        ("outside", has & (labels < 0)),
    ]:
        if chosen.any():
            quartiles = np.quantile(votes.nearest[chosen], [0.25, 0.5, 0.75])
            rows[title] = {
                "tokens": int(chosen.sum()),
                "nearest": [float(q) for q in quartiles],
                "share_outside": float(shares[chosen].mean()),
                "label_correct": float((voted == labels)[chosen].mean()),
            }
    errors = repeated_errors(corpus, batch, votes.p_knn, has)
    return {**rows, "errors": errors} if errors["tokens"] else rows


def repeated_errors(
    corpus: Corpus, batch: TokenBatch, p_knn: np.ndarray, chosen: np.ndarray
) -> dict[str, Any]:
    """Count the tokens that the tagger gives a wrong label, and how many of them the
    neighbors alone give the same label, and the correct one.

    corpus (Corpus), batch (TokenBatch): The corpus.
    p_knn (ndarray): The votes, shape (n_tokens, n_tags).
    chosen (ndarray): The tokens that count, shape (n_tokens,), bool.
    RETURNS (dict): `tokens`, and the shares `same` and `correct`, NaN without tokens.
    """
    labels, columns = _labels(corpus, batch)
    tagger = columns[batch.p_base.argmax(axis=1)]
    voted = columns[p_knn.argmax(axis=1)]
    wrong = chosen & (tagger != labels)
    n = int(wrong.sum())
    return {
        "tokens": n,
        "same": float((voted == tagger)[wrong].mean()) if n else np.nan,
        "correct": float((voted == labels)[wrong].mean()) if n else np.nan,
    }


def _labels(corpus: Corpus, batch: TokenBatch) -> tuple[np.ndarray, np.ndarray]:
    """The number of the gold label of each token, and of each tag; −1 outside."""
    gold, labels = corpus.gold, np.full(len(batch.p_base), -1)
    for start, end, label in zip(gold.starts, gold.ends, gold.labels, strict=True):
        labels[start:end] = label
    names = [split_tag(tag)[1] for tag in batch.tag_set.tags]
    return labels, np.array([corpus.labels.index(n) if n else -1 for n in names])
