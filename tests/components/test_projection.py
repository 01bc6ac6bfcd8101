"""Keys after a projection that was fitted to the store: built, edited, saved, stale."""

import numpy as np
import pytest
import spacy
from util import TOK2VEC, add_knn, annotated, annotated_docs, initialized

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.ml.projection import fit_projection, project

WIDTH = 8


def pipeline(**settings):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    add_knn(nlp, keys={"projection": WIDTH, **settings}, k=3)
    return initialized(nlp)


def built(**settings):
    nlp = pipeline(**settings)
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    return nlp, knn


def test_keys_are_projections_of_the_encoders_vectors():
    nlp, knn = built()
    assert knn.datastore.width == WIDTH
    keys = knn.datastore.store.keys.array()
    vectors = np.concatenate([nlp(doc.text).tensor for doc in annotated_docs(nlp)])
    expected = project(vectors, knn.datastore.projection)
    np.testing.assert_allclose(keys, expected, atol=1e-5)
    assert np.linalg.norm(keys, axis=1).mean() == pytest.approx(1, abs=1e-4)
    ents = [(ent.text, ent.label_) for ent in nlp("Ada Lovelace lived in London").ents]
    assert ents == [("Ada Lovelace", "person"), ("London", "location")]


def test_building_twice_gives_the_same_keys():
    keys = [built()[1].datastore.store.keys.array() for _ in range(2)]
    np.testing.assert_array_equal(*keys)


def test_tokens_of_one_tag_come_closer():
    rng = np.random.default_rng(0)
    classes = np.arange(400) % 4
    vectors = rng.normal(size=(400, 40)) * 3  # noise, but for a few dimensions
    vectors[np.arange(400), classes] += 6
    vectors = vectors.astype(np.float32)
    keys = project(vectors, fit_projection(vectors, classes, width=8))

    def agreement(vectors):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -1)
        return (classes[similarity.argmax(1)] == classes).mean()

    assert agreement(keys) > agreement(vectors) + 0.1


@pytest.mark.parametrize("as_bytes", [False, True])
def test_the_projection_is_saved_with_its_keys(tmp_path, as_bytes):
    nlp, knn = built()
    if as_bytes:
        again = pipeline()
        again.from_bytes(nlp.to_bytes())
    else:
        nlp.to_disk(tmp_path)
        again = spacy.load(tmp_path)
    loaded = again.get_pipe("knn_ner")
    np.testing.assert_array_equal(loaded.datastore.projection, knn.datastore.projection)
    added = loaded.add(annotated(nlp.vocab, "Ada met Alan", [(0, 1, "person")]))
    assert added
    assert loaded.datastore.corrections.width == WIDTH


def test_corrections_are_projected_too_and_a_new_type_can_be_added():
    nlp, knn = built()
    doc = annotated(nlp.vocab, "Mars is far away", [(0, 1, "planet")])
    knn.add(doc)
    assert [(e.text, e.label_) for e in nlp("Mars is far away").ents] == [
        ("Mars", "planet")
    ]
    before = knn.datastore.corrections.keys.array().copy()
    knn.build(annotated_docs(nlp), show_progress=False)
    np.testing.assert_allclose(knn.datastore.corrections.keys.array(), before)
    assert knn.rebuild(show_progress=False) == len(annotated_docs(nlp)) + 1


@pytest.mark.parametrize("changed", [None, 4])
def test_another_width_needs_a_rebuild(changed):
    nlp, knn = built()
    knn.keys = {"projection": changed}
    with pytest.raises(KnnNerError, match=r"KNN-E044.*keys\.projection"):
        nlp("Ada Lovelace lived in London")
    knn.rebuild(show_progress=False)
    assert knn.datastore.width == (changed or 32)
    assert nlp("Ada Lovelace lived in London").ents


def test_without_a_store_there_is_nothing_to_fit():
    nlp = pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.add(annotated(nlp.vocab, "Mars is far away", [(0, 1, "planet")]))
    assert knn.datastore.projection is None
    assert nlp("Mars is far away").ents[0].label_ == "planet"


def test_a_store_without_two_equal_tags():
    nlp = pipeline()
    docs = [annotated(nlp.vocab, "Mars is far away", [(0, 1, "planet")])]
    with pytest.raises(KnnNerError, match="KNN-E089"):
        nlp.get_pipe("knn_ner").build(docs, show_progress=False)
    assert not len(nlp.get_pipe("knn_ner").datastore)


def test_vectors_of_another_width():
    with pytest.raises(KnnNerError, match="KNN-E034"):
        project(np.ones((2, 5)), np.ones((4, 2)))
