"""Audit: where neighbors contradict the annotation, which is mostly an annotation
error."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from spacy.tokens import Doc

from ..components.knn_ner import KnnNer
from ..inference.decoding import decode
from ..inference.evidence import NeighborEvidence, neighbor_evidence
from ..reading.annotations import annotated_text
from ..tags import MISSING, SpanTuple
from ..types import TokenBatch
from .changes import regions
from .corpus import Corpus
from .leave_one_out import (
    Groups,
    encode_corpus,
    find_neighbors,
    own_documents,
    store_votes,
)
from .metrics import SystemResult

_MANY = 1000  # neighbors that evidence is a share of, where every entry votes


@dataclass(frozen=True)
class LabelIssue:
    """A range of tokens where neighbors contradict the annotation.

    doc (int): The Doc.
    start, end (int): First token of the range, and the token after its last.
    words (list[str]), spaces (list[bool]): The Doc's, and where spaces follow.
    annotated (list[SpanTuple]): The entities that overlap it: start, end, label.
    expected (list[SpanTuple]): Those that the neighbors vote for.
    score (float): From 0 to 1, by how clear the vote is and how near they are.
    token (int): The token whose annotation they contradict most.
    evidence (list[NeighborEvidence]): That token's neighbors, nearest first.
    """

    doc: int
    start: int
    end: int
    words: list[str]
    spaces: list[bool]
    annotated: list[SpanTuple]
    expected: list[SpanTuple]
    score: float
    token: int
    evidence: list[NeighborEvidence]


def audit(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    n: int | None = 100,
    n_neighbors: int = 5,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> list[LabelIssue]:
    """Rank the ranges of tokens where neighbors contradict the annotation.

    The score of a token is (p_kNN of the tag its neighbors vote for − p_kNN of its own
    tag) · (1 − distance of the nearest), that of a range the mean of its tokens that
    differ. Docs
    that are in the store are looked up without their own document.

    knn (KnnNer): With a store; the tagger does not count.
    docs (Sequence[Doc]): With entities, such as those that the store was built from.
    n (int | None): At most so many; None: all. Default: 100.
    n_neighbors (int): As evidence. Default: 5.
    cache (str | Path | None): As for `encode`.
    show_progress (bool): Show progress bars. Default: False.
    RETURNS (list[LabelIssue]): The highest score first.
    RAISES (KnnNerError): If the store is empty, or the Docs are not annotated.
    """
    batch = encode_corpus(knn, docs, cache=cache, show_progress=show_progress)
    batch = batch.with_labels(_labels(docs))
    groups = own_documents(knn, docs, batch, all_known=False)
    votes = store_votes(knn, batch, groups, show_progress=show_progress)
    corpus = Corpus(docs, batch.tag_set)
    gold = _gold(docs, batch, knn.name)
    # Where there are no neighbors or no annotation, nothing is contradicted.
    skipped = ~votes.p_knn.any(axis=1) | (gold == MISSING)
    p = np.where(skipped[:, None], 0.0, votes.p_knn)
    p[skipped, gold[skipped].clip(0)] = 1.0
    tags = decode(p, batch.tag_set, lengths=batch.lengths)
    system = SystemResult(corpus, batch, tags, p)
    tokens = np.arange(len(p))
    margins = p[tokens, system.tags] - p[tokens, gold.clip(0)]
    scores = margins * (1.0 - votes.nearest.clip(0.0, 1.0))
    wrong = (system.tags != gold) & ~skipped
    ranges = []
    for start, end in regions([system.spans, corpus.gold]):
        if wrong[start:end].any():
            differing = np.flatnonzero(wrong[start:end]) + start
            worst = int(differing[scores[differing].argmax()])
            ranges.append((float(scores[differing].mean()), start, end, worst))
    ranges.sort(key=lambda item: (-item[0], item[1]))
    ranges = ranges[:n]
    near = _evidence(knn, batch, groups, [worst for *_, worst in ranges], n_neighbors)
    return [
        _issue(corpus, system, item, evidence)
        for item, evidence in zip(ranges, near, strict=True)
    ]


def _labels(docs: Sequence[Doc]) -> list[str]:
    return sorted({ent.label_ for doc in docs for ent in doc.ents})


def _gold(docs: Sequence[Doc], batch: TokenBatch, name: str) -> np.ndarray:
    """The annotated tags, shape (n_tokens,)."""
    texts = (annotated_text(doc, name) for doc in docs)
    return np.concatenate(
        [
            batch.tag_set.encode(len(text.words), text.entities, text.missing)
            for text in texts
        ]
    )


def _issue(
    corpus: Corpus,
    system: SystemResult,
    item: tuple[float, int, int, int],
    evidence: list[NeighborEvidence],
) -> LabelIssue:
    score, start, end, worst = item
    i = int(corpus.doc_of[start])
    offset, doc = int(corpus.offsets[i]), corpus.docs[i]
    return LabelIssue(
        doc=i,
        start=start - offset,
        end=end - offset,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        annotated=corpus.overlapping(corpus.gold, start, end),
        expected=corpus.overlapping(system.spans, start, end),
        score=score,
        token=worst - offset,
        evidence=evidence,
    )


def _evidence(
    knn: KnnNer, batch: TokenBatch, groups: Groups, tokens: list[int], n: int
) -> list[list[NeighborEvidence]]:
    """The neighbors of some tokens, without those of their own documents."""
    mask = np.zeros(len(batch), dtype=bool)
    mask[tokens] = True
    few = batch.of_tokens(mask)
    of_few = groups[0][mask[batch.keys.tokens]], groups[1]
    near = find_neighbors(knn, few, max(n, knn.k or _MANY), groups=of_few)
    found = []
    for token in tokens:
        own = near.of_queries(few.keys.tokens == token)
        own = own if knn.k is None else own.truncate(knn.k)
        found.append(neighbor_evidence(knn.datastore, own, knn.temperature, n))
    return found
