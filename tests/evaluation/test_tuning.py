"""Tuning finds what predicting with these settings would score."""

from dataclasses import replace

import numpy as np
import pytest
from util import annotated, entities, noisy_pipeline

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.leave_one_out import own_documents
from spacy_knn_ner.evaluation.metrics import span_prf
from spacy_knn_ner.evaluation.tuning import (
    TEMPERATURES,
    TuningTrial,
    best,
    temperatures_for,
    tune,
    tune_corrections,
)
from spacy_knn_ner.reading.annotations import annotated_text, make_doc


def predicted(nlp, docs):
    found = nlp.pipe(make_doc(nlp, annotated_text(doc, "test")) for doc in docs)
    score = span_prf(docs, [entities(doc) for doc in found])
    return score.precision, score.recall, score.fscore


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_every_trial_scores_as_the_pipeline_would(metric, tmp_path):
    nlp, _, dev = noisy_pipeline(metric=metric)
    knn = nlp.get_pipe("knn_ner")
    before = knn.settings
    grid = {
        "ks": (1, 5, 500, None),
        "temperatures": (0.05, 0.1, 1),
        "weights": (0.3, 1),
    }
    trials = tune(knn, dev, **grid, cache=tmp_path)
    assert knn.settings == before
    assert len(trials) == 2 * (1 + 4 * 3 * 2)
    for trial in trials:
        knn.set_settings(**trial.config())
        expected = (trial.precision, trial.recall, trial.f1)
        assert predicted(nlp, dev) == pytest.approx(expected)
    assert len({trial.f1 for trial in trials}) > 4
    assert len(list(tmp_path.glob("*.npz"))) == 1
    knn.settings = before
    assert tune(knn, dev, **grid, cache=tmp_path) == trials  # from the cache


def test_more_than_a_thousand_combinations_by_default():
    nlp, _, dev = noisy_pipeline()
    trials = tune(nlp.get_pipe("knn_ner"), dev[:2])
    assert len(trials) >= 1000
    assert len({tuple(trial.settings.items()) for trial in trials}) == len(trials)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
@pytest.mark.parametrize("k", [3, None])
def test_leaving_one_out_is_as_if_the_document_had_not_been_added(metric, k):
    nlp, train, _ = noisy_pipeline(metric=metric)
    knn = nlp.get_pipe("knn_ner")
    grid = {
        "ks": [k],
        "temperatures": [0.2],
        "weights": [0.7],
        "decodings": ["viterbi"],
    }
    *_, trial = tune(knn, train, **grid, leave_one_out=True)
    knn.set_settings(**trial.config())
    found = []
    for i in range(0, len(train), 2):  # a document is two Docs
        knn.build(train[:i] + train[i + 2 :], show_progress=False)
        found += nlp.pipe(
            make_doc(nlp, annotated_text(doc, "test")) for doc in train[i : i + 2]
        )
    score = span_prf(train, [entities(doc) for doc in found])
    assert (trial.precision, trial.recall) == (score.precision, score.recall)
    knn.build(train, show_progress=False)
    *_, seen = tune(knn, train, **grid)
    assert seen.f1 > trial.f1  # every token found itself


def test_leaving_one_out_takes_each_of_equal_sentences_for_its_own():
    nlp, train, _ = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    twice = [train[0].copy(), train[0].copy()]
    for i, doc in enumerate(twice):
        doc.user_data["document"] = f"copy {i}"
    knn.build(twice, show_progress=False)
    grid = {"ks": [1], "temperatures": [0.1], "weights": [1.0]}
    *_, trial = tune(knn, twice, **grid, leave_one_out=True)
    assert trial.f1 == 1  # the other copy says it all


