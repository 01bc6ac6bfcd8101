"""Few-shot: corrections vote for other words in texts of their domain."""

import numpy as np
import pytest
from util import annotated, configure, planted_pipeline

from spacy_knn_ner.corrections.other_words.domain import Sample, nearest
from spacy_knn_ner.datastore.distances import to_search_space
from spacy_knn_ner.errors import KnnNerError

OUTSIDE = np.array([0.94, 0.03, 0.03])
# News is about one direction, medicine about another; names differ in a third.
NEWS = ["the", "market", "in", "fell", "again", "shares", "rose", "today"]
MEDICINE = ["patients", "with", "had", "severe", "symptoms", "cases", "of", "risk"]
DISEASES = ["flu", "measles", "asthma", "gout"]
TEXTS = [" ".join(np.roll(NEWS, i)[:5]) for i in range(8)] * 5


def vectors():
    rng = np.random.default_rng(0)
    found = {}
    for words, direction in ((NEWS, 0), (MEDICINE, 1), (DISEASES, 1)):
        for word in words:
            vector = 0.15 * rng.normal(size=8)
            vector[direction] += 1
            vector[2] += 1.0 * (words is DISEASES)
            found[word] = vector.astype(np.float32)
    return found


def pipeline(**settings):
    words = [*NEWS, *MEDICINE, *DISEASES]
    p_base = dict.fromkeys(words, OUTSIDE)
    options = {"few_shot": 0.01, "k": 4, "temperature": 0.1, **settings}
    nlp = planted_pipeline(vectors(), p_base, **options)
    knn = nlp.get_pipe("knn_ner")
    docs = [annotated(nlp.vocab, text, []) for text in TEXTS]
    knn.build(docs, show_progress=False)
    return nlp, knn


def teach(nlp, knn):
    return knn.add(
        [
            annotated(nlp.vocab, "patients with flu had symptoms", [(2, 3, "illness")]),
            annotated(nlp.vocab, "severe cases of measles", [(3, 4, "illness")]),
        ]
    )


def entities(nlp, text):
    return [(ent.text, ent.label_) for ent in nlp(text).ents]


def test_a_new_type_is_found_in_other_words():
    nlp, knn = pipeline()
    teach(nlp, knn)
    assert entities(nlp, "patients had asthma with gout") == [
        ("asthma", "illness"),
        ("gout", "illness"),
    ]
    explained = knn.explain(nlp("patients had asthma")[2])
    assert explained.tokens[0].neighbors


@pytest.mark.parametrize("settings", [{"few_shot": 0.0}, {"correction_weight": 0.0}])
def test_not_without_it(settings):
    nlp, knn = pipeline(**settings)
    teach(nlp, knn)
    assert entities(nlp, "patients had asthma") == []


def test_texts_of_the_store_stay_as_they_are():
    """Though a word of another domain stands in them."""
    nlp, knn = pipeline()
    teach(nlp, knn)
    for text in [*TEXTS[:8], "the market fell again in asthma today shares rose"]:
        assert entities(nlp, text) == []


def test_without_a_store_no_domain_can_be_told():
    nlp, knn = pipeline()
    knn.build([], show_progress=False)
    teach(nlp, knn)
    assert entities(nlp, "patients had asthma") == []


def test_what_is_forgotten_does_not_vote():
    nlp, knn = pipeline()
    knn.forget(teach(nlp, knn))
    assert entities(nlp, "patients had asthma") == []
    teach(nlp, knn)
    assert entities(nlp, "patients had asthma") == [("asthma", "illness")]


def test_votes_are_those_of_the_formula():
    nlp, knn = pipeline(correction_weight=0.8)
    teach(nlp, knn)
    doc = nlp("patients had asthma")
    (prediction,) = knn.predict([doc])
    table = knn.datastore.corrections
    keys, tags = table.keys.array(), table.tags.array()
    query = vectors()["asthma"]
    cosine = keys @ query / np.linalg.norm(keys, axis=1) / np.linalg.norm(query)
    votes = np.zeros(len(knn.datastore.tag_set))
    for similarity, tag in zip(cosine, tags, strict=True):
        votes[tag] += np.exp(-(1 - similarity) / 0.1) / np.sqrt((tags == tag).sum())
    p_taught = votes / votes.sum()
    columns = knn.datastore.tag_set.columns_in(prediction.tag_set)
    share = prediction.p[2, columns] - 0.2 * _base(knn, prediction)[columns]
    np.testing.assert_allclose(share / 0.8, p_taught, atol=1e-6)


def _base(knn, prediction):
    """p_base of the last token, mixed with the store, which has only O."""
    weight = knn.interpolation.weight
    base = (1 - weight) * prediction.p_base[2]
    base[0] += weight
    return base


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_distances_of_the_domain_are_those_of_the_metric(metric):
    _, knn = pipeline(metric=metric)
    store = knn.datastore.store
    sample = Sample.draw(store, metric)
    queries = np.array(list(vectors().values()))
    found = sample.distances(to_search_space(queries, metric))
    expected = store.search(queries, 1, metric=metric).distances[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    keys = to_search_space(queries, metric)
    every = np.ones((len(keys), len(keys)), dtype=bool)
    assert np.isinf(nearest(keys, keys, metric, every)).all()


def test_an_example_is_not_compared_with_itself():
    _, knn = pipeline()
    sample = Sample.draw(knn.datastore.store, "cosine")
    assert len(sample.of_texts) == sum(len(text.split()) for text in TEXTS)
    own = sample.distances(sample.texts[:3], np.full(3, -1))
    np.testing.assert_allclose(own, 0, atol=1e-6)  # with itself


def test_a_share_that_is_not_valid():
    _, knn = pipeline()
    with pytest.raises(KnnNerError, match="KNN-E040"):
        configure(knn, few_shot=1.5)
