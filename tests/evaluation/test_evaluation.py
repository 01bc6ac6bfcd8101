"""A report says of a pipeline what its predictions say."""

import itertools
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from util import (
    annotated,
    annotated_docs,
    cnn_pipeline,
    entities,
    noisy_pipeline,
    planted_pipeline,
)

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.card import model_card
from spacy_knn_ner.evaluation.corpus import Corpus
from spacy_knn_ner.evaluation.metrics import (
    expected_calibration_error,
    label_groups,
    reliability,
    span_prf,
)
from spacy_knn_ner.evaluation.report import evaluate
from spacy_knn_ner.evaluation.significance import paired_bootstrap
from spacy_knn_ner.evaluation.tuning import best, tune
from spacy_knn_ner.inference.decoding import decode
from spacy_knn_ner.reading.annotations import annotated_text, entity_spans, make_doc
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.rendering import pages
from spacy_knn_ner.tags import TagSet

VOCAB = Vocab()
SCHEMES = ["BIO", "BILUO"]

# --- the whole corpus at once -------------------------------------------------


@st.composite
def corpora(draw):
    """Docs with white space, unannotated tokens and entities."""
    docs = []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(0, 6))
        words = draw(st.lists(st.sampled_from(["w", "\n"]), min_size=n, max_size=n))
        doc = Doc(VOCAB, words=words)
        visible = [token.i for token in doc if not token.is_space]
        singles = (
            draw(st.lists(st.sampled_from(visible), unique=True)) if visible else []
        )
        missing = draw(st.lists(st.integers(0, n - 1), unique=True)) if n else []
        label = st.sampled_from("abz")
        spans = [Span(doc, i, i + 1, label=draw(label)) for i in singles]
        free = [doc[i : i + 1] for i in missing if i not in singles]
        doc.set_ents(spans, missing=free, default="outside")
        docs.append(doc)
    return docs


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("decoding", ["viterbi", "argmax"])
@given(docs=corpora(), seed=st.integers(0, 2**32 - 1))
def test_arrays_say_what_docs_say(scheme, decoding, docs, seed):
    tag_set = TagSet(scheme, ("a", "b"))
    lengths = [len(doc) for doc in docs]
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(len(tag_set), 0.2), size=sum(lengths))
    ids = decode(p, tag_set, decoding, lengths)
    parts = np.split(ids, np.cumsum(lengths)[:-1])
    rows = np.split(p, np.cumsum(lengths)[:-1])
    expected = []
    for doc, part, row in zip(docs, parts, rows, strict=True):
        np.testing.assert_array_equal(part, decode(row, tag_set, decoding))
        spans = entity_spans(doc, tag_set, part)
        expected.append([(s.start, s.end, s.label_) for s in spans])
    if all(token.ent_iob == 0 for doc in docs for token in doc):
        with pytest.raises(KnnNerError, match="KNN-E067"):
            Corpus(docs, tag_set)
        return
    corpus = Corpus(docs, tag_set)
    found = corpus.spans(ids, tag_set)
    one, other = corpus.score(found), span_prf(docs, expected)
    assert (one.tp, one.fp, one.fn) == (other.tp, other.fp, other.fn)
    assert corpus.per_doc(found, corpus.is_correct(found)).sum() == one.tp


# --- chance ------------------------------------------------------------------


def test_the_bootstrap_is_that_of_all_resamples():
    """Three Docs have 27 equally likely resamples."""
    found_a, right_a = np.array([2, 1, 3]), np.array([1, 1, 1])
    found_b, right_b = np.array([2, 2, 2]), np.array([2, 1, 1])
    gold = np.array([2, 2, 4])

    def delta(docs):
        def f1(found, right):
            return 2 * right[docs].sum() / (found[docs].sum() + gold[docs].sum())

        return f1(found_b, right_b) - f1(found_a, right_a)

    every = [delta(list(docs)) for docs in itertools.product(range(3), repeat=3)]
    below = np.mean([d <= 0 for d in every])
    above = np.mean([d >= 0 for d in every])
    found = paired_bootstrap(found_a, right_a, found_b, right_b, gold, resamples=20_000)
    assert found.delta == pytest.approx(delta([0, 1, 2]))
    assert found.p == pytest.approx(2 * min(below, above), abs=0.02)
    low, high = np.quantile(np.repeat(every, 1000), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high))