def test_leaving_one_out_of_equal_sentences_leaves_ones_own_document_out():
    """Whichever comes first, and whether or not the other document is tuned on too."""
    nlp, train, _ = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    docs = [train[0].copy(), train[1].copy(), train[0].copy()]
    for doc, name in zip(docs, "aab", strict=True):
        doc.user_data["document"] = name
    knn.build(docs, show_progress=False)
    texts = [annotated_text(doc, "test") for doc in (docs[2], docs[1])]
    batch = knn.reader.read(knn.memory.encoder.docs(texts))
    of_query, of_row = own_documents(knn, [docs[2], docs[1]], batch)
    assert set(of_query[:6]) == set(of_row[12:]) != set(of_row[:12])
    assert set(of_query[6:]) == set(of_row[:12])


def test_leaving_one_out_needs_the_docs_of_the_store():
    nlp, _, dev = noisy_pipeline()
    with pytest.raises(KnnNerError, match="KNN-E062"):
        tune(nlp.get_pipe("knn_ner"), dev, leave_one_out=True)


def test_corrections_are_tuned_as_the_pipeline_would_score():
    """The same words have other vectors elsewhere, where they end in a capital."""
    nlp, _, dev = noisy_pipeline(weight=0.2)
    knn, planted = nlp.get_pipe("knn_ner"), nlp.get_pipe("planted")
    rng = np.random.default_rng(0)
    for word, vector in [*planted.vectors.items()]:
        planted.vectors[word + "x"] = vector
        planted.vectors[word + "X"] = vector + rng.normal(size=4)
        for end in "xX":
            planted.p_base[word + end] = planted.p_base[word]

    def ending_in(end, docs):
        texts = (" ".join(token.text + end for token in doc) for doc in docs)
        pairs = zip(texts, docs, strict=True)
        return [annotated(nlp.vocab, text, entities(doc)) for text, doc in pairs]

    knn.add(ending_in("x", dev[:6]))
    dev = ending_in("X", dev)
    trials = tune_corrections(knn, dev, radii=(0.05, 0.5, 2.0), votes=(0.3, 1.0))
    assert len(trials) == 7
    present = knn.corrections
    present = {
        "corrections.votes": present.votes,
        "corrections.radius": present.radius,
    }
    assert trials[0].settings == present
    for trial in trials:
        knn.set_settings(**trial.config())
        expected = (trial.precision, trial.recall, trial.f1)
        assert predicted(nlp, dev) == pytest.approx(expected)
    assert len({trial.f1 for trial in trials}) > 1


def test_corrections_that_dev_does_not_meet_stay_as_they_are():
    nlp, _, dev = noisy_pipeline(metric="euclidean", correction_votes=8.5)
    knn = nlp.get_pipe("knn_ner")
    nlp.get_pipe("planted").vectors["far"] = np.full(4, 1e3)
    nlp.get_pipe("planted").p_base["far"] = np.array([1.0, 0, 0])
    knn.add([annotated(nlp.vocab, "far", [(0, 1, "thing")])])
    chosen = best(tune_corrections(knn, dev))
    radius = knn.corrections.radius
    expected = {"corrections.votes": 8.5, "corrections.radius": radius}
    assert chosen.settings == expected


def test_beside_corrections_the_store_does_not_vote_on_its_own_document():
    """Each word stands once in the store and is wrongly corrected: without its own
    document nothing contradicts, with it the store does."""
    nlp, train, _ = noisy_pipeline(weight=0.0)
    knn, planted = nlp.get_pipe("knn_ner"), nlp.get_pipe("planted")
    planted.vectors["once"] = np.ones(4)
    planted.p_base["once"] = np.array([0.2, 0.8, 0.0])
    planted.vectors["else"], planted.p_base["else"] = -np.ones(4), np.array([1.0, 0, 0])
    own = annotated(nlp.vocab, "once", [(0, 1, "thing")])
    knn.build([*train, own], show_progress=False)
    knn.add([annotated(nlp.vocab, "once else", [])])
    how = {"radii": [1.0], "votes": [0.1]}
    *_, seen = tune_corrections(knn, [own], **how)
    *_, out = tune_corrections(knn, [own], **how, leave_one_out=True)
    assert (seen.recall, out.recall) == (1.0, 0.0)


