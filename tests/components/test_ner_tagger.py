"""The tagger: what it learns, leaves on the Doc, and refuses."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, RAdam, fix_random_seed
from util import (
    LISTENER,
    SENTENCES,
    TEXTS,
    TOK2VEC,
    annotated,
    annotated_docs,
    initialized,
    tagger_model,
)

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.reading import tagger_output


def tagger_pipeline(**config):
    nlp = spacy.blank("en")
    config = {"model": tagger_model(TOK2VEC), **config}
    nlp.add_pipe("ner_tagger", config=config)
    return nlp


def examples_of(nlp):
    return [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]


@pytest.mark.parametrize("hidden_size", [None, 16])
@pytest.mark.parametrize("scheme", ["BILUO", "BIO"])
def test_it_learns(scheme, hidden_size):
    model = {**tagger_model(TOK2VEC), "hidden_size": hidden_size}
    nlp = tagger_pipeline(model=model, tag_scheme=scheme)
    fix_random_seed(0)
    examples = examples_of(nlp)
    sgd = nlp.initialize(lambda: examples)
    losses = []
    for _ in range(30):
        losses.append(nlp.update(examples, sgd=sgd)["ner_tagger"])
    assert losses[-1] < 0.05 * losses[0]
    for text, entities in SENTENCES:
        ents = [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents]
        assert ents == entities
    assert nlp.evaluate(examples)["ents_f"] == 1


def test_the_gradient_is_that_of_the_cross_entropy():
    """Checked by finite differences; unannotated tokens have none."""
    nlp = initialized(tagger_pipeline())
    tagger = nlp.get_pipe("ner_tagger")
    gold = annotated(nlp.vocab, "Ada met Alan", [(0, 1, "person")], default="missing")
    example = Example(nlp.make_doc("Ada met Alan"), gold)
    logits = np.random.default_rng(0).normal(size=(3, len(tagger.tag_set)))

    def loss(logits):
        exp = np.exp(logits)
        p = exp / exp.sum(axis=1, keepdims=True)
        return tagger.get_loss([example], [p])

    _, (gradient,) = loss(logits)
    for i, j in np.ndindex(*logits.shape):
        step = np.zeros_like(logits)
        step[i, j] = 1e-5
        slope = (loss(logits + step)[0] - loss(logits - step)[0]) / 2e-5
        assert gradient[i, j] == pytest.approx(slope, abs=1e-6)
    assert not gradient[1:].any()


@pytest.mark.parametrize("listening", [False, True])
def test_what_it_hands_over(listening):
    nlp = spacy.blank("en")
    if listening:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    model = tagger_model(LISTENER if listening else TOK2VEC)
    nlp.add_pipe("ner_tagger", config={"model": model})
    nlp = initialized(nlp)
    tags = nlp.get_pipe("ner_tagger").tag_set.tags
    for doc in nlp.pipe(TEXTS):
        value = tagger_output.read(doc)
        assert value["scheme"] == "BILUO"
        assert tuple(value["tags"]) == tags
        assert value["probabilities"].shape == (len(doc), len(tags))
        np.testing.assert_allclose(value["probabilities"].sum(axis=1), 1, atol=1e-5)
        if listening:
            assert value["vectors"] is None
        else:
            assert value["vectors"].shape == (len(doc), 32)
        again = spacy.tokens.Doc(nlp.vocab).from_bytes(doc.to_bytes())
        np.testing.assert_array_equal(
            tagger_output.read(again)["probabilities"], value["probabilities"]
        )


@pytest.mark.parametrize("way", ["disk", "bytes"])
def test_saved_and_loaded_it_predicts_the_same(way, tmp_path):
    nlp = initialized(tagger_pipeline())
    if way == "disk":
        nlp.to_disk(tmp_path)
        again = spacy.load(tmp_path)
    else:
        again = tagger_pipeline()
        again.from_bytes(nlp.to_bytes())
    for text in TEXTS:
        np.testing.assert_array_equal(
            tagger_output.read(again(text))["probabilities"],
            tagger_output.read(nlp(text))["probabilities"],
        )
    assert again.get_pipe("ner_tagger").labels == ("location", "person")


def test_a_new_label_leaves_what_was_learnt():
    nlp = initialized(tagger_pipeline())
    tagger = nlp.get_pipe("ner_tagger")
    before = tagger_output.read(nlp("Ada met Alan"))["probabilities"]
    assert tagger.add_label("work") == 1
    assert tagger.add_label("work") == 0
    after = tagger_output.read(nlp("Ada met Alan"))
    assert after["tags"][-4:] == ["B-work", "I-work", "L-work", "U-work"]
    np.testing.assert_allclose(after["probabilities"][:, :9], before, atol=1e-3)
    work = annotated(nlp.vocab, "I read Frankenstein", [(2, 3, "work")])
    examples = [Example(nlp.make_doc("I read Frankenstein"), work)]
    sgd = Adam(0.01)
    for _ in range(60):
        nlp.update(examples, sgd=sgd)
    assert [ent.label_ for ent in nlp("I read Frankenstein").ents] == ["work"]


def test_labels_can_be_given_or_read():
    nlp = tagger_pipeline()
    examples = examples_of(nlp)
    nlp.get_pipe("ner_tagger").initialize(lambda: examples, labels=["x", "y"])
    tagger = nlp.get_pipe("ner_tagger")
    assert tagger.labels == tagger.label_data == ("x", "y")


def test_no_label_at_all_is_refused():
    nlp = tagger_pipeline()
    doc = annotated(nlp.vocab, "Nobody came", [])
    with pytest.raises(KnnNerError, match="KNN-E010"):
        nlp.initialize(lambda: [Example(nlp.make_doc("Nobody came"), doc)])


def test_a_label_unknown_in_training_is_refused():
    nlp = initialized(tagger_pipeline())
    doc = annotated(nlp.vocab, "Nobody came", [(0, 1, "ghost")])
    with pytest.raises(KnnNerError, match=r"KNN-E011.*'ghost'"):
        nlp.update([Example(nlp.make_doc("Nobody came"), doc)])


def test_another_scheme_cannot_be_loaded(tmp_path):
    initialized(tagger_pipeline()).to_disk(tmp_path)
    with pytest.raises(KnnNerError, match="KNN-E012"):
        spacy.load(tmp_path, config={"components.ner_tagger.tag_scheme": "BIO"})
    with pytest.raises(KnnNerError, match="KNN-E001"):
        tagger_pipeline(tag_scheme="IOB")


def weights_of(model):
    nodes = [node for node in model.walk() if node.param_names]
    names = [(node, name) for node in nodes for name in node.param_names]
    return np.concatenate([n.get_param(name).ravel() for n, name in names])


@pytest.mark.parametrize("listening", [False, True])
def test_the_first_updates_can_train_the_head_alone(listening):
    nlp = spacy.blank("en")
    if listening:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    model = tagger_model(LISTENER if listening else TOK2VEC)
    nlp.add_pipe("ner_tagger", config={"model": model, "head_only_updates": 3})
    examples = examples_of(nlp)
    sgd = nlp.initialize(lambda: examples)
    tagger = nlp.get_pipe("ner_tagger")
    head = tagger.model.get_ref("head")
    encoder = nlp.get_pipe("tok2vec").model if listening else tagger.model.layers[0]
    moved = []
    for _ in range(5):
        before = weights_of(encoder), weights_of(head)
        nlp.update(examples, sgd=sgd)
        after = weights_of(encoder), weights_of(head)
        moved.append([(b != a).any() for b, a in zip(before, after, strict=True)])
    # spaCy applies the gradients of a tok2vec one update later.
    assert moved == [[False, True]] * 3 + [[not listening, True], [True, True]]


def test_the_head_can_learn_at_a_rate_of_its_own():
    changes = []
    for rate in (1.0, 10.0):
        nlp = initialized(tagger_pipeline(head_learn_rate=rate))
        model = nlp.get_pipe("ner_tagger").model
        parts = [model.get_ref("tok2vec"), model.get_ref("head")]
        before = [weights_of(part) for part in parts]
        nlp.update(examples_of(nlp), sgd=Adam(0.001, grad_clip=0.0, L2=0.0))
        changes.append(
            [
                np.abs(weights_of(p) - b).max()
                for p, b in zip(parts, before, strict=True)
            ]
        )
    (encoder, head), (same_encoder, faster_head) = changes
    assert same_encoder == pytest.approx(encoder, rel=1e-3)
    assert faster_head == pytest.approx(10 * head, rel=1e-3)


def test_a_new_training_begins_with_the_head_alone():
    nlp = initialized(tagger_pipeline(head_only_updates=2))
    for _ in range(2):
        examples = examples_of(nlp)
        sgd = nlp.initialize(lambda: examples)  # noqa: B023
        encoder = nlp.get_pipe("ner_tagger").model.get_ref("tok2vec")
        before = weights_of(encoder)
        nlp.update(examples, sgd=sgd)
        np.testing.assert_array_equal(weights_of(encoder), before)
        for _ in range(3):
            nlp.update(examples, sgd=sgd)
        assert (weights_of(encoder) != before).any()


def test_rates_of_parts_need_an_optimizer_that_knows_them():
    nlp = initialized(tagger_pipeline(head_learn_rate=10.0))
    with pytest.raises(KnnNerError, match="KNN-E092"):
        nlp.update(examples_of(nlp), sgd=RAdam(0.001))