def test_no_difference_is_chance():
    found, right, gold = np.array([2, 1]), np.array([1, 1]), np.array([2, 3])
    same = paired_bootstrap(found, right, found, right, gold)
    assert (same.delta, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_a_bootstrap_can_be_repeated():
    rng = np.random.default_rng(0)
    gold = rng.integers(1, 5, size=50)
    right_a, right_b = (rng.integers(0, gold + 1) for _ in range(2))
    draws = [
        paired_bootstrap(gold, right_a, gold, right_b, gold, resamples=700, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


# --- calibration -------------------------------------------------------------


def test_calibration_by_hand():
    scores = np.array([0.05, 0.92, 0.98, 1.0, 0.5])
    right = np.array([False, True, True, False, True])
    bins = reliability(scores, right)
    assert [(b["low"], b["n"]) for b in bins] == [(0, 1), (0.5, 1), (0.9, 3)]
    assert bins[2]["score"] == pytest.approx(2.9 / 3)
    assert bins[2]["correct"] == pytest.approx(2 / 3)
    expected = (0.05 + 0.5 + 3 * (2.9 / 3 - 2 / 3)) / 5
    assert expected_calibration_error(bins) == pytest.approx(expected)
    assert expected_calibration_error([]) is None


def test_kinds_of_mention():
    assert label_groups(["PER.NOM", "ORG.NAM", "PER.NAM"]) == {
        "NAM": ["ORG.NAM", "PER.NAM"],
        "NOM": ["PER.NOM"],
    }
    assert label_groups(["PER", "ORG.NAM"]) == label_groups([]) == {}


# --- reports -----------------------------------------------------------------


@pytest.fixture(scope="module")
def reported():
    nlp, train, test = noisy_pipeline(k=3, weight=0.6, temperature=0.2)
    knn = nlp.get_pipe("knn_ner")
    knn.add(test[:1])
    return nlp, train, test, evaluate(knn, test, ks=(1, 3, 9), resamples=500)


def predictions(nlp, docs):
    return list(nlp.pipe(make_doc(nlp, annotated_text(doc, "test")) for doc in docs))


def test_a_report_scores_what_the_pipeline_predicts(reported):
    nlp, _, test, report = reported
    docs = predictions(nlp, test)
    for name, found in [
        ("mixture", [entities(doc) for doc in docs]),
        ("tagger", [p_ner_entities(nlp, doc) for doc in docs]),
    ]:
        score = span_prf(test, found)
        summary = report["systems"][name]
        assert summary["f1"] == pytest.approx(score.fscore)
        assert summary["precision"] == pytest.approx(score.precision)
        assert summary["labels"]["thing"]["recall"] == pytest.approx(score.recall)
        assert summary["predicted"] == sum(map(len, found))
    tagger, mixture = (report["systems"][n]["f1"] for n in ("tagger", "mixture"))
    assert report["difference"]["delta"] == pytest.approx(mixture - tagger)
    assert tagger != mixture


def p_ner_entities(nlp, doc):
    tag_set = nlp.get_pipe("planted").tag_set
    ids = decode(doc._.ner_tagger["probabilities"], tag_set)
    return [(s.start, s.end, s.label_) for s in entity_spans(doc, tag_set, ids)]


def test_a_report_counts_everything_once(reported):
    _, _, test, report = reported
    gold = sum(len(doc.ents) for doc in test)
    for rows in (report["by_length"], report["by_frequency"]):
        assert sum(row["mixture"]["gold"] for row in rows) == gold
    assert sum(row["docs"] for row in report["by_length"]) == len(test)
    by_k = {row["k"]: row["f1"] for row in report["by_k"]}
    assert list(by_k) == [1, 3, 9, None]
    assert by_k[3] == report["systems"]["mixture"]["f1"]
    counts = report["changes"]["counts"]
    assert sum(counts.values()) > 0 and counts["fixed"] > 0
    bins = report["systems"]["mixture"]["reliability"]
    assert sum(row["n"] for row in bins) == report["systems"]["mixture"]["predicted"]
    assert report["model"]["datastore"]["corrections"] == 6
    assert json.loads(json.dumps(report)) == report


def test_scores_in_a_report_are_those_of_docs(reported):
    nlp, _, test, report = reported
    docs = predictions(nlp, test)
    scores = np.concatenate([doc.spans["knn_ner"].attrs["scores"] for doc in docs])
    right = np.concatenate(
        [
            [span in entities(gold) for span in entities(doc)]
            for doc, gold in zip(docs, test, strict=True)
        ]
    ).astype(bool)
    expected = reliability(scores, right)
    assert report["systems"]["mixture"]["reliability"] == [
        pytest.approx(row) for row in expected
    ]


def test_frequency_is_that_of_text_and_label():
    vectors = {w: np.eye(3)[i] for i, w in enumerate(["often", "once", "never"])}
    p = {w: np.array([0.1, 0.9, 0.0]) for w in vectors}
    nlp = planted_pipeline(vectors, p, labels=("thing",))
    knn = nlp.get_pipe("knn_ner")
    thing = [(0, 1, "thing")]
    texts = ["often"] * 6 + ["once"]
    docs = [annotated(nlp.vocab, text, thing) for text in texts]
    docs.append(annotated(nlp.vocab, "never", [(0, 1, "other")]))
    knn.build(docs, show_progress=False)
    test = [annotated(nlp.vocab, w, thing) for w in ("often", "once", "never", "never")]
    rows = evaluate(knn, test, ks=(1,), resamples=10)["by_frequency"]
    assert [row["mixture"]["gold"] for row in rows] == [2, 1, 1]


def test_changes_are_told_with_their_evidence(reported):
    _, train, test, report = reported
    words = {token.text for doc in [*train, *test[:1]] for token in doc}
    for change in report["changes"]["shown"]:
        gold = test[change["doc"]]
        assert change["words"] == [token.text for token in gold]
        right = {tuple(span) for span in change["gold"]}
        assert right <= set(entities(gold))
        if change["verdict"] == "fixed":
            assert change["after"] == change["gold"] != change["before"]
        if change["verdict"] == "regressed":
            assert change["before"] == change["gold"] != change["after"]
        evidence = change["evidence"][0]
        assert evidence["words"][evidence["token"]] in words


def test_a_change_reaches_as_far_as_the_gold_entity_it_touches():
    words = [f"w{i}" for i in range(5)]
    p = {w: np.array([1.0, 0, 0]) for w in words}
    for word, row in {"w0": [0, 1, 0], "w1": [0, 0, 1], "w3": [0, 1, 0]}.items():
        p[word] = np.array(row, dtype=float)
    vectors = {w: np.eye(5)[i] for i, w in enumerate(words)}
    nlp = planted_pipeline(vectors, p, weight=1.0, k=1)
    knn = nlp.get_pipe("knn_ner")
    gold = annotated(nlp.vocab, " ".join(words), [(0, 5, "thing")])
    knn.build([gold], show_progress=False)
    report = evaluate(knn, [gold], ks=(1,), resamples=10)
    (change,) = report["changes"]["shown"]
    assert change["before"] == [[0, 2, "thing"], [3, 4, "thing"]]
    assert change["after"] == change["gold"] == [[0, 5, "thing"]]
    assert report["changes"]["counts"]["fixed"] == 1


def test_missing_neighbors_are_not_outside():
    words = ["a", "b", "c"]
    vectors = {w: np.eye(3)[i] for i, w in enumerate(words)}
    nlp = planted_pipeline(vectors, {w: np.array([1.0, 0, 0]) for w in words}, k=3)
    knn = nlp.get_pipe("knn_ner")
    entity = annotated(nlp.vocab, "a", [(0, 1, "thing")])
    outside = annotated(nlp.vocab, "b", [])
    knn.build([entity, entity, outside], show_progress=False)
    knn.forget([3])
    report = evaluate(knn, [entity], ks=(3,), resamples=10)
    assert report["distances"]["entity"]["share_outside"] == 0


def test_what_neighbors_say_where_the_tagger_is_wrong():
    words = ["a", "b", "c", "d"]
    vectors = {w: np.eye(4)[i] for i, w in enumerate(words)}
    p = {w: np.array([1.0, 0, 0]) for w in words}  # the tagger never finds anything
    nlp = planted_pipeline(vectors, p, k=1)
    knn = nlp.get_pipe("knn_ner")
    things = [(0, 1, "thing"), (1, 2, "thing"), (2, 3, "thing")]
    knn.build([annotated(nlp.vocab, "a b c d", things[:1])], show_progress=False)
    gold = annotated(nlp.vocab, "a b c d", things)
    errors = evaluate(knn, [gold], ks=(1,), resamples=10)["distances"]["errors"]
    assert errors == {
        "tokens": 3,
        "same": pytest.approx(2 / 3),
        "correct": pytest.approx(1 / 3),
    }


def test_nothing_found_is_no_score():
    vectors = {"a": np.ones(2)}
    nlp = planted_pipeline(vectors, {"a": np.array([1.0, 0, 0])})
    knn = nlp.get_pipe("knn_ner")
    doc = annotated(nlp.vocab, "a", [])
    knn.build([doc], show_progress=False)
    report = evaluate(knn, [doc], ks=(1,), resamples=10)
    summary = report["systems"]["mixture"]
    assert summary["precision"] is summary["f1"] is summary["ece"] is None
    assert pages.report_page(report, "nothing")


def test_a_report_needs_docs_and_a_store():
    nlp, _, test = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match="KNN-E063"):
        evaluate(knn, [])
    knn.forget(range(1, 11))
    with pytest.raises(KnnNerError, match="KNN-E051"):
        evaluate(knn, test)


# --- the cache ---------------------------------------------------------------


def test_the_cache_knows_the_settings_of_the_encoder(tmp_path):
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    docs = annotated_docs(nlp)
    knn.build(docs, show_progress=False)
    encode(knn.reader, docs, cache=tmp_path)
    nlp.get_pipe_config("tok2vec")["model"]["window"] = 6
    encode(knn.reader, docs, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_cache_does_not_hide_that_a_store_is_another_encoders(tmp_path):
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    docs = annotated_docs(nlp)
    knn.build(docs, show_progress=False)
    encode(knn.reader, docs, cache=tmp_path)
    knn.datastore.fingerprint = {
        **knn.datastore.fingerprint,
        "weights": "of another one",
    }
    with pytest.raises(KnnNerError, match="KNN-E044"):
        encode(knn.reader, docs, cache=tmp_path)


def test_the_cache_knows_what_its_contents_depend_on(tmp_path):
    nlp, _, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    first = encode(knn.reader, dev, cache=tmp_path)
    again = encode(knn.reader, dev, cache=tmp_path)
    assert first.tag_set == again.tag_set and first.lengths == again.lengths
    for one, other in [
        (first.p_base, again.p_base),
        (first.keys.vectors, again.keys.vectors),
        (first.keys.tokens, again.keys.tokens),
    ]:
        np.testing.assert_array_equal(one, other)
    assert len(list(tmp_path.iterdir())) == 1
    encode(knn.reader, dev[1:], cache=tmp_path)  # other words
    knn.add([annotated(nlp.vocab, "w1", [(0, 1, "new")])])  # another label
    with_label = encode(knn.reader, dev, cache=tmp_path)
    assert "new" in with_label.tag_set.labels
    assert len(list(tmp_path.iterdir())) == 3


# --- pages -------------------------------------------------------------------


def test_a_page_fetches_nothing_and_shows_its_plots(reported):
    _, _, _, report = reported
    shares = [{"share": s, "tagger": 0.4 * s, "mixture": 0.5} for s in (0.5, 1.0)]
    page = pages.report_page({**report, "by_share": shares}, "A <title>")
    assert page.count("<svg") == 6
    assert pages.report_page(report, "x").count("<svg") == 5
    assert "A &lt;title&gt;" in page
    linked = re.findall(r'(?:src|href)\s*=\s*"(?!#)([^"]*)"', page)
    assert linked == [] and "<script" not in page and "@import" not in page
    assert pages.report_page({**report, "by_share": shares}, "A <title>") == page


def test_text_on_a_page_is_escaped(reported):
    _, _, _, report = reported
    shown = [dict(change) for change in report["changes"]["shown"]]
    shown[0]["words"] = ["<b>" for _ in shown[0]["words"]]
    changed = {**report, "changes": {**report["changes"], "shown": shown}}
    page = pages.report_page(changed, "x")
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_a_tuning_page_shows_the_choice(reported):
    nlp, _, test, _ = reported
    trials = tune(nlp.get_pipe("knn_ner"), test, ks=(2, None), weights=(0.2, 0.6))
    page = pages.tuning_page(trials, best(trials), "Tuning")
    assert page.count("<svg") == 1
    assert f"{100 * best(trials).f1:.2f}" in page


def test_without_matplotlib_pages_say_what_to_install(reported, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(KnnNerError, match=r"KNN-E065.*spacy-knn-ner\[report\]"):
        pages.report_page(reported[3], "x")


def test_a_model_card_lists_data_settings_scores_and_size(reported):
    _, _, _, report = reported
    card = model_card(report, data="Some data (CC0).", training={"epochs": 4})
    f1 = f"{100 * report['systems']['mixture']['f1']:.2f}"
    for text in ("Some data (CC0).", "epochs | `4`", "weight | `0.6`", f1, "60 tokens"):
        assert text in card
