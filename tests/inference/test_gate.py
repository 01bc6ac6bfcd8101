"""The gate saves searches, and nothing else: no tag, no score comes out otherwise."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from util import annotated_docs, configure, entities, planted_pipeline

from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.inference.decoding import decode, log_probabilities
from spacy_knn_ner.inference.gate import (
    can_change,
    least_loss,
    note_high_weight,
    tokens_to_look_up,
)
from spacy_knn_ner.inference.interpolation import Constant, interpolate
from spacy_knn_ner.inference.predictor import Predictor
from spacy_knn_ner.settings import LookupSettings, Settings
from spacy_knn_ner.tags import TagSet
from spacy_knn_ner.types import CorrectionVotes, TokenBatch, TokenKeys, Votes

WORDS = [f"w{i}" for i in range(12)]
NO_CORRECTIONS = CorrectionVotes.empty(3, 3)


@given(seed=st.integers(0, 2**32 - 1), weight=st.floats(0, 1), n_tags=st.integers(1, 6))
def test_what_the_gate_passes_over_no_vote_can_change(seed, weight, n_tags):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_tags, 0.2), size=20)
    known = (1 - weight) * p
    passed = ~can_change(known, np.full(20, weight))
    for tag in range(n_tags):  # the strongest vote there is: all for one tag
        vote = np.eye(n_tags)[[tag] * 20]
        mixed = interpolate(p, vote, weight)
        assert (mixed.argmax(1) == p.argmax(1))[passed].all()


@given(seed=st.integers(0, 2**32 - 1), weight=st.floats(0, 1), n_tags=st.integers(2, 6))
def test_leaving_the_best_tag_costs_at_least_so_much(seed, weight, n_tags):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(n_tags, 0.2), size=20)
    least = least_loss((1 - weight) * p, np.full(20, weight))
    best = p.argmax(axis=1)
    for tag in range(n_tags):
        mixed = interpolate(p, np.eye(n_tags)[[tag] * 20], weight)
        logs = log_probabilities(mixed)
        losses = logs[np.arange(20), best][:, None] - logs
        losses[np.arange(20), best] = np.inf
        assert (losses.min(axis=1) >= least).all()


def test_the_gate_passes_over_whatever_it_may():
    """Just beyond weight / (1 − weight) no token is looked up; at it, one is."""
    weight = 0.3
    margins = np.array([3 / 7 - 1e-6, 3 / 7, 3 / 7 + 1e-6])
    p = np.stack([(1 + margins) / 2, (1 - margins) / 2, np.zeros(3)], axis=1)
    mask = tokens_to_look_up(p, weight, NO_CORRECTIONS, LookupSettings())
    assert mask.tolist() == [True, True, False]


def test_tokens_of_entities_are_looked_up_for_their_scores():
    p = np.array([[0.98, 0.02, 0.0], [0.01, 0.99, 0.0], [0.5, 0.5, 0.0]])
    mask = tokens_to_look_up(p, 0.3, NO_CORRECTIONS, LookupSettings())
    assert mask.tolist() == [False, True, True]
    off = LookupSettings(score_entities=False)
    mask = tokens_to_look_up(p, 0.3, NO_CORRECTIONS, off)
    assert mask.tolist() == [False, False, True]


def test_a_number_is_the_lead_from_which_no_token_is_looked_up():
    p = np.array([[0.7, 0.3, 0.0], [0.65, 0.35, 0.0], [0.6, 0.4, 0.0]])
    for margin, expected in {0.35: [False, True, True], 0.1: [False] * 3}.items():
        lookup = LookupSettings(mode="margin", margin=margin)
        mask = tokens_to_look_up(p, 0.3, NO_CORRECTIONS, lookup)
        assert mask.tolist() == expected
    everything = LookupSettings(mode="all")
    assert tokens_to_look_up(p, 0.3, NO_CORRECTIONS, everything).all()


def test_a_number_counts_with_the_corrections():
    """Together they make an entity of what the tagger calls O: it needs its score."""
    one = np.array([[0.0, 1.0, 0.0]])
    corrections = CorrectionVotes(one, np.array([0.55]), np.zeros(1))
    p = np.array([[1.0, 0.0, 0.0]])
    lookup = LookupSettings(mode="margin", margin=0.05)
    assert tokens_to_look_up(p, 0.3, corrections, lookup).tolist() == [True]
    off = replace(lookup, score_entities=False)
    assert tokens_to_look_up(p, 0.3, corrections, off).tolist() == [False]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("mode", "lossy"), *(("margin", m) for m in (-0.1, 1.1, float("nan"), True))],
)
def test_invalid_lookup_settings_are_refused(setting, value):
    with pytest.raises(KnnNerError, match=rf"KNN-E040.*lookup\.{setting}"):
        Settings().replace("knn_ner", lookup={setting: value})


def random_docs(nlp, rng, n):
    """Annotated Docs of random words, some with entities only."""
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


@settings(max_examples=30, deadline=None)
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
    planted.p_base = {w: rng.dirichlet(np.full(n_tags, 0.3)) for w in WORDS}
    configure(knn, k=k, weight=weight, decoding=decoding, temperature=0.2)
    knn.build(random_docs(nlp, rng, 6), show_progress=False)
    if corrected:
        configure(knn, correction_weight=float(rng.random()), radius=0.8)
        configure(knn, other_words_radius=float(rng.choice([0.0, 0.8])))
        knn.add(random_docs(nlp, rng, 3))
    docs = [nlp(doc.copy()) for doc in random_docs(nlp, rng, 6)]
    configure(knn, mode="all")
    expected = knn.predict(docs)
    configure(knn, mode="lossless", score_entities=scores)
    found = knn.predict(docs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.ids, other.ids)
        known = ~np.isnan(one.p).any(axis=1)
        np.testing.assert_allclose(one.p[known], other.p[known], rtol=0, atol=1e-9)
        if scores:
            assert known[one.ids > 0].all()


def searched(monkeypatch):
    """How many queries each search has, from now on."""
    sizes, search = [], EntryTable.search

    def counting(tier, queries, k, **kwargs):
        sizes.append(len(queries))
        return search(tier, queries, k, **kwargs)

    monkeypatch.setattr(EntryTable, "search", counting)
    return sizes


def pipeline_of_four(**settings):
    """a: certainly O, b: certainly B, c: open, i: certainly I."""
    vectors = dict(zip("abci", np.eye(4), strict=True))
    p_base = {
        "a": np.array([0.98, 0.01, 0.01]),
        "b": np.array([0.01, 0.98, 0.01]),
        "c": np.array([0.5, 0.4, 0.1]),
        "i": np.array([0.01, 0.01, 0.98]),
    }
    nlp = planted_pipeline(vectors, p_base, **settings)
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
    configure(nlp.get_pipe("knn_ner"), score_entities=False)
    sizes.clear()
    docs = [Doc(nlp.vocab, words=text.split()) for text in texts]
    docs = list(nlp.pipe(docs))
    assert sizes == [1]
    assert np.isnan(docs[1].spans["knn_ner"].attrs["scores"]).all()
    assert not np.isnan(docs[2].spans["knn_ner"].attrs["scores"]).any()


def test_a_sentence_whose_tags_do_not_fit_is_searched_in_full(monkeypatch):
    nlp = pipeline_of_four(score_entities=False)
    sizes = searched(monkeypatch)
    nlp(Doc(nlp.vocab, words=["a", "a", "i"]))  # no I without a B
    assert sizes == [2]  # equal vectors are searched once
    nlp.get_pipe("knn_ner").decoding = "argmax"  # repair reads tags alone
    sizes.clear()
    doc = nlp(Doc(nlp.vocab, words=["a", "a", "i"]))
    assert sizes == []
    assert [ent.text for ent in doc.ents] == ["i"]


class AgreeingRetriever:
    """Votes for the most probable tags of p_base, and records the tokens."""

    def __init__(self):
        self.looked_up = []

    def __len__(self):
        return 1

    def votes(self, batch, mask):
        self.looked_up.extend(np.flatnonzero(mask))
        nearest = np.where(mask, 0.1, np.inf)
        return Votes(batch.p_base * mask[:, None], nearest)


@pytest.mark.parametrize(
    ("p_of_token", "expected"),
    [([0.15, 0.4, 0.45], [1]), ([0.05, 0.05, 0.9], [1, 0])],
)
def test_a_token_that_would_lose_more_than_was_lost_is_not_searched(
    p_of_token, expected
):
    """I-x after O: B-x is nearly as good, or far less probable. The O would lose a
    factor of 0.69 / 0.31, if all of the store's votes were against it."""
    p_base = np.array([[0.98, 0.01, 0.01], p_of_token])
    keys = TokenKeys(np.eye(2, dtype="float32"), np.arange(2), 2)
    tag_set = TagSet("BIO", ("x",))
    batch = TokenBatch(tag_set, [2], ["a", "b"], p_base, keys)
    retriever = AgreeingRetriever()
    predictor = Predictor(retriever, Constant(0.3), None, LookupSettings())
    prediction = predictor.predict(batch)
    assert retriever.looked_up == expected
    assert np.flatnonzero(prediction.looked_up).tolist() == sorted(expected)
    tags = decode(p_base, tag_set, "viterbi", [2])
    np.testing.assert_array_equal(prediction.tags, tags)


