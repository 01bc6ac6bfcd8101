"""Span F1 equals seqeval's, strict, on the same tags."""

import os
from pathlib import Path

import numpy as np
import pytest
import seqeval.metrics
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.scheme import BILOU, IOB2
from spacy.tokens import Doc, Span
from util import annotated, entities

from spacy_knn_ner.evaluation.metrics import span_prf
from spacy_knn_ner.tags import TagSet, tags_to_spans

SCHEMES = {"BIO": IOB2, "BILUO": BILOU}
VOCAB = spacy.blank("en").vocab


def make_doc(vocab, words, tags):
    """A Doc with the entities that these tags spell."""
    doc = Doc(vocab, words=words)
    spans = tags_to_spans(tags)
    doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])
    return doc


def seqeval_scores(golds, predicted, scheme):
    """Precision, recall and F1 of seqeval on the tags of these Docs."""
    tags = [
        [
            [tag_set.tags[i] for i in tag_set.encode(len(doc), entities(doc))]
            for doc in docs
            for tag_set in [TagSet(scheme, tuple(sorted({e.label_ for e in doc.ents})))]
        ]
        for docs in (golds, predicted)
    ]
    p, r, f, _ = seqeval.metrics.v1.precision_recall_fscore_support(
        *tags, average="micro", scheme=SCHEMES[scheme], zero_division=0
    )
    return p, r, f


def spacy_scores(golds, predicted):
    score = span_prf(golds, [entities(doc) for doc in predicted])
    return score.precision, score.recall, score.fscore


tag_lists = st.lists(
    st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), min_size=1, max_size=8
)


@pytest.mark.parametrize("scheme", ["BIO", "BILUO"])
@given(pairs=st.lists(st.tuples(tag_lists, tag_lists), min_size=1, max_size=4))
@settings(deadline=None)
def test_span_f1_is_seqevals(scheme, pairs):
    cut = [(x[: len(y)], y[: len(x)]) for x, y in pairs]
    golds, predicted = (
        [make_doc(VOCAB, ["w"] * len(pair[side]), pair[side]) for pair in cut]
        for side in (0, 1)
    )
    if any(doc.ents for doc in golds):  # seqeval refuses to count nothing
        expected = pytest.approx(seqeval_scores(golds, predicted, scheme))
        assert spacy_scores(golds, predicted) == expected


def test_predictions_on_unannotated_tokens_are_neither_right_nor_wrong():
    gold = annotated(VOCAB, "Ada met Alan", [(0, 1, "person")], default="missing")
    found = [[(0, 1, "person"), (2, 3, "person")]]
    score = span_prf([gold], found)
    assert (score.precision, score.recall) == (1, 1)


@pytest.mark.slow
@pytest.mark.skipif(
    "SPACY_KNN_NER_DATA" not in os.environ, reason="needs the WNUT-17 mirror"
)
def test_span_f1_is_seqevals_on_wnut17():
    """Predictions are the gold entities, damaged in every way a tagger can."""
    from spacy_knn_ner.corpora.formats import read_corpus

    folder = Path(os.environ["SPACY_KNN_NER_DATA"])
    golds, _ = read_corpus(folder / "wnut17" / "emerging.test.annotated", vocab=VOCAB)
    labels = sorted({ent.label_ for gold in golds for ent in gold.ents})
    rng = np.random.default_rng(0)
    predicted = []
    for gold in golds:
        tags = np.array(["O"] * len(gold), dtype=object)
        for start, end, label in entities(gold):
            start += rng.integers(-1, 2) * (rng.random() < 0.3)
            end += rng.integers(-1, 2) * (rng.random() < 0.3)
            label = rng.choice(labels) if rng.random() < 0.3 else label
            if rng.random() < 0.8 and 0 <= start < end <= len(gold):
                tags[start:end] = f"I-{label}"
                tags[start] = f"B-{label}"
        predicted.append(make_doc(VOCAB, [token.text for token in gold], list(tags)))
    for scheme in SCHEMES:
        expected = seqeval_scores(golds, predicted, scheme)
        assert spacy_scores(golds, predicted) == pytest.approx(expected)
        assert 0.3 < expected[2] < 0.9
