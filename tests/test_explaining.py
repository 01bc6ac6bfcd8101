"""Why? What was said of every token, and by whom."""

import numpy as np
import pytest
from conftest import labelled, planted_pipeline, view
from spacy.tokens import Doc

WORDS = ["a", "b", "c"]
BASE = {
    "a": np.array([0.8, 0.1, 0.1]),  # O, B, I
    "b": np.array([0.4, 0.5, 0.1]),
    "c": np.array([0.45, 0.1, 0.45]),
}


@pytest.fixture
def nlp():
    vectors = dict(zip(WORDS, np.eye(3), strict=True))
    nlp = planted_pipeline(vectors, BASE, k=1, weight=0.3)
    docs = [labelled(nlp.vocab, "a b c", [])]
    nlp.get_pipe("knn_ner").build(docs, show_progress=False)
    return nlp


def doc_of(nlp, text):
    return nlp(Doc(nlp.vocab, words=text.split()))


def test_an_entity_that_neighbors_gave_up_is_explained(nlp):
    """b: 0.5 · 0.7 for B, and 0.4 · 0.7 + 0.3 for O."""
    doc = doc_of(nlp, "a b a")
    assert not doc.ents
    (entity,) = nlp.get_pipe("knn_ner").explain(doc)
    assert (entity.start, entity.end, entity.label) == (1, 2, "thing")
    assert entity.changed and not entity.found
    assert entity.score == pytest.approx(0.35)
    (token,) = entity.tokens
    assert (token.tag_before, token.tag) == ("B-thing", "O")
    assert token.base == pytest.approx({"B-thing": 0.5, "O": 0.4, "I-thing": 0.1})
    assert token.store == {"O": 1.0}
    assert token.final["O"] == pytest.approx(0.58)
    assert (token.corrections, token.trust, token.nearest) == ({}, 0.0, 0.0)
    assert [e.tier for e in token.neighbors] == ["store"]


def test_an_entity_that_a_correction_made_is_explained(nlp):
    knn = nlp.get_pipe("knn_ner")
    (example,) = knn.add([labelled(nlp.vocab, "a", [(0, 1, "new")])], source="me")
    doc = doc_of(nlp, "a b a")
    found = [entity for entity in knn.explain(doc) if entity.found]
    assert [(e.start, e.end, e.label) for e in found] == [(0, 1, "new"), (2, 3, "new")]
    assert all(entity.changed for entity in found)
    (token,) = found[0].tokens
    # The store knows the same word at the same place as O; a correction counts as 16.
    assert token.corrections == pytest.approx({"B-new": 16 / 17, "O": 1 / 17})
    assert token.trust == pytest.approx(0.9)
    assert token.final["B-new"] == pytest.approx(0.9 * 16 / 17)
    one, beside, near = token.neighbors
    assert (one.tier, one.example_id, one.source) == ("corrections", example, "me")
    assert (beside.tier, beside.same_words, beside.tag) == ("store", True, "O")
    assert (near.tier, near.same_words, near.tag) == ("store", False, "O")
    assert [e.share for e in token.neighbors] == pytest.approx([16 / 17, 1 / 17, 1.0])


@pytest.mark.parametrize("gate", ["lossless", None])
def test_what_is_explained_is_what_was_found(built, gate):
    built.get_pipe("knn_ner").gate = gate
    built.get_pipe("knn_ner").add([labelled(built.vocab, "Ada read", [(0, 1, "new")])])
    for doc in built.pipe(["Ada Lovelace lived in London", "Nobody met Ada", ""]):
        explained = built.get_pipe("knn_ner").explain(doc)
        found = [(e.start, e.end, e.label, e.score) for e in explained if e.found]
        expected = view(doc)
        assert [entity[:3] for entity in found] == [entity[:3] for entity in expected]
        scores = [entity[3] for entity in expected]
        assert [entity[3] for entity in found] == pytest.approx(scores)


def test_a_span_can_be_asked_for_its_evidence(nlp):
    doc = doc_of(nlp, "a b a")
    knn = nlp.get_pipe("knn_ner")
    assert doc[1:3]._.knn_evidence(knn) == knn.explain_tokens(doc, [1, 2])
    assert len(doc[0:1]._.knn_evidence(knn, n=1)[0].neighbors) == 1


def test_any_token_can_be_asked_about(nlp):
    knn = nlp.get_pipe("knn_ner")
    tokens = knn.explain_tokens(doc_of(nlp, "a b c"), [2, -3], n=1)
    assert [token.text for token in tokens] == ["c", "a"]
    assert tokens[0].final["O"] == pytest.approx(0.7 * 0.45 + 0.3)
