"""What scores mean, and which entities are unknown."""

import numpy as np
import pytest
from spacy.tokens import Doc
from util import annotated, configure, entities, noisy_pipeline, planted_pipeline

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.calibration import TEMPERATURES, fit_calibration
from spacy_knn_ner.evaluation.metrics import (
    expected_calibration_error,
    reliability,
)
from spacy_knn_ner.evaluation.report import evaluate
from spacy_knn_ner.inference.confidence import (
    Calibration,
    scaled,
    span_distances,
    span_scores,
)
from spacy_knn_ner.reading.annotations import annotated_text, make_doc


def predicted(nlp, docs):
    return list(nlp.pipe(make_doc(nlp, annotated_text(d, "test")) for d in docs))


def scores_and_right(nlp, docs):
    """Of all entities that the pipeline finds."""
    pairs = list(zip(predicted(nlp, docs), docs, strict=True))
    scores = [ent._.knn_score for doc, _ in pairs for ent in doc.ents]
    right = [span in entities(gold) for doc, gold in pairs for span in entities(doc)]
    return np.array(scores), np.array(right)


# --- scores -------------------------------------------------------------------


def test_scaling_is_the_softmax_of_logarithms_over_the_temperature():
    p = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [np.nan] * 3])
    for temperature in (0.5, 1.0, 3.0):
        with np.errstate(divide="ignore"):
            expected = np.exp(np.log(p) / temperature)
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(scaled(p, temperature), expected)


def test_a_score_is_the_mean_over_the_tokens_of_an_entity():
    p = np.array([[0.8, 0.2], [0.2, 0.8], [0.4, 0.6]])
    ids = np.array([0, 1, 1])
    assert span_scores([(1, 3), (0, 1)], ids, p) == pytest.approx([0.7, 0.8])
    hot = p**0.5 / (p**0.5).sum(axis=1, keepdims=True)
    expected = [(hot[1, 1] + hot[2, 1]) / 2, hot[0, 0]]
    assert span_scores([(1, 3), (0, 1)], ids, p, 2.0) == pytest.approx(expected)


def test_the_temperature_is_that_with_the_least_calibration_error():
    """Tried again with the pipeline itself."""
    nlp, _, dev = noisy_pipeline(k=4, temperature=0.01, weight=0.9)
    knn = nlp.get_pipe("knn_ner")
    found = fit_calibration(knn, dev)
    errors = {}
    for t in (1.0, *TEMPERATURES[::3], found.calibration.score_temperature):
        configure(knn, score_temperature=float(t))
        scores, right = scores_and_right(nlp, dev)
        errors[t] = expected_calibration_error(reliability(scores, right))
    assert found.calibration.score_temperature != 1.0
    assert errors[1.0] == pytest.approx(found.ece_before)
    assert errors[found.calibration.score_temperature] == pytest.approx(found.ece_after)
    assert found.ece_after == pytest.approx(min(errors.values()))


def test_the_temperature_changes_no_entity():
    nlp, _, dev = noisy_pipeline(weight=0.4)
    before = [entities(doc) for doc in predicted(nlp, dev)]
    configure(nlp.get_pipe("knn_ner"), score_temperature=5.0)
    assert [entities(doc) for doc in predicted(nlp, dev)] == before


def test_a_report_says_both():
    nlp, _, dev = noisy_pipeline(weight=0.4)
    knn = nlp.get_pipe("knn_ner")
    found = fit_calibration(knn, dev)
    knn.calibration = found.calibration
    report = evaluate(knn, dev, resamples=10)
    mixture = report["systems"]["mixture"]
    assert mixture["ece"] == pytest.approx(found.ece_after)
    assert mixture["ece_uncalibrated"] == pytest.approx(found.ece_before)
    tagger = report["systems"]["tagger"]
    assert tagger["ece"] == tagger["ece_uncalibrated"]
    docs = predicted(nlp, dev)
    unknown = [ent._.knn_unknown for doc in docs for ent in doc.ents]
    _, right = scores_and_right(nlp, dev)
    assert report["unknown"]["predicted"] == sum(unknown) > 0
    assert report["unknown"]["correct"] == right[np.array(unknown)].mean()
    assert report["unknown"]["others_correct"] == right[~np.array(unknown)].mean()


def test_own_documents_do_not_make_scores_look_better():
    nlp, train, _ = noisy_pipeline(weight=0.9, k=1)
    knn = nlp.get_pipe("knn_ner")
    seen = fit_calibration(knn, train)
    out = fit_calibration(knn, train, leave_one_out=True)
    assert out.calibration.score_temperature > seen.calibration.score_temperature
    seen_distance = seen.calibration.unknown_distance or 0
    assert out.calibration.unknown_distance > seen_distance


