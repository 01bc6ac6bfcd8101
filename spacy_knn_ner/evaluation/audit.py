"""Where neighbors contradict the annotation: mistakes of annotators, mostly, or of the
neighbors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from spacy.tokens import Doc

from ..datastore.datastore import STORE
from ..errors import Errors, KnnNerError
from ..pipeline.evidence import found_evidence
from ..pipeline.knn_ner import KnnNer
from ..pipeline.labelled import labelled_text
from ..pipeline.mixing import Queries
from ..tags import MISSING, SpanTuple
from ..ty import Evidence
from .changes import regions
from .encoded import encode
from .neighbors import Groups, find_neighbors, own_documents, store_votes
from .spans import Corpus
from .systems import System

_MANY = 1000  # neighbors that evidence is a share of, where every entry votes


@dataclass(frozen=True)
class Suspicion:
    """A place where the neighbors would have annotated something else.

    doc (int): The Doc.
    start, end (int): First token of the place, and the token after its last.
    words (list[str]), spaces (list[bool]): The Doc's, and where spaces follow.
    annotated (list[SpanTuple]): The entities that touch it: start, end, label.
    expected (list[SpanTuple]): What the neighbors say.
    score (float): How sure and how near they are, 0 to 1.
    token (int): The token that they contradict most.
    evidence (list[Evidence]): That token's neighbors, nearest first.
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
    evidence: list[Evidence]


def audit(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    n: int | None = 100,
    n_neighbors: int = 5,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> list[Suspicion]:
    """Rank the places where neighbors contradict the annotation.

    A token is suspicious by (p_kNN of what its neighbors say − p_kNN of its own tag) ·
    (1 − distance of the nearest), a place by the mean of its tokens that differ. Docs
    that are in the store are looked up without their own document.

    knn (KnnNer): With a store; the tagger's opinion is not asked.
    docs (Sequence[Doc]): With entities, such as those that the store was built from.
    n (int | None): How many places, at most; None: all. Default: 100.
    n_neighbors (int): As evidence. Default: 5.
    cache (str | Path | None): As for `encode`.
    show_progress (bool): Show progress bars. Default: False.
    RETURNS (list[Suspicion]): The most suspicious first.
    RAISES (KnnNerError): If the store is empty, or nobody annotated these Docs.
    """
    if not knn.datastore.size(STORE):
        raise KnnNerError(Errors.E051, name=knn.name)
    queries = encode(knn, docs, cache=cache, show_progress=show_progress)
    queries = queries.with_labels(_labels(docs))
    groups = own_documents(knn, docs, queries, all_known=False)
    store = store_votes(knn, queries, groups, show_progress=show_progress)
    corpus = Corpus(docs, queries.tag_set)
    gold = _gold(docs, queries, knn.name)
    # Whoever has no neighbors, or is not annotated, is contradicted by nobody.
    silent = ~store.p_knn.any(axis=1) | (gold == MISSING)
    p = np.where(silent[:, None], 0.0, store.p_knn)
    p[silent, gold[silent].clip(0)] = 1.0
    system = System(corpus, queries, p, "viterbi")
    tokens = np.arange(len(p))
    margins = p[tokens, system.ids] - p[tokens, gold.clip(0)]
    suspicion = margins * (1.0 - store.nearest.clip(0.0, 1.0))
    wrong = (system.ids != gold) & ~silent
    places = []
    for start, end in regions([system.spans, corpus.gold]):
        if wrong[start:end].any():
            differing = np.flatnonzero(wrong[start:end]) + start
            worst = int(differing[suspicion[differing].argmax()])
            places.append((float(suspicion[differing].mean()), start, end, worst))
    places.sort(key=lambda place: (-place[0], place[1]))
    places = places[:n]
    near = _evidence(knn, queries, groups, [worst for *_, worst in places], n_neighbors)
    return [
        _suspicion(corpus, system, place, evidence)
        for place, evidence in zip(places, near, strict=True)
    ]


def _labels(docs: Sequence[Doc]) -> list[str]:
    return sorted({ent.label_ for doc in docs for ent in doc.ents})


def _gold(docs: Sequence[Doc], queries: Queries, name: str) -> np.ndarray:
    """The annotated tags, shape (n_tokens,)."""
    texts = (labelled_text(doc, name) for doc in docs)
    return np.concatenate(
        [
            queries.tag_set.encode(len(text.words), text.entities, text.missing)
            for text in texts
        ]
    )


def _suspicion(
    corpus: Corpus,
    system: System,
    place: tuple[float, int, int, int],
    evidence: list[Evidence],
) -> Suspicion:
    score, start, end, worst = place
    i = int(corpus.doc_of[start])
    offset, doc = int(corpus.offsets[i]), corpus.docs[i]
    return Suspicion(
        doc=i,
        start=start - offset,
        end=end - offset,
        words=[token.text for token in doc],
        spaces=[bool(token.whitespace_) for token in doc],
        annotated=corpus.touching(corpus.gold, start, end),
        expected=corpus.touching(system.spans, start, end),
        score=score,
        token=worst - offset,
        evidence=evidence,
    )


def _evidence(
    knn: KnnNer, queries: Queries, groups: Groups, tokens: list[int], n: int
) -> list[list[Evidence]]:
    """The neighbors of some tokens, without those of their own documents."""
    asked = np.zeros(len(queries.p_ner), dtype=bool)
    asked[tokens] = True
    chosen = asked[queries.keys.tokens]
    few, of_few = queries.of(asked), (groups[0][chosen], groups[1])
    near = find_neighbors(knn, few, STORE, max(n, knn.k or _MANY), groups=of_few)
    found = []
    for token in tokens:
        mine = near.of(few.keys.tokens == token)
        mine = mine if knn.k is None else mine.first(knn.k)
        found.append(found_evidence(knn.datastore, mine, knn.temperature, n))
    return found