def test_a_weight_that_leaves_nothing_to_skip_is_said_once(caplog):
    nlp = pipeline_of_four(weight=0.5)
    note_high_weight.cache_clear()  # of other tests
    with caplog.at_level(logging.INFO, logger="spacy_knn_ner"):
        for _ in range(2):
            nlp(Doc(nlp.vocab, words=["a"]))
    codes = [r.message.split()[0] for r in caplog.records]
    assert codes.count("[KNN-I001]") == 1


def test_the_gate_is_kept_with_the_pipeline(cnn, tmp_path):
    import spacy

    knn = cnn.get_pipe("knn_ner")
    knn.build(annotated_docs(cnn), show_progress=False)
    configure(knn, mode="margin", margin=0.25, score_entities=False)
    cnn.to_disk(tmp_path)
    again = spacy.load(tmp_path).get_pipe("knn_ner")
    assert again.lookup == LookupSettings("margin", 0.25, False)


def test_a_report_says_what_the_gate_does():
    """And scores what the pipeline predicts, also where a number loses tags."""
    from spacy_knn_ner.evaluation.metrics import span_prf
    from spacy_knn_ner.evaluation.report import evaluate

    rng = np.random.default_rng(3)
    nlp = planted_pipeline({}, {})
    planted, knn = nlp.get_pipe("planted"), nlp.get_pipe("knn_ner")
    planted.vectors = {word: rng.normal(size=4) for word in WORDS}
    planted.p_base = {w: rng.dirichlet(np.ones(3)) for w in WORDS}
    configure(knn, weight=0.45, temperature=0.2, k=4, score_entities=False)
    knn.build(random_docs(nlp, rng, 8), show_progress=False)
    docs = random_docs(nlp, rng, 30)
    found = {}
    for gate in ("all", "lossless", "margin"):
        configure(knn, mode=gate, margin=0.05)
        found[gate] = evaluate(knn, docs, resamples=10)
        predicted = [nlp(Doc(nlp.vocab, words=[t.text for t in doc])) for doc in docs]
        f1 = span_prf(docs, [entities(doc) for doc in predicted]).fscore
        assert found[gate]["systems"]["mixture"]["f1"] == pytest.approx(f1)
    assert found["all"]["lookup"] == {"looked_up": 1.0, "tags_lost": 0}
    assert found["lossless"]["lookup"]["tags_lost"] == 0
    assert found["margin"]["lookup"]["tags_lost"] > 0
    shares = [report["lookup"]["looked_up"] for report in found.values()]
    assert shares == sorted(shares, reverse=True)
    assert found["lossless"]["systems"] == found["all"]["systems"]
