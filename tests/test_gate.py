"""The gate saves searches, and nothing else: no tag, no score comes out otherwise."""

import logging

import numpy as np
import pytest
from conftest import labelled_docs, planted_pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_knn_ner.datastore import kernel
from spacy_knn_ner.datastore.tier import Tier
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.pipeline.gate import gated, tokens_to_ask
from spacy_knn_ner.pipeline.mixing import Queries
from spacy_knn_ner.pipeline.settings import Settings
from spacy_knn_ner.tags import TagSet, log_probabilities
from spacy_knn_ner.ty import TokenKeys, Votes

WORDS = [f"w{i}" for i in range(12)]
NO_CORRECTIONS = Votes(np.zeros((3, 3)), np.full(3, np.inf))


@given(seed=st.integers(0, 2**32 - 1), weight=st.floats(0, 1), n_tags=st.integers(1, 6))
def test_what_the_gate_passes_over_no_vote_can_change(seed, weight, n_tags):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_tags, 0.2), size=20)
    known = (1 - weight) * p
    passed = ~kernel.can_change(known, np.full(20, weight))
    for tag in range(n_tags):  # the strongest vote there is: all for one tag
        vote = np.eye(n_tags)[[tag] * 20]
        mixed = kernel.interpolate(p, vote, weight)
        assert (mixed.argmax(1) == p.argmax(1))[passed].all()


@given(seed=st.integers(0, 2**32 - 1), weight=st.floats(0, 1), n_tags=st.integers(2, 6))
def test_leaving_the_best_tag_costs_at_least_so_much(seed, weight, n_tags):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_tags, 0.2), size=20)
    least = kernel.least_loss((1 - weight) * p, np.full(20, weight))
    best = p.argmax(axis=1)
    for tag in range(n_tags):
        mixed = kernel.interpolate(p, np.eye(n_tags)[[tag] * 20], weight)
        logs = log_probabilities(mixed)
        losses = logs[np.arange(20), best][:, None] - logs
        losses[np.arange(20), best] = np.inf
        assert (losses.min(axis=1) >= least).all()


def test_the_gate_passes_over_whatever_it_may():
    """Just beyond weight / (1 − weight) nobody is asked, and at it somebody is."""
    weight = 0.3
    margins = np.array([3 / 7 - 1e-6, 3 / 7, 3 / 7 + 1e-6])
    p = np.stack([(1 + margins) / 2, (1 - margins) / 2, np.zeros(3)], axis=1)
    asked = tokens_to_ask(p, NO_CORRECTIONS, Settings(weight=weight))
    assert asked.tolist() == [True, True, False]


def test_tokens_of_entities_are_asked_for_their_scores():
    p = np.array([[0.98, 0.02, 0.0], [0.01, 0.99, 0.0], [0.5, 0.5, 0.0]])
    asked = tokens_to_ask(p, NO_CORRECTIONS, Settings())
    assert asked.tolist() == [False, True, True]
    asked = tokens_to_ask(p, NO_CORRECTIONS, Settings(scores=False))
    assert asked.tolist() == [False, False, True]


def test_a_number_is_the_lead_from_which_nobody_is_asked():
    p = np.array([[0.7, 0.3, 0.0], [0.65, 0.35, 0.0], [0.6, 0.4, 0.0]])
    for gate, expected in {0.35: [False, True, True], 0.1: [False] * 3}.items():
        asked = tokens_to_ask(p, NO_CORRECTIONS, Settings(gate=gate))
        assert asked.tolist() == expected
    assert tokens_to_ask(p, NO_CORRECTIONS, Settings(gate=None)).all()


def test_a_number_counts_with_the_corrections():
    """Together they make an entity of what the tagger calls O: it needs its score."""
    corrections = Votes(np.array([[0.0, 1.0, 0.0]]), np.array([0.0]))
    p = np.array([[1.0, 0.0, 0.0]])
    how = Settings(gate=0.05, correction_weight=0.55, weight=0.3)
    assert tokens_to_ask(p, corrections, how).tolist() == [True]
    off = Settings(gate=0.05, correction_weight=0.55, weight=0.3, scores=False)
    assert tokens_to_ask(p, corrections, off).tolist() == [False]


@pytest.mark.parametrize("gate", ["lossy", -0.1, 1.1, float("nan"), True])
def test_impossible_gates_are_refused(gate):
    with pytest.raises(KnnNerError, match=r"KNN-E040.*gate"):
        Settings().replace("knn_ner", gate=gate)