def test_without_a_store_or_without_entities_nothing_is_learnt():
    nlp, _, dev = noisy_pipeline()
    knn = nlp.get_pipe("knn_ner")
    nlp.get_pipe("planted").p_base["out"] = np.array([1.0, 0, 0])
    nlp.get_pipe("planted").vectors["out"] = np.array([9.0, -9, 9, -9])
    found = fit_calibration(knn, [annotated(nlp.vocab, "out", [])])
    assert found.calibration == Calibration(1.0, None)
    assert found.ece_before is found.ece_after is None
    knn.forget(knn.datastore.examples.ids())
    with pytest.raises(KnnNerError, match="E051"):
        fit_calibration(knn, dev)


# --- unknown ------------------------------------------------------------------

VECTORS = {"a": [1.0, 0.0], "b": [0.8, 0.6], "c": [0.0, 1.0]}
THING = np.array([0.1, 0.8, 0.1])  # O, B, I


def pipeline(**settings):
    """In the store there is only "a"; "b" is 0.2 from it, "c" 1."""
    vectors = {word: np.array(vector) for word, vector in VECTORS.items()}
    p_base = dict.fromkeys(vectors, THING)
    nlp = planted_pipeline(vectors, p_base, weight=0.1, **settings)
    docs = [annotated(nlp.vocab, "a", [(0, 1, "thing")])]
    nlp.get_pipe("knn_ner").build(docs, show_progress=False)
    return nlp


def unknown(nlp, text):
    doc = nlp(Doc(nlp.vocab, words=text.split()))
    (explained,) = nlp.get_pipe("knn_ner").explain(doc).entities
    (ent,) = doc.ents
    assert ent._.knn_unknown == explained.unknown
    return ent._.knn_unknown


def test_what_is_far_from_everything_is_unknown():
    nlp = pipeline(unknown_distance=0.5)
    assert [unknown(nlp, word) for word in "abc"] == [False, False, True]
    configure(nlp.get_pipe("knn_ner"), unknown_distance=0.1)
    assert [unknown(nlp, word) for word in "abc"] == [False, True, True]


def test_unknown_needs_a_distance():
    assert unknown(pipeline(), "c") is None


def test_what_was_corrected_is_known():
    nlp = pipeline(unknown_distance=0.5)
    docs = [annotated(nlp.vocab, "c", [(0, 1, "thing")])]
    nlp.get_pipe("knn_ner").add(docs)
    assert unknown(nlp, "c") is False


def test_whitespace_in_an_entity_is_not_unknown():
    nlp = pipeline(unknown_distance=0.5)
    planted = nlp.get_pipe("planted")
    planted.vectors[" "] = np.zeros(2)
    planted.p_base |= {" ": np.array([0.1, 0.1, 0.8]), "b": np.array([0.1, 0.1, 0.8])}
    doc = nlp(Doc(nlp.vocab, words=["a", " ", "b"]))
    (explained,) = nlp.get_pipe("knn_ner").explain(doc).entities
    (ent,) = doc.ents
    assert (ent.start, ent.end) == (0, 3)
    assert ent._.knn_unknown is explained.unknown is False
    tokens = nlp.get_pipe("knn_ner").explain(ent).tokens
    assert [token.unknown for token in tokens] == [False] * 3


def test_corrections_of_other_words_are_as_near_as_they_are():
    """And not as near as the radius of the same words would have it."""
    nlp = pipeline(unknown_distance=0.3, other_words_radius=0.9, radius=0.1)
    knn = nlp.get_pipe("knn_ner")
    nlp.get_pipe("planted").vectors["d"] = np.array([0.6, 0.8])  # 0.2 from "c"
    nlp.get_pipe("planted").p_base["d"] = THING
    assert unknown(nlp, "c") is True
    knn.add([annotated(nlp.vocab, "d", [(0, 1, "thing")])])
    assert unknown(nlp, "c") is False
    configure(knn, unknown_distance=0.19)
    assert unknown(nlp, "c") is True


def test_of_what_was_not_looked_up_a_report_says_nothing_either():
    nlp, _, dev = noisy_pipeline(
        weight=0.2, score_entities=False, unknown_distance=1e-9
    )
    for ent in (ent for doc in dev[:3] for ent in doc.ents):
        nlp.get_pipe("planted").p_base[ent.text] = np.array([0.01, 0.98, 0.01])
    docs = predicted(nlp, dev)
    unknown = [ent._.knn_unknown for doc in docs for ent in doc.ents]
    assert None in unknown and True in unknown
    report = evaluate(nlp.get_pipe("knn_ner"), dev, resamples=10)
    assert report["unknown"]["predicted"] == unknown.count(True)


def test_an_entity_is_as_far_as_the_farthest_of_its_tokens():
    nearest = np.array([0.1, 0.5, 0.2, np.nan])
    found = span_distances([(0, 3), (2, 3), (2, 4)], nearest)
    np.testing.assert_array_equal(found, [0.5, 0.2, np.nan])


def test_it_is_saved_with_the_doc():
    nlp = pipeline(unknown_distance=0.5)
    doc = nlp(Doc(nlp.vocab, words=["c"]))
    again = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert again.ents[0]._.knn_unknown is True
    assert again.ents[0]._.knn_score == doc.ents[0]._.knn_score