def test_radii_are_parts_of_the_one_that_was_found():
    nlp, _, dev = noisy_pipeline(metric="euclidean")
    knn = nlp.get_pipe("knn_ner")
    for word, vector in nlp.get_pipe("planted").vectors.items():
        nlp.get_pipe("planted").vectors[word] = 1000 * vector
    knn.build(dev[5:], show_progress=False)
    knn.add(dev[:3])
    knn.calibration = replace(knn.calibration, correction_radius=1000.0)
    radii = {t.settings["corrections.radius"] for t in tune_corrections(knn, dev[:5])}
    assert radii == {None, 250.0, 500.0, 750.0, 1000.0}


def test_the_tagger_alone_keeps_the_settings_it_does_not_use():
    nlp, _, dev = noisy_pipeline(k=7, temperature=0.3)
    alone = tune(nlp.get_pipe("knn_ner"), dev, ks=[2], temperatures=[1], weights=[1])[0]
    assert alone.settings["interpolation.weight"] == 0
    assert (alone.settings["k"], alone.settings["temperature"]) == (7, 0.3)


def test_docs_without_annotation_score_nothing():
    nlp, _, dev = noisy_pipeline()
    bare = [make_doc(nlp, annotated_text(doc, "test")) for doc in dev]
    with pytest.raises(KnnNerError, match="KNN-E067"):
        tune(nlp.get_pipe("knn_ner"), bare)


@pytest.mark.parametrize("choose", [tune, tune_corrections])
def test_there_must_be_something_to_tune(choose):
    nlp, _, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match=r"KNN-E06[34]"):
        choose(knn, [])
    knn.add(dev[:1])
    with pytest.raises(KnnNerError, match="KNN-E063"):
        choose(knn, [])
    knn.forget(range(1, 12))
    with pytest.raises(KnnNerError, match=r"KNN-E0(51|64)"):
        choose(knn, dev)


def test_ties_go_to_the_simpler_settings():
    nlp, _, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    trials = tune(knn, dev, ks=(4, None, 8), weights=(0.5, 0.2), temperatures=(1, 0.5))
    settings = [
        (s["interpolation.weight"], s["k"] or np.inf, s["temperature"])
        for s in (trial.settings for trial in trials)
    ]
    assert settings == sorted(settings)

    def trial(k, f1):
        return TuningTrial({"k": k}, f1, f1, f1)

    assert best([trial(1, 0.5), trial(4, 0.7), trial(8, 0.7)]).settings == {"k": 4}


def test_temperatures_follow_the_metric():
    """On keys of one length L, squared distances are 2·L² times those of cosine."""
    nlp, train, _ = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    planted = nlp.get_pipe("planted")
    for word, vector in planted.vectors.items():
        planted.vectors[word] = 5 * vector / np.linalg.norm(vector)
    knn.build(train, show_progress=False)
    assert temperatures_for(knn) == TEMPERATURES
    knn.metric = "sqeuclidean"
    assert temperatures_for(knn) == pytest.approx([50 * t for t in TEMPERATURES])


@pytest.mark.parametrize("k", [3, None])
def test_corrections_are_tuned_without_ones_own_document(k):
    """On the store's own text every token would find itself, and need no correction."""
    nlp, train, dev = noisy_pipeline(k=k, weight=0.7, temperature=0.2)
    knn = nlp.get_pipe("knn_ner")
    knn.add(dev[:3])
    (alone,) = tune(
        knn,
        train,
        ks=[k],
        temperatures=[0.2],
        weights=[0.7],
        decodings=["viterbi"],
        leave_one_out=True,
    )[1:]
    nothing = {"radii": [1e-9], "votes": [0.5]}
    *_, trial = tune_corrections(knn, train, **nothing, leave_one_out=True)
    assert (trial.precision, trial.recall) == (alone.precision, alone.recall)
    *_, seen = tune_corrections(knn, train, **nothing)
    assert seen.f1 > trial.f1