def random_docs(nlp, rng, n):
    """Labelled Docs of random words, some with entities only."""
    docs = []
    for _ in range(n):
        doc = Doc(nlp.vocab, words=rng.choice(WORDS, size=rng.integers(1, 8)).tolist())
        starts = np.flatnonzero(rng.random(len(doc)) < 0.3)
        labels = rng.choice(["thing", "new"], size=len(starts))
        spans = [
            Span(doc, i, i + 1, label=label)
            for i, label in zip(starts.tolist(), labels.tolist(), strict=True)
        ]
        missing = bool(spans) and rng.random() < 0.25
        doc.set_ents(spans, default="missing" if missing else "outside")
        docs.append(doc)
    return docs


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([1, 3, None]),
    weight=st.sampled_from([0.0, 0.1, 0.3, 0.49, 0.5, 0.8, 1.0]),
    decoding=st.sampled_from(["viterbi", "argmax"]),
    scheme=st.sampled_from(["BIO", "BILUO"]),
    scores=st.booleans(),
    corrected=st.booleans(),
)
def test_nothing_comes_out_otherwise(
    seed, k, weight, decoding, scheme, scores, corrected
):
    rng = np.random.default_rng(seed)
    nlp = planted_pipeline({}, {}, scheme=scheme)
    planted, knn = nlp.get_pipe("planted"), nlp.get_pipe("knn_ner")
    n_tags = len(planted.tag_set)
    planted.vectors = {word: rng.normal(size=4) for word in WORDS}
    planted.p_ner = {w: rng.dirichlet(np.full(n_tags, 0.3)) for w in WORDS}
    knn.set_settings(k=k, weight=weight, decoding=decoding, temperature=0.2)
    knn.build(random_docs(nlp, rng, 6), show_progress=False)
    if corrected:
        knn.set_settings(correction_weight=float(rng.random()), radius=0.8)
        knn.set_settings(other_words_radius=float(rng.choice([0.0, 0.8])))
        knn.add(random_docs(nlp, rng, 3))
    docs = [nlp(doc.copy()) for doc in random_docs(nlp, rng, 6)]
    knn.set_settings(gate=None)
    expected = knn.predict(docs)
    knn.set_settings(gate="lossless", scores=scores)
    found = knn.predict(docs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.ids, other.ids)
        known = ~np.isnan(one.p).any(axis=1)
        np.testing.assert_allclose(one.p[known], other.p[known], rtol=0, atol=1e-9)
        if scores:
            assert known[one.ids > 0].all()


def searched(monkeypatch):
    """How many queries each search has, from now on."""
    sizes, search = [], Tier.search

    def counting(tier, queries, k, **kwargs):
        sizes.append(len(queries))
        return search(tier, queries, k, **kwargs)

    monkeypatch.setattr(Tier, "search", counting)
    return sizes


def pipeline_of_four(**settings):
    """a: certainly O, b: certainly B, c: open, i: certainly I."""
    vectors = dict(zip("abci", np.eye(4), strict=True))
    p_ner = {
        "a": np.array([0.98, 0.01, 0.01]),
        "b": np.array([0.01, 0.98, 0.01]),
        "c": np.array([0.5, 0.4, 0.1]),
        "i": np.array([0.01, 0.01, 0.98]),
    }
    nlp = planted_pipeline(vectors, p_ner, **settings)
    doc = Doc(nlp.vocab, words=["c", "a"])
    doc.set_ents([Span(doc, 0, 1, label="thing")])
    nlp.get_pipe("knn_ner").build([doc], show_progress=False)
    return nlp


def test_only_what_is_needed_is_searched(monkeypatch):
    nlp = pipeline_of_four()
    sizes = searched(monkeypatch)
    texts = ["a a a", "b a", "c a", "a a a a"]
    list(nlp.pipe(Doc(nlp.vocab, words=text.split()) for text in texts))
    assert sizes == [2]  # b for its score, c because its tag is open
    nlp.get_pipe("knn_ner").scores = False
    sizes.clear()
    docs = [Doc(nlp.vocab, words=text.split()) for text in texts]
    docs = list(nlp.pipe(docs))
    assert sizes == [1]
    assert set(docs[1].spans["knn_ner"].attrs["scores"]) == {None}
    assert None not in docs[2].spans["knn_ner"].attrs["scores"]


