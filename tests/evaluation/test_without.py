"""Evaluating and tuning without a store, and without a tagger."""

import json

import pytest
from spacy.tokens import DocBin
from util import annotated_docs, cnn_pipeline, planted_pipeline, run, run_json

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.card import model_card
from spacy_knn_ner.evaluation.report import evaluate
from spacy_knn_ner.evaluation.tuning import tune
from spacy_knn_ner.rendering.pages import report_page, tuning_page


def without_tagger():
    """Vectors alone: a word is its own neighbor."""
    import numpy as np

    words = {token.text for doc in annotated_docs(cnn_pipeline()) for token in doc}
    vectors = dict(zip(sorted(words), np.eye(len(words)), strict=True))
    nlp = planted_pipeline(vectors, dict.fromkeys(words, np.zeros(1)))
    nlp.get_pipe("planted").writes_output = False
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    return nlp


def test_without_a_tagger_weights_are_not_tried():
    nlp = without_tagger()
    trials = tune(nlp.get_pipe("knn_ner"), annotated_docs(nlp), ks=[1, 2])
    assert not any("interpolation.weight" in trial.settings for trial in trials)
    assert len(trials) == 2 * 7 * 2  # k, temperature, decoding
    page = tuning_page(trials, trials[0], "Tuning")
    assert "tagger alone" not in page


def test_without_a_tagger_the_report_has_none(tmp_path):
    nlp = without_tagger()
    report = evaluate(nlp.get_pipe("knn_ner"), annotated_docs(nlp), resamples=10)
    assert not report["has_tagger"]
    page = report_page(report, "Six")
    assert "without a tagger" in page
    for words in ("Neighbors change F1", "tagger alone", "What neighbors changed"):
        assert words not in page
    card = model_card(report, data="Six.", training={})
    assert "| label | gold | with neighbors |" in card and "tagger" not in card


@pytest.fixture
def taught(tmp_path):
    """A tagger and corrections, and no store."""
    nlp = cnn_pipeline()
    nlp.get_pipe("knn_ner").add(annotated_docs(nlp)[:3])
    nlp.to_disk(tmp_path / "taught")
    DocBin(docs=annotated_docs(nlp)).to_disk(tmp_path / "dev.spacy")
    return tmp_path / "taught", tmp_path / "dev.spacy"


def test_corrections_alone_are_evaluated(taught, tmp_path):
    report = run_json("evaluate", *taught, "-o", tmp_path / "report")
    assert set(report["systems"]) == {"tagger", "mixture"}
    assert report["systems"]["mixture"]["f1"] > report["systems"]["tagger"]["f1"]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf8")
    assert "Neighbors change F1" in page and "By number of neighbors" not in page


def test_corrections_alone_are_tuned(taught, tmp_path):
    text, _ = run("tune", *taught, tmp_path / "tuned")
    assert "Corrections: radius" in text and "tagger alone" not in text
    chosen = json.loads((tmp_path / "tuned" / "tuning" / "chosen.json").read_text())
    assert (
        chosen["docs"] == 6 and "corrections.votes" in chosen["corrections"]["settings"]
    )


def test_an_empty_datastore_cannot_be_evaluated():
    nlp = cnn_pipeline()
    with pytest.raises(KnnNerError, match="KNN-E051"):
        evaluate(nlp.get_pipe("knn_ner"), annotated_docs(nlp))
