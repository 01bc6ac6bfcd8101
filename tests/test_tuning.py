"""Tuning finds what predicting with these settings would score."""

import numpy as np
import pytest
from conftest import labelled, planted_pipeline

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.scores import entities, span_prf
from spacy_knn_ner.evaluation.tuning import Trial, best, tune
from spacy_knn_ner.pipeline.labelled import labelled_text, make_doc


def noisy_pipeline():
    """Words whose vectors say something about their tags, and p_NER as well."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(120)]
    tags = rng.integers(0, 2, size=120)
    vectors = {w: rng.normal(size=4) + t for w, t in zip(words, tags, strict=True)}
    p = {}
    for word, tag in zip(words, tags, strict=True):
        first = np.clip(0.5 + 0.2 * (tag == 0) + rng.normal() / 4, 0.01, 0.99)
        p[word] = np.array([first, 1 - first, 0])
    nlp = planted_pipeline(vectors, p)
    docs = []
    for start in range(0, 120, 6):
        part = slice(start, start + 6)
        spans = [(i, i + 1, "thing") for i in range(6) if tags[part][i]]
        docs.append(labelled(nlp.vocab, " ".join(words[part]), spans))
    nlp.get_pipe("knn_ner").build(docs[:10], show_progress=False)
    return nlp, docs[10:]


def test_every_trial_scores_as_the_pipeline_would():
    nlp, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    before = knn.settings
    trials = tune(
        knn, dev, ks=(1, 5, 500), temperatures=(0.05, 1), weights=(0.3, 1), batch_size=3
    )
    assert knn.settings == before
    assert len(trials) == 1 + 3 * 2 * 2
    for trial in trials:
        knn.set_settings(**trial.settings)
        found = nlp.pipe(make_doc(nlp, labelled_text(doc, "test")) for doc in dev)
        score = span_prf(dev, [entities(doc) for doc in found])
        expected = (score.precision, score.recall, score.fscore)
        assert (trial.precision, trial.recall, trial.f1) == expected
    assert len({trial.f1 for trial in trials}) > 4


def test_an_empty_store_cannot_be_tuned():
    nlp, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.add(dev[:1])
    knn.forget(range(1, 11))
    with pytest.raises(KnnNerError, match="KNN-E051"):
        tune(knn, dev)


def test_ties_go_to_the_simpler_settings():
    def trial(k, weight, f1):
        return Trial(k, 0.1, weight, f1, f1, f1)

    trials = [trial(4, 0.5, 0.7), trial(16, 0.2, 0.7), trial(8, 0.2, 0.7)]
    assert best([*trials, trial(1, 0.1, 0.6)]) == trials[2]
