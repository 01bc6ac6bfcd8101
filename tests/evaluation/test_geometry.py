"""How far entity types are apart: written out, and on a small pipeline."""

import numpy as np
import pytest
import spacy
from util import TOK2VEC, annotated, annotated_docs, initialized

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.geometry import (
    TypedVectors,
    entity_vectors,
    geometry,
    plane,
)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_silhouette_and_distances_written_out():
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(12, 3)))
    types = np.array(list("aaaabbbbbccd"))  # d has one token
    distance = 1 - vectors @ vectors.T
    values, within, between = [], [], []
    for i in range(12):
        others = [j for j in range(12) if j != i]
        own = [distance[i, j] for j in others if types[j] == types[i]]
        of_types = {
            t: np.mean([distance[i, j] for j in others if types[j] == t])
            for t in set(types) - {types[i]}
        }
        b = min(of_types.values())
        values.append((b - np.mean(own)) / max(b, np.mean(own)) if own else 0.0)
        within += own
        between += [distance[i, j] for j in others if types[j] != types[i]]
    found = geometry(TypedVectors(vectors, types))
    assert found["silhouette"] == pytest.approx(np.mean(values))
    assert found["within"] == pytest.approx(np.mean(within))
    assert found["between"] == pytest.approx(np.mean(between))
    assert found["types"] == {"a": 4, "b": 5, "c": 2, "d": 1}


def test_types_that_are_apart():
    vectors = unit(np.array([[1, 0.01], [1, -0.01], [0.01, 1], [-0.01, 1]]))
    found = geometry(TypedVectors(vectors, np.array(["a", "a", "b", "b"])))
    assert found["silhouette"] > 0.99
    assert found["within"] < 0.01 < 0.9 < found["between"]


def test_the_plane_keeps_what_differs_most():
    vectors = np.zeros((6, 5))
    vectors[:, 3] = np.arange(6) * 10
    vectors[:, 1] = [1, -1, 0, 0, -1, 1]
    points = plane(vectors)
    assert np.ptp(points[:, 0]) == pytest.approx(50, rel=0.01)
    assert np.ptp(points[:, 1]) == pytest.approx(2)
    assert plane(np.ones((3, 1))).shape == (3, 2)


def encoder_pipeline():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    return initialized(nlp)


def test_tokens_of_entities_are_encoded_as_keys():
    nlp = encoder_pipeline()
    docs = annotated_docs(nlp)
    typed = entity_vectors(nlp, docs)
    assert nlp.pipe_names == ["tok2vec"]
    expected = np.concatenate(
        [nlp(d.text).tensor[e.start : e.end] for d in docs for e in d.ents]
    )
    np.testing.assert_allclose(typed.vectors, unit(expected), atol=1e-5)
    assert set(typed.types) == {"person", "location"}


def test_one_type_is_compared_with_tokens_outside():
    nlp = encoder_pipeline()
    doc = annotated(nlp.vocab, "Ada met Alan in spring", [(0, 1, "p"), (2, 3, "p")])
    assert sorted(entity_vectors(nlp, [doc]).types) == ["O", "O", "p", "p"]


def test_a_corpus_without_entities():
    nlp = encoder_pipeline()
    with pytest.raises(KnnNerError, match="KNN-E090"):
        entity_vectors(nlp, [annotated(nlp.vocab, "They came", [])])


def test_a_disabled_component_serves_too():
    nlp = encoder_pipeline()
    nlp.add_pipe("knn_ner")
    nlp.disable_pipe("knn_ner")
    typed = entity_vectors(nlp, annotated_docs(nlp))
    assert nlp.component_names == ["tok2vec", "knn_ner"]
    assert len(typed.types)
