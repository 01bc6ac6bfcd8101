"""An `ner_tagger` with a CRF: what it learns, decodes, saves and refuses."""

import itertools

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed
from util import (
    SENTENCES,
    TEXTS,
    TOK2VEC,
    add_knn,
    annotated,
    annotated_docs,
    initialized,
    tagger_model,
)

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.reading import tagger_output
from spacy_knn_ner.tags import transitions

CRF = {**tagger_model(TOK2VEC), "@architectures": "spacy_knn_ner.CrfTagger.v1"}


def crf_pipeline(**config):
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_tagger", config={"model": CRF, **config})
    return nlp


def trained(nlp, n=30, docs=None):
    fix_random_seed(0)
    docs = annotated_docs(nlp) if docs is None else docs
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    sgd = nlp.initialize(lambda: examples)
    losses = [nlp.update(examples, sgd=sgd)["ner_tagger"] for _ in range(n)]
    return nlp, losses


@pytest.mark.parametrize("hidden_size", [None, 16])
@pytest.mark.parametrize("scheme", ["BILUO", "BIO"])
def test_it_learns(scheme, hidden_size):
    nlp = crf_pipeline(model={**CRF, "hidden_size": hidden_size}, tag_scheme=scheme)
    nlp, losses = trained(nlp)
    assert losses[-1] < 0.1 * losses[0]
    for text, entities in SENTENCES:
        assert [(e.start, e.end, e.label_) for e in nlp(text).ents] == entities
    # Scores of transitions are learned as well.
    assert nlp.get_pipe("ner_tagger").model.get_ref("crf").get_param("step").any()


def test_distributions_are_marginals_and_tags_are_the_best_sequence():
    nlp, _ = trained(crf_pipeline(), n=3)
    tagger = nlp.get_pipe("ner_tagger")
    tag_set, allowed = tagger.tag_set, transitions(tagger.tag_set)
    doc = nlp.make_doc("Grace met Alan")
    crf = tagger.model.get_ref("crf")
    (emissions,) = tagger.model.predict([doc])
    scores = {}
    for tags in itertools.product(range(len(tag_set)), repeat=3):
        steps = list(itertools.pairwise(tags))
        valid = allowed.first[tags[0]] and allowed.last[tags[-1]]
        if valid and all(allowed.step[a, b] for a, b in steps):
            score = sum(emissions[i, tag] for i, tag in enumerate(tags))
            score += sum(crf.get_param("step")[a, b] for a, b in steps)
            score += crf.get_param("start")[tags[0]] + crf.get_param("end")[tags[-1]]
            scores[tags] = float(score)
    total = np.logaddexp.reduce(list(scores.values()))
    expected = np.zeros((3, len(tag_set)))
    for tags, score in scores.items():
        expected[np.arange(3), tags] += np.exp(score - total)
    (prediction,) = tagger.predict([doc])
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-5)
    assert tuple(prediction.tags) == max(scores, key=scores.get)


def test_a_batch_gives_what_single_texts_give():
    nlp, _ = trained(crf_pipeline(), n=5)
    texts = [*TEXTS, "Ada " * 40]
    for text, doc in zip(texts, nlp.pipe(texts), strict=True):
        alone = tagger_output.read(nlp(text))["probabilities"]
        found = tagger_output.read(doc)["probabilities"]
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_tokens_without_annotation_may_be_anything():
    nlp = crf_pipeline()
    doc = annotated(nlp.vocab, "Ada met Alan", [(0, 1, "person")], default="missing")
    nlp, losses = trained(nlp, n=20, docs=[doc])
    assert losses[-1] < 0.5 * losses[0]
    assert nlp("Ada met Alan").ents[0].text == "Ada"
    nothing = annotated(nlp.vocab, "Ada met Alan", [], default="missing")
    example = Example(nlp.make_doc("Ada met Alan"), nothing)
    tagger = nlp.get_pipe("ner_tagger")
    loss, (gradient,) = tagger.get_loss([example], tagger.model.predict([nothing]))
    assert loss == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_a_new_label_keeps_what_was_learned(tmp_path):
    nlp, _ = trained(crf_pipeline())
    before = [[(e.text, e.label_) for e in nlp(text).ents] for text, _ in SENTENCES]
    nlp.get_pipe("ner_tagger").add_label("planet")
    after = [[(e.text, e.label_) for e in nlp(text).ents] for text, _ in SENTENCES]
    assert after == before
    sgd = nlp.resume_training()
    doc = annotated(nlp.vocab, "Mars is far", [(0, 1, "planet")])
    examples = [Example(nlp.make_doc("Mars is far"), doc)]
    for _ in range(40):
        nlp.update(examples, sgd=sgd)
    assert [ent.label_ for ent in nlp("Mars is far").ents] == ["planet"]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert [ent.label_ for ent in again("Mars is far").ents] == ["planet"]


def test_neighbors_are_mixed_with_the_marginals():
    nlp, _ = trained(crf_pipeline(), n=5)
    add_knn(nlp, weight=0.4, mode="all").build(annotated_docs(nlp))
    doc = nlp("Grace Hopper lived in Paris")
    scores = [ent._.knn_score for ent in doc.ents]
    assert scores and all(0 < score <= 1 for score in scores)


def test_gradients_on_half_precision_emissions_are_finite():
    nlp = initialized(crf_pipeline())
    tagger = nlp.get_pipe("ner_tagger")
    doc = annotated(nlp.vocab, "Ada met Alan", [(0, 1, "person")])
    example = Example(nlp.make_doc("Ada met Alan"), doc)
    scores = [np.full((3, len(tagger.tag_set)), 2000, dtype=np.float16)]
    loss, (gradient,) = tagger.get_loss([example], scores)
    assert np.isfinite(loss) and np.isfinite(gradient).all()


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_head_that_does_not_fit_the_saved_model(tmp_path, as_bytes):
    """A softmax was saved, and a CRF is loaded."""
    softmax = spacy.blank("en")
    softmax.add_pipe("ner_tagger", config={"model": tagger_model(TOK2VEC)})
    saved, crf = initialized(softmax), initialized(crf_pipeline())
    with pytest.raises(KnnNerError, match=r"KNN-E088.*ner_tagger"):
        if as_bytes:
            crf.get_pipe("ner_tagger").from_bytes(
                saved.get_pipe("ner_tagger").to_bytes()
            )
        else:
            saved.get_pipe("ner_tagger").to_disk(tmp_path / "tagger")
            crf.get_pipe("ner_tagger").from_disk(tmp_path / "tagger")


def test_texts_of_one_token_are_learned():
    nlp = crf_pipeline()
    docs = [
        annotated(nlp.vocab, "Paris", [(0, 1, "location")]),
        annotated(nlp.vocab, "Ada", [(0, 1, "person")]),
    ]
    nlp, losses = trained(nlp, docs=docs)
    assert losses[-1] < 0.2 * losses[0]
    assert [ent.label_ for ent in nlp("Paris").ents] == ["location"]
