"""A datastore is only searched with the encoder that made it."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam
from util import (
    ENCODERS,
    annotated,
    annotated_docs,
    neighbors,
    pipeline_with,
    transformer_pipeline,
    view,
)

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.reading import tagger_output
from spacy_knn_ner.reading.encoder import KeyEncoder

TEXT = "Ada Lovelace lived in London"


@pytest.fixture(params=ENCODERS)
def filled(request, tiny_bert):
    nlp = pipeline_with(request.param, tiny_bert)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    return nlp


def encoder_weights(nlp):
    """A weight of the encoder, to be changed in place."""
    component = nlp.pipeline[0][1]
    for node in component.model.walk():
        for shim in node.shims:
            return next(shim._model.parameters()).detach().numpy()
        if node.name == "maxout":
            return node.get_param("W")
    raise AssertionError


def test_a_loaded_pipeline_is_recognized(filled, tmp_path):
    before = view(filled(TEXT))
    filled.to_disk(tmp_path)
    assert view(spacy.load(tmp_path)(TEXT)) == before


def test_a_changed_encoder_is_refused(filled, tmp_path):
    weights = encoder_weights(filled)
    weights += 1e-3
    filled.to_disk(tmp_path)
    nlp = spacy.load(tmp_path)
    with pytest.raises(KnnNerError, match=r"KNN-E044.*weights.*knn\.rebuild"):
        nlp(TEXT)
    knn = nlp.get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match="KNN-E044"):
        knn.add(annotated_docs(nlp))
    knn.build(annotated_docs(nlp), show_progress=False)
    nlp(TEXT)


def test_training_the_encoder_afterwards_is_noticed(filled):
    filled(TEXT)
    gold = annotated(filled.vocab, TEXT, [(0, 2, "person")])
    example = Example(filled.make_doc(TEXT), gold)
    for _ in range(2):  # nlp.update applies a shared encoder's gradient a step later
        filled.update([example], sgd=Adam(0.01))
    with pytest.raises(KnnNerError, match="KNN-E044"):
        filled(TEXT)


def test_training_without_this_component_is_noticed_too(filled):
    filled(TEXT)
    gold = annotated(filled.vocab, TEXT, [(0, 2, "person")])
    example = Example(filled.make_doc(TEXT), gold)
    with filled.select_pipes(disable="knn_ner"):
        for _ in range(2):
            filled.update([example], sgd=Adam(0.01))
    with pytest.raises(KnnNerError, match="KNN-E044"):
        filled(TEXT)


def test_training_the_taggers_head_alone_is_no_reason(built):
    """The vectors stay what they were."""
    gold = annotated(built.vocab, TEXT, [(0, 2, "person")])
    example = Example(built.make_doc(TEXT), gold)
    before = tagger_output.read(built(TEXT))["probabilities"]
    for _ in range(2):
        built.update(
            [example], sgd=Adam(0.01), exclude=["tok2vec"], annotates=["tok2vec"]
        )
    after = tagger_output.read(built(TEXT))["probabilities"]
    assert not np.allclose(before, after)


def test_all_weights_are_hashed_once_not_for_every_batch(built, monkeypatch):
    hashed = []
    name = "spacy_knn_ner.reading.fingerprint.hash_model"
    monkeypatch.setattr(name, lambda model, nlp: hashed.append(model) or "x")
    built.get_pipe("knn_ner").build(annotated_docs(built), show_progress=False)
    for _ in range(3):
        built(TEXT)
    assert len(hashed) == 2  # in build, and before the first search


def test_other_key_settings_are_refused(tiny_bert):
    nlp = transformer_pipeline(tiny_bert)
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    knn.keys = {"pooling": "first"}
    with pytest.raises(KnnNerError, match=r"KNN-E044.*keys.pooling mean → first"):
        nlp(TEXT)
    knn.keys = {"pooling": "mean"}
    nlp(TEXT)


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "pieces"])
def test_every_pooling_finds_its_own_text(tiny_bert, pooling):
    nlp = transformer_pipeline(tiny_bert, keys={"pooling": pooling}, weight=1, k=1)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    doc = nlp(TEXT)
    assert [ent.label_ for ent in doc.ents] == ["person", "location"]
    evidence = neighbors(nlp.get_pipe("knn_ner"), doc, 1, n=1)
    assert evidence[0].example_id == 1
    if pooling == "pieces":
        p = nlp.get_pipe("knn_ner").predict([doc])[0].p
        np.testing.assert_allclose(p.sum(axis=1), 1)


def test_the_tokenizer_counts_too(tiny_bert):
    nlp = transformer_pipeline(tiny_bert)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.get_pipe("transformer").model.tokenizer.add_tokens(["lovelace"])
    knn = nlp.get_pipe("knn_ner")
    knn.memory.encoder = KeyEncoder(nlp, knn, "knn_ner", knn.keys)
    with pytest.raises(KnnNerError, match="KNN-E044"):
        nlp("in the")


def test_the_windows_of_a_transformer_count_too(tiny_bert, tmp_path):
    """With other windows a token sees other neighbors, and has another vector."""
    nlp = transformer_pipeline(tiny_bert, window=16)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path)
    windows = {"components.transformer.model.get_spans.window": 6}
    other = spacy.load(tmp_path, config=windows)
    with pytest.raises(KnnNerError, match=r"KNN-E044.*config of the encoder"):
        other(TEXT)


def test_where_weights_come_from_does_not_count(tiny_bert, tmp_path):
    nlp = transformer_pipeline(tiny_bert)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    before = view(nlp(TEXT))
    nlp.to_disk(tmp_path)
    config = {
        "components.transformer.model.name": "another/name",
        "components.ner_tagger.model.tok2vec.grad_factor": 0.5,
    }
    assert view(spacy.load(tmp_path, config=config)(TEXT)) == before


@pytest.mark.parametrize("matters", [True, False])
def test_components_before_the_encoder_count_if_they_may_change_what_it_reads(matters):
    nlp = pipeline_with("cnn", None)
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    nlp.add_pipe("sentencizer" if matters else "entity_ruler", first=True)
    knn.memory.encoder._checked = None
    if matters:
        with pytest.raises(KnnNerError, match=r"KNN-E044.*components before it"):
            nlp(TEXT)
    else:
        nlp(TEXT)


def test_weights_are_hashed_once_and_again_after_training(filled, monkeypatch):
    from spacy_knn_ner.reading import encoder

    hashed, original = [], encoder.fingerprint

    def counting(*args):
        hashed.append(1)
        return original(*args)

    monkeypatch.setattr(encoder, "fingerprint", counting)
    for _ in range(3):
        filled(TEXT)
    n = len(hashed)
    assert n <= 1
    examples = [Example(filled.make_doc(d.text), d) for d in annotated_docs(filled)]
    for _ in range(2):  # a shared encoder is updated a step later
        filled.update(examples, sgd=Adam(0.01))
    with pytest.raises(KnnNerError, match="KNN-E044"):
        filled(TEXT)
    assert len(hashed) == n + 1
