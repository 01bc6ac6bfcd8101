"""Why? What was said of every token, and by whom."""

import numpy as np
import pytest
from spacy.tokens import Doc
from util import annotated, configure, planted_pipeline, view

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
    docs = [annotated(nlp.vocab, "a b c", [])]
    nlp.get_pipe("knn_ner").build(docs, show_progress=False)
    return nlp


def doc_of(nlp, text):
    return nlp(Doc(nlp.vocab, words=text.split()))


def test_an_entity_that_neighbors_gave_up_is_explained(nlp):
    """b: 0.5 · 0.7 for B, and 0.4 · 0.7 + 0.3 for O."""
    doc = doc_of(nlp, "a b a")
    assert not doc.ents
    explanation = nlp.get_pipe("knn_ner").explain(doc)
    (entity,), (token,) = explanation.entities, explanation.tokens
    assert (entity.start, entity.end, entity.label) == (1, 2, "thing")
    assert entity.changed and not entity.predicted
    assert entity.score == pytest.approx(0.35)
    assert (token.base_tag, token.tag) == ("B-thing", "O")
    assert token.base == pytest.approx({"B-thing": 0.5, "O": 0.4, "I-thing": 0.1})
    assert token.store == {"O": 1.0}
    assert token.final["O"] == pytest.approx(0.58)
    assert (token.corrections, token.correction_weight, token.nearest) == ({}, 0.0, 0.0)
    assert [e.part for e in token.neighbors] == ["store"]


def test_an_entity_that_a_correction_made_is_explained(nlp):
    knn = nlp.get_pipe("knn_ner")
    (example,) = knn.add([annotated(nlp.vocab, "a", [(0, 1, "new")])], source="me")
    doc = doc_of(nlp, "a b a")
    explanation = knn.explain(doc)
    found = [entity for entity in explanation.entities if entity.predicted]
    assert [(e.start, e.end, e.label) for e in found] == [(0, 1, "new")]
    assert all(entity.changed for entity in found)
    token = explanation.tokens[0]
    # The store knows the same word at the same place as O; a correction counts as 16.
    assert token.corrections == pytest.approx({"B-new": 16 / 17, "O": 1 / 17})
    assert token.correction_weight == pytest.approx(0.9)
    assert token.final["B-new"] == pytest.approx(0.9 * 16 / 17)
    one, beside, near = token.neighbors
    assert (one.part, one.example_id, one.source) == ("corrections", example, "me")
    assert (beside.part, beside.same_words, beside.tag) == ("store", True, "O")
    assert (near.part, near.same_words, near.tag) == ("store", False, "O")
    assert [e.share for e in token.neighbors] == pytest.approx([16 / 17, 1 / 17, 1.0])


@pytest.mark.parametrize("mode", ["lossless", "all"])
def test_what_is_explained_is_what_was_found(built, mode):
    configure(built.get_pipe("knn_ner"), mode=mode)
    built.get_pipe("knn_ner").add([annotated(built.vocab, "Ada read", [(0, 1, "new")])])
    for doc in built.pipe(["Ada Lovelace lived in London", "Nobody met Ada", ""]):
        explained = built.get_pipe("knn_ner").explain(doc).entities
        found = [(e.start, e.end, e.label, e.score) for e in explained if e.predicted]
        expected = view(doc)
        assert [entity[:3] for entity in found] == [entity[:3] for entity in expected]
        scores = [entity[3] for entity in expected]
        assert [entity[3] for entity in found] == pytest.approx(scores)


def test_a_span_and_a_token_are_explained_with_the_entities_they_touch(nlp):
    doc = doc_of(nlp, "a b a")
    knn = nlp.get_pipe("knn_ner")
    of_span = knn.explain(doc[1:3])
    assert [token.text for token in of_span.tokens] == ["b", "a"]
    assert [entity.text for entity in of_span.entities] == ["b"]
    of_token = knn.explain(doc[0], n=1)
    assert [token.i for token in of_token.tokens] == [0]
    assert of_token.entities == []
    assert len(of_token.tokens[0].neighbors) == 1


def test_an_explanation_reads_as_text(nlp):
    doc = doc_of(nlp, "a b a")
    lines = nlp.get_pipe("knn_ner").explain(doc).text.splitlines()
    assert lines[0] == "b  thing  not predicted, because of neighbors"
    assert lines[2] == "b  O"
    assert lines[3].split() == [
        "base",
        "B-thing",
        "0.50,",
        "O",
        "0.40,",
        "I-thing",
        "0.10",
    ]
    assert lines[-1].split()[:5] == ["O", "distance", "0.000", "vote", "100%"]
    assert lines[-1].endswith("a [b] c ")
