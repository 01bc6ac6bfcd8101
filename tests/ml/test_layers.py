"""Layers on top of a frozen encoder: gradients, padding, and what contrast trains."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate
from util import LISTENER, TOK2VEC, annotated_docs

from spacy_knn_ner.ml.layers import build_linear_layer, build_transformer_layer

WIDTH_IN, WIDTH = 8, 4


def given_vectors():
    """A model that returns its input, which is lists of vectors here."""
    return Model("given", lambda model, X, is_train: (X, lambda d: d), dims={"nO": 8})


def layer(kind):
    fix_random_seed(0)
    if kind == "linear":
        model = build_linear_layer(given_vectors(), WIDTH)
    else:
        model = build_transformer_layer(given_vectors(), WIDTH_IN, WIDTH, 2, 0.0)
    return model.initialize(X=sequences([3, 2]))


def sequences(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, WIDTH_IN)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_sequences_do_not_depend_on_their_batch(kind):
    model, X = layer(kind), sequences([5, 1, 0, 3])
    together = model.predict(X)
    assert [y.shape for y in together] == [(len(x), WIDTH) for x in X]
    for x, y in zip(X, together, strict=True):
        if len(x):
            np.testing.assert_allclose(model.predict([x])[0], y, atol=1e-5)


@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_gradients_reach_the_input(kind):
    model, X = layer(kind), sequences([3, 2])
    set_dropout_rate(model, 0.0)
    _, backprop = model.begin_update(X)
    weights = sequences([3, 2], seed=1)
    gradients = backprop([w[:, :WIDTH].copy() for w in weights])

    def value(inputs):
        pairs = zip(model.predict(inputs), weights, strict=True)
        return sum(float((y * w[:, :WIDTH]).sum()) for y, w in pairs)

    for i, (row, column) in ((0, (1, 2)), (1, (0, 5))):
        steps = []
        for step in (1e-2, -1e-2):
            moved = [x.copy() for x in X]
            moved[i][row, column] += step
            steps.append(value(moved))
        slope = (steps[0] - steps[1]) / 2e-2
        assert gradients[i][row, column] == pytest.approx(slope, rel=0.02, abs=5e-3)


def frozen_pipeline(kind):
    """An encoder, a layer that listens to it, and contrast that listens to that."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", name="encoder", config={"model": TOK2VEC})
    vectors = {**LISTENER, "upstream": "encoder"}
    model = {"@architectures": "spacy_knn_ner.LinearLayer.v1", "width": 16}
    if kind == "transformer":
        model = {
            "@architectures": "spacy_knn_ner.TransformerLayer.v1",
            "input_width": vectors["width"],
            "width": 16,
        }
    nlp.add_pipe(
        "tok2vec", name="layer", config={"model": {**model, "vectors": vectors}}
    )
    listener = {**LISTENER, "width": 16, "upstream": "layer"}
    nlp.add_pipe("token_contrast", config={"model": listener})
    return nlp


@pytest.mark.parametrize("kind", ["linear", "transformer"])
def test_contrast_trains_the_layer_and_leaves_the_encoder(kind, tmp_path):
    nlp = frozen_pipeline(kind)
    fix_random_seed(0)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]
    nlp.initialize(lambda: examples)
    encoder = nlp.get_pipe("encoder").model.to_bytes()
    before = nlp.evaluate(examples)["contrast_score"]
    sgd = Adam(0.01)
    for _ in range(30):
        nlp.update(examples, sgd=sgd, exclude=["encoder"], annotates=["encoder"])
    assert nlp.get_pipe("encoder").model.to_bytes() == encoder
    assert nlp.evaluate(examples)["contrast_score"] > before + 0.1
    knn = nlp.add_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    assert knn.datastore.width == 16
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    text = "Grace Hopper lived in Paris"
    np.testing.assert_allclose(again(text).tensor, nlp(text).tensor, atol=1e-6)
    assert [e.text for e in again(text).ents] == [e.text for e in nlp(text).ents]


def test_empty_texts_behind_an_encoder_that_gives_them_no_width():
    model = layer("transformer")
    X = [np.zeros((0, 0), dtype=np.float32), *sequences([2])]
    outputs, backprop = model.begin_update(X)
    assert [len(y) for y in outputs] == [0, 2]
    assert [len(g) for g in backprop(outputs)] == [0, 2]
    only_empty = [np.zeros((0, 0), dtype=np.float32)] * 2
    assert [len(y) for y in model.predict(only_empty)] == [0, 0]
    outputs, backprop = model.begin_update(only_empty)
    backprop(outputs)