def test_a_sentence_whose_tags_do_not_fit_is_searched_in_full(monkeypatch):
    nlp = pipeline_of_four(scores=False)
    sizes = searched(monkeypatch)
    nlp(Doc(nlp.vocab, words=["a", "a", "i"]))  # no I without a B
    assert sizes == [2]  # equal vectors are asked once
    nlp.get_pipe("knn_ner").decoding = "argmax"  # repair reads tags alone
    sizes.clear()
    doc = nlp(Doc(nlp.vocab, words=["a", "a", "i"]))
    assert sizes == []
    assert [ent.text for ent in doc.ents] == ["i"]


@pytest.mark.parametrize(
    ("p_of_token", "asked"),
    [([0.15, 0.4, 0.45], [1]), ([0.05, 0.05, 0.9], [1, 0])],
)
def test_who_has_more_to_lose_than_was_lost_is_not_searched(p_of_token, asked):
    """I-x after O: B-x is nearly as good, or far less probable. The O would lose a
    factor of 0.69 / 0.31, if all of the store's votes were against it."""
    p_ner = np.array([[0.98, 0.01, 0.01], p_of_token])
    keys = TokenKeys(np.eye(2, dtype="float32"), np.arange(2), 2)
    queries = Queries(TagSet("BIO", ("x",)), [2], ["a", "b"], p_ner, keys)
    nobody = Votes(np.zeros((2, 3)), np.full(2, np.inf))
    seen = []

    def ask(tokens):
        seen.extend(np.flatnonzero(tokens))
        return Votes(p_ner * tokens[:, None], np.where(tokens, 0.1, np.inf))

    found = gated(queries, lambda ids: nobody, Settings(weight=0.3), ask)
    ids, known = found.ids, found.asked
    assert seen == asked
    assert np.flatnonzero(known).tolist() == sorted(asked)
    expected = queries.tag_set.decode(p_ner, "viterbi", [2])
    np.testing.assert_array_equal(ids, expected)


def test_a_weight_that_leaves_nothing_to_skip_is_said_once(caplog):
    nlp = pipeline_of_four(weight=0.5)
    with caplog.at_level(logging.INFO, logger="spacy_knn_ner"):
        for _ in range(2):
            nlp(Doc(nlp.vocab, words=["a"]))
    assert [r.message.split()[0] for r in caplog.records] == ["[KNN-I001]"]


def test_the_gate_is_kept_with_the_pipeline(cnn, tmp_path):
    import spacy

    knn = cnn.get_pipe("knn_ner")
    knn.build(labelled_docs(cnn), show_progress=False)
    knn.set_settings(gate=0.25, scores=False)
    cnn.to_disk(tmp_path)
    again = spacy.load(tmp_path).get_pipe("knn_ner")
    assert (again.gate, again.scores) == (0.25, False)


def test_a_report_says_what_the_gate_does():
    """And scores what the pipeline predicts, also where a number loses tags."""
    from spacy_knn_ner.evaluation.report import evaluate
    from spacy_knn_ner.evaluation.scores import entities, span_prf

    rng = np.random.default_rng(3)
    nlp = planted_pipeline({}, {})
    planted, knn = nlp.get_pipe("planted"), nlp.get_pipe("knn_ner")
    planted.vectors = {word: rng.normal(size=4) for word in WORDS}
    planted.p_ner = {w: rng.dirichlet(np.ones(3)) for w in WORDS}
    knn.set_settings(weight=0.45, temperature=0.2, k=4, scores=False)
    knn.build(random_docs(nlp, rng, 8), show_progress=False)
    docs = random_docs(nlp, rng, 30)
    found = {}
    for gate in (None, "lossless", 0.05):
        knn.gate = gate
        found[gate] = evaluate(knn, docs, resamples=10)
        predicted = [nlp(Doc(nlp.vocab, words=[t.text for t in doc])) for doc in docs]
        f1 = span_prf(docs, [entities(doc) for doc in predicted]).fscore
        assert found[gate]["systems"]["mixture"]["f1"] == pytest.approx(f1)
    assert found[None]["gate"] == {"asked": 1.0, "tags_lost": 0}
    assert found["lossless"]["gate"]["tags_lost"] == 0
    assert found[0.05]["gate"]["tags_lost"] > 0
    asked = [found[gate]["gate"]["asked"] for gate in (None, "lossless", 0.05)]
    assert asked == sorted(asked, reverse=True)
    assert found["lossless"]["systems"] == found[None]["systems"]
