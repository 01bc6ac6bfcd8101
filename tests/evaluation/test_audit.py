"""Annotation that neighbors contradict."""

import numpy as np
import pytest
from util import annotated, noisy_pipeline, planted_pipeline

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.audit import audit
from spacy_knn_ner.evaluation.leave_one_out import find_neighbors

# "a" and "A" are near each other, as are "o" and "O"; p_base is uniform.
VECTORS = {"a": [1.0, 0.0], "A": [0.96, 0.28], "o": [0.0, 1.0], "O": [0.28, 0.96]}
UNSURE = np.array([0.4, 0.3, 0.3])
THING = "thing"


def pipeline(docs, **settings):
    vectors = {word: np.array(vector) for word, vector in VECTORS.items()}
    p_base = dict.fromkeys(vectors, UNSURE)
    settings = {"k": 3, "temperature": 1.0, **settings}
    nlp = planted_pipeline(vectors, p_base, **settings)
    made = [annotated(nlp.vocab, *doc) for doc in docs]
    nlp.get_pipe("knn_ner").build(made, show_progress=False)
    return nlp.get_pipe("knn_ner"), made


RIGHT = [("a o", [(0, 1, THING)]), ("A O", [(0, 1, THING)]), ("A o", [(0, 1, THING)])]
MISSED = ("a O", [])
WRONG = ("o A", [(0, 1, THING), (1, 2, THING)])


def places(found):
    return [(s.doc, s.start, s.end, s.annotated, s.expected) for s in found]


def test_what_the_annotator_missed_and_what_is_none_is_found():
    knn, docs = pipeline([*RIGHT, MISSED, WRONG])
    found = audit(knn, docs)
    assert sorted(places(found)) == [
        (3, 0, 1, [], [(0, 1, THING)]),
        (4, 0, 1, [(0, 1, THING)], []),
    ]
    assert found[0].score >= found[1].score > 0


def test_nothing_is_found_where_all_agree():
    knn, docs = pipeline(RIGHT)
    assert audit(knn, docs) == []


@pytest.mark.parametrize("k", [1, 3, None])
def test_the_score_is_the_lead_of_the_neighbors_times_their_nearness(k):
    """Each token by the equation, over entries of other Docs."""
    knn, docs = pipeline([*RIGHT, MISSED, WRONG], k=k)
    tags = {0: [1, 0], 1: [1, 0], 2: [1, 0], 3: [0, 0], 4: [1, 1]}  # O, B
    texts = [doc.text.split() for doc in docs]
    for suspicion in audit(knn, docs):
        query = np.array(VECTORS[texts[suspicion.doc][suspicion.token]])
        others = sorted(
            (1 - query @ np.array(VECTORS[word]), tags[i][j])
            for i, words in enumerate(texts)
            for j, word in enumerate(words)
            if i != suspicion.doc
        )
        near = others[:k]
        votes = [sum(np.exp(-d) for d, tag in near if tag == t) for t in (0, 1)]
        p = np.array(votes) / sum(votes)
        own = tags[suspicion.doc][suspicion.token]
        expected = (p[1 - own] - p[own]) * (1 - near[0][0])
        assert suspicion.score == pytest.approx(expected, abs=1e-6)
        shares = [evidence.share for evidence in suspicion.evidence]
        assert shares == sorted(shares, reverse=True)
        distances = [evidence.distance for evidence in suspicion.evidence]
        assert distances == pytest.approx([d for d, _ in others[: len(distances)]])


def test_evidence_is_never_from_the_same_text():
    knn, docs = pipeline([*RIGHT, MISSED, WRONG])
    for suspicion in audit(knn, docs):
        assert suspicion.evidence
        assert all(e.words != suspicion.words for e in suspicion.evidence)


def test_annotation_may_have_changed_since_the_store_was_built():
    """What was annotated then does not speak for itself."""
    knn, docs = pipeline([*RIGHT, MISSED])
    changed = annotated(docs[0].vocab, "a O", [(1, 2, THING)])
    found = audit(knn, [changed])
    expected = [(0, 0, 1, [], [(0, 1, THING)]), (0, 1, 2, [(1, 2, THING)], [])]
    assert sorted(places(found)) == expected


def test_each_of_two_equal_texts_is_audited_by_the_other():
    """Whatever the order, and also if only one of them is audited."""
    twice = [("a o", [(0, 1, THING)]), ("a o", [])]
    for order in ([0, 1], [1, 0]):
        knn, docs = pipeline(twice, k=1)
        found = audit(knn, [docs[i] for i in order])
        assert {(s.doc, s.start) for s in found} == {(0, 0), (1, 0)}
    for i in (0, 1):
        assert len(audit(knn, [docs[i]])) == 1


def test_docs_that_are_not_in_the_store_are_audited_too():
    knn, docs = pipeline(RIGHT)
    found = audit(knn, [annotated(docs[0].vocab, *MISSED)])
    assert places(found) == [(0, 0, 1, [], [(0, 1, THING)])]


def test_labels_that_the_store_does_not_know_are_suspicious():
    knn, docs = pipeline(RIGHT)
    (found,) = audit(knn, [annotated(docs[0].vocab, "a O", [(0, 1, "other")])])
    assert found.annotated == [(0, 1, "other")]
    assert found.expected == [(0, 1, THING)]


def test_what_is_not_annotated_is_not_suspicious():
    knn, docs = pipeline(RIGHT)
    partial = annotated(docs[0].vocab, "a O", [(1, 2, THING)], default="missing")
    assert places(audit(knn, [partial])) == [(0, 1, 2, [(1, 2, THING)], [])]


def test_the_worst_come_first_and_no_more_than_n():
    nlp, train, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    every = audit(knn, [*train, *dev], n=None)
    scores = [suspicion.score for suspicion in every]
    assert len(every) > 3 and scores == sorted(scores, reverse=True)
    assert audit(knn, [*train, *dev], n=3) == every[:3]


def test_an_empty_store_and_unannotated_docs_are_refused():
    knn, docs = pipeline(RIGHT)
    with pytest.raises(KnnNerError, match="E067"):
        audit(knn, [annotated(docs[0].vocab, "a o", [], default="missing")])
    knn.forget(knn.datastore.examples.ids())
    with pytest.raises(KnnNerError, match="E051"):
        audit(knn, docs)


def test_who_is_surrounded_by_own_entries_looks_further(monkeypatch):
    """As far as to the end of the store."""
    monkeypatch.setattr("spacy_knn_ner.evaluation.leave_one_out._AHEAD", 1)
    nlp, train, _ = noisy_pipeline(k=4)
    knn = nlp.get_pipe("knn_ner")
    batch = knn.reader.read(list(nlp.pipe(doc.text for doc in train)))
    of_row = np.zeros(60, dtype=np.int64)
    of_row[[7, 23, 59]] = 1
    groups = (np.zeros(60, dtype=np.int64), of_row)
    found = find_neighbors(knn, batch, 4, groups=groups)
    rows = np.sort(found.rows, axis=1)
    assert (rows == [-1, 7, 23, 59]).all()
    every = find_neighbors(knn, batch, 60)
    for i, row in enumerate(every.rows):
        expected = [r for r in row if r in (7, 23, 59)]
        assert found.rows[i, :3].tolist() == expected
