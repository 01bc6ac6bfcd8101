"""Few-shot: corrections vote for other words in texts of their domain."""

import itertools

import numpy as np
import pytest
from util import annotated, configure, planted_pipeline

from spacy_knn_ner.corrections.other_words.domain import Sample, nearest
from spacy_knn_ner.corrections.other_words.transitions import (
    abstract_transitions,
    smoothed,
)
from spacy_knn_ner.datastore.distances import to_search_space
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.tags import TagSet

# News is about one direction, medicine about another; names differ in a third.
NEWS = [f"news{i}" for i in range(480)]
MEDICINE = ["patients", "with", "had", "severe", "symptoms", "cases", "of", "risk"]
DISEASES = ["flu", "measles", "asthma", "gout"]
TEXTS = [" ".join(NEWS[i : i + 6]) for i in range(0, 360, 6)]  # of the store
OTHERS = [" ".join(NEWS[i : i + 6]) for i in range(360, 480, 6)]


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
    n_tags = len(TagSet(settings.get("scheme", "BIO"), ("thing",)))
    outside = np.full(n_tags, 0.06 / (n_tags - 1))
    outside[0] = 0.94
    p_base = dict.fromkeys(words, outside)
    options = {"few_shot": 0.01, "transitions": 0.0, "k": 4, "temperature": 0.1}
    options |= settings
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
    with_asthma = " ".join([*NEWS[400:420], "asthma", *NEWS[420:440]])
    for text in [*TEXTS, *OTHERS, with_asthma]:
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


@pytest.mark.parametrize("votes", ["all", "nearest"])
def test_votes_are_those_of_the_formula(votes):
    nlp, knn = pipeline(correction_weight=0.8, few_shot_votes=votes)
    teach(nlp, knn)
    doc = nlp("patients had asthma")
    (prediction,) = knn.predict([doc])
    table = knn.datastore.corrections
    keys, tags = table.keys.array(), table.tags.array()
    query = vectors()["asthma"]
    cosine = keys @ query / np.linalg.norm(keys, axis=1) / np.linalg.norm(query)
    p_taught = np.zeros(len(knn.datastore.tag_set))
    for tag in set(tags):
        sizes = np.exp(-(1 - cosine[tags == tag]) / 0.1)
        every = sizes.sum() / np.sqrt((tags == tag).sum())
        p_taught[tag] = sizes.max() if votes == "nearest" else every
    p_taught /= p_taught.sum()
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
    keys, same = to_search_space(queries, metric), np.zeros(len(queries))
    assert np.isinf(nearest(keys, keys, metric, (same, same))).all()


def test_an_example_is_not_compared_with_itself():
    _, knn = pipeline()
    sample = Sample.draw(knn.datastore.store, "cosine")
    assert len(sample.of_texts) == sum(len(text.split()) for text in TEXTS)
    own = sample.distances(sample.texts[:3], np.full(3, -1))
    np.testing.assert_allclose(own, 0, atol=1e-6)  # with itself


@pytest.mark.parametrize("scheme", ["BIO", "BILUO"])
def test_transitions_are_counted_whatever_the_type(scheme):
    """Written out: three texts, with an entity of one token and two of two."""
    nlp, knn = pipeline(scheme=scheme)
    docs = [
        annotated(nlp.vocab, " ".join(NEWS[:4]), [(0, 2, "thing"), (3, 4, "place")]),
        annotated(nlp.vocab, " ".join(NEWS[:3]), [(1, 3, "place")]),
        annotated(nlp.vocab, NEWS[0], []),
    ]
    knn.build(docs, show_progress=False)
    found = abstract_transitions(knn.datastore)
    O, B, I, L, U, EDGE = range(6)  # noqa: E741
    if scheme == "BIO":  # B I O B, O B I, O
        expected = {
            (EDGE, B): 1 / 3, (EDGE, O): 2 / 3, (B, I): 2 / 3, (B, EDGE): 1 / 3,
            (I, O): 1 / 2, (I, EDGE): 1 / 2, (O, B): 2 / 3, (O, EDGE): 1 / 3,
        }  # fmt: skip
    else:  # B L O U, O B L, O
        expected = {
            (EDGE, B): 1 / 3, (EDGE, O): 2 / 3, (B, L): 1, (L, O): 1 / 2,
            (L, EDGE): 1 / 2, (O, U): 1 / 3, (O, B): 1 / 3, (O, EDGE): 1 / 3,
            (U, EDGE): 1,
        }  # fmt: skip
    matrix = np.zeros((6, 6))
    for pair, p in expected.items():
        matrix[pair] = p
    np.testing.assert_allclose(found, matrix)


def test_transitions_do_not_depend_on_entries_that_were_removed():
    """`spacy knn compress` removes most O."""
    nlp, knn = pipeline()
    docs = [annotated(nlp.vocab, text, [(1, 3, "thing")]) for text in TEXTS]
    knn.build(docs, show_progress=False)
    before = abstract_transitions(knn.datastore)
    store = knn.datastore.store
    keep = store.tags.array() != 0
    store.shrink(keep, np.ones(len(keep), dtype=np.uint16))
    np.testing.assert_array_equal(abstract_transitions(knn.datastore), before)


def test_smoothing_is_the_sum_over_sequences():
    tag_set = TagSet("BIO", ("thing",))
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=5)
    of_states = rng.dirichlet(np.ones(6), size=6)
    state, edge, exponent = [0, 1, 2], 5, 0.7  # O, B, I
    expected = np.zeros_like(p)
    for rows in (range(0, 3), range(3, 5)):
        weights = {}
        for tags in itertools.product(range(3), repeat=len(rows)):
            path = [edge, *(state[tag] for tag in tags), edge]
            steps = np.prod([of_states[a, b] for a, b in itertools.pairwise(path)])
            valid = tags[0] != 2 and (0, 2) not in itertools.pairwise(tags)
            votes = np.prod([p[row, tag] for row, tag in zip(rows, tags, strict=True)])
            weights[tags] = valid * votes * steps**exponent
        for tags, weight in weights.items():
            for row, tag in zip(rows, tags, strict=True):
                expected[row, tag] += weight / sum(weights.values())
    found = smoothed(p, [3, 2], tag_set, of_states, exponent)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_store_without_entities_tells_nothing_about_transitions():
    nlp, knn = pipeline(transitions=1.0)
    teach(nlp, knn)
    assert entities(nlp, "patients had asthma") == [("asthma", "illness")]


def test_a_share_that_is_not_valid():
    _, knn = pipeline()
    with pytest.raises(KnnNerError, match=r"KNN-E040.*few_shot\.share"):
        configure(knn, few_shot=1.5)
