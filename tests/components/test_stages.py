"""Two `knn_ner` in one pipeline: neighbors of two key spaces, each with votes."""

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span
from util import TEXTS, TOK2VEC, annotated, annotated_docs, initialized, tagger_model

from spacy_knn_ner.evaluation.report import evaluate
from spacy_knn_ner.inference.interpolation import interpolate
from spacy_knn_ner.reading import tagger_output
from spacy_knn_ner.reading.cache import encode

WEIGHTS = {"first": 0.3, "second": 0.4}
THREE = ("first", "mid", "second")


@Language.component("first_word_is_a_person", assigns=["doc.ents"])
def first_word_is_a_person(doc):
    doc.set_ents([Span(doc, 0, 1, label="person")] if len(doc) else [])
    return doc


def pipeline(names=("first", "second"), mode="lossless", tagger=True):
    """The second looks its neighbors up in a projection."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    if tagger:
        nlp.add_pipe("ner_tagger", config={"model": tagger_model(TOK2VEC)})
    else:
        nlp.add_pipe("first_word_is_a_person")
    for name in names:
        block = {
            "@knn_interpolations": "spacy_knn_ner.Constant.v1",
            "weight": WEIGHTS.get(name, 0.2),
        }
        keys = {"source": "tensor", "projection": 8 if name == "second" else None}
        config = {"interpolation": block, "keys": keys, "k": 4, "temperature": 0.3}
        config["lookup"] = {"mode": mode}
        nlp.add_pipe("knn_ner", name=name, config=config)
    initialized(nlp)
    for name in names:
        nlp.get_pipe(name).build(annotated_docs(nlp), show_progress=False)
    return nlp


def test_neighbors_of_both_are_mixed_with_their_own_weights():
    nlp = pipeline(mode="all")
    votes = {}
    for name in WEIGHTS:  # what the neighbors of each say alone
        alone = pipeline([name], mode="all")
        alone.get_pipe(name).set_settings(interpolation={"weight": 1.0})
        doc = alone("Grace Hopper lived in Paris")
        votes[name] = alone.get_pipe(name).predict([doc])[0].p
    doc = nlp("Grace Hopper lived in Paris")
    base = tagger_output.read(doc)["probabilities"].astype(np.float64)
    first = interpolate(base, votes["first"], WEIGHTS["first"])
    expected = interpolate(first, votes["second"], WEIGHTS["second"])
    (found,) = nlp.get_pipe("second").predict([doc])
    np.testing.assert_allclose(found.p_base, first, atol=1e-6)
    np.testing.assert_allclose(found.p, expected, atol=1e-6)


def test_the_gate_of_either_changes_no_entity():
    every, gated = pipeline(mode="all"), pipeline()
    for text in TEXTS:
        one, other = every(text), gated(text)
        assert [(e.text, e.label_) for e in one.ents] == [
            (e.text, e.label_) for e in other.ents
        ]
        for ent, same in zip(one.ents, other.ents, strict=True):
            assert ent._.knn_score == pytest.approx(same._.knn_score)


def test_scores_are_those_of_the_last_one():
    doc = pipeline()("Grace Hopper lived in Paris")
    assert list(doc.spans) == ["first", "second"]
    scores = [ent._.knn_score for ent in doc.ents]
    np.testing.assert_array_equal(scores, doc.spans["second"].attrs["scores"])


def test_explanations_are_of_their_own_neighbors():
    nlp = pipeline()
    doc = nlp("Grace Hopper lived in Paris")
    for name in WEIGHTS:
        explained = nlp.get_pipe(name).explain(doc[0])
        assert explained.tokens[0].neighbors


def test_without_the_first_the_second_starts_from_the_tagger():
    nlp = pipeline()
    with nlp.select_pipes(disable=["first"]):
        doc = nlp("Grace Hopper lived in Paris")
    alone = pipeline(["second"])("Grace Hopper lived in Paris")
    assert [e.text for e in doc.ents] == [e.text for e in alone.ents]
    (one,) = nlp.get_pipe("second").predict([doc])
    np.testing.assert_allclose(one.p_base, tagger_output.read(doc)["probabilities"])


def test_corrections_of_the_last_one_apply_and_all_is_saved(tmp_path):
    nlp = pipeline()
    text = "Grace Hopper lived in Mars"
    nlp.get_pipe("second").add(annotated(nlp.vocab, text, [(4, 5, "planet")]))
    assert [(e.text, e.label_) for e in nlp(text).ents] == [("Mars", "planet")]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    docs = list(again.pipe([text, *TEXTS], n_process=1))
    assert [(e.text, e.label_) for e in docs[0].ents] == [("Mars", "planet")]
    for doc, expected in zip(docs[1:], nlp.pipe(TEXTS), strict=True):
        assert [e.text for e in doc.ents] == [e.text for e in expected.ents]


def test_a_cached_corpus_depends_on_the_store_in_front(tmp_path):
    nlp = pipeline()
    second, docs = nlp.get_pipe("second"), annotated_docs(nlp)
    before = encode(second.reader, docs, cache=tmp_path).p_base
    np.testing.assert_array_equal(
        encode(second.reader, docs, cache=tmp_path).p_base, before
    )
    nlp.get_pipe("first").add(annotated(nlp.vocab, "Paris is lovely", [(0, 1, "ship")]))
    after = encode(second.reader, docs, cache=tmp_path).p_base
    assert after.shape != before.shape or not np.allclose(after, before)


def test_evaluation_starts_from_the_first():
    nlp = pipeline()
    docs = annotated_docs(nlp)
    reports = {
        name: evaluate(nlp.get_pipe(name), docs, resamples=10) for name in WEIGHTS
    }
    assert (
        reports["second"]["systems"]["tagger"]["f1"]
        == reports["first"]["systems"]["mixture"]["f1"]
    )


def test_without_a_tagger_each_explains_its_own_base_and_running_again_is_the_same():
    nlp = pipeline(tagger=False)
    text = "Grace Hopper lived in Paris"
    alone = pipeline(["first"], tagger=False)
    doc = nlp(text)
    expected = alone.get_pipe("first").explain(alone(text)[0]).tokens[0].base
    found = nlp.get_pipe("first").explain(doc[0]).tokens[0].base
    assert found == expected
    ents = [(ent.text, ent.label_) for ent in doc.ents]
    for _ in range(3):
        for name in ("first", "second"):
            doc = nlp.get_pipe(name)(doc)
        assert [(ent.text, ent.label_) for ent in doc.ents] == ents


def test_a_disabled_stage_between_two_others_is_passed_over():
    nlp = pipeline(THREE)
    two = pipeline()
    with nlp.select_pipes(disable=["mid"]):
        doc = nlp("Grace Hopper lived in Paris")
        (found,) = nlp.get_pipe("second").predict([doc])
    (expected,) = two.get_pipe("second").predict([two("Grace Hopper lived in Paris")])
    np.testing.assert_allclose(found.p, expected.p)
