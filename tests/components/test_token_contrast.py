"""Stage one of NerCo: an encoder trained by contrast."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed
from util import LISTENER, TOK2VEC, annotated, annotated_docs

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.reading.annotations import gold_classes
from spacy_knn_ner.reading.training.entity_batches import make_batcher


def contrast_pipeline(**config):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("token_contrast", config={"model": LISTENER, **config})
    return nlp


def examples_of(nlp):
    return [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]


@pytest.mark.parametrize("reduction", ["sum", "class_mean"])
@pytest.mark.parametrize("classes", ["labels", "tags"])
def test_it_trains_the_encoder_in_front(reduction, classes):
    nlp = contrast_pipeline(reduction=reduction, classes=classes)
    fix_random_seed(0)
    examples = examples_of(nlp)
    sgd = nlp.initialize(lambda: examples)
    before = nlp.evaluate(examples)["contrast_score"]
    losses = [nlp.update(examples, sgd=sgd)["token_contrast"] for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    after = nlp.evaluate(examples_of(nlp))["contrast_score"]
    assert 0 < before < after <= 1


def test_only_the_vectors_of_annotated_tokens_are_moved():
    nlp = contrast_pipeline()
    nlp.initialize(lambda: examples_of(nlp))
    gold = annotated(
        nlp.vocab, "Ada met Alan", [(0, 1, "p"), (2, 3, "p")], default="missing"
    )
    example = Example(nlp.make_doc("Ada met Alan"), gold)
    vectors = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    vectors[0] = -vectors[2]
    contrast = nlp.get_pipe("token_contrast")
    _, (gradient,) = contrast.get_loss([example], [vectors])
    assert not gradient[1].any()


@pytest.mark.parametrize("entities", [[], [(0, 1, "person")]])
def test_a_batch_without_pairs_contributes_nothing(entities):
    nlp = contrast_pipeline()
    sgd = nlp.initialize(lambda: examples_of(nlp))
    gold = annotated(nlp.vocab, "Ada met Alan", entities)
    before = nlp.get_pipe("tok2vec").model.to_bytes()
    example = Example(nlp.make_doc("Ada met Alan"), gold)
    assert nlp.update([example], sgd=sgd)["token_contrast"] == 0
    assert nlp.get_pipe("tok2vec").model.to_bytes() == before


def test_classes_of_tokens():
    vocab = spacy.blank("en").vocab
    entities = [(0, 2, "PER.NAM"), (3, 4, "PER.NOM")]
    docs = [
        annotated(vocab, "Ada Lovelace met him", entities),
        annotated(vocab, "Alan met", [(0, 1, "PER.NAM")], default="missing"),
    ]
    examples = [Example(spacy.tokens.Doc(vocab, words=d.text.split()), d) for d in docs]
    assert gold_classes(examples, "labels").tolist() == [1, 1, 0, 2, 1, -1]
    assert gold_classes(examples, "tags").tolist() == [1, 2, 0, 3, 4, -1]


def test_it_is_saved_and_leaves_texts_alone(tmp_path):
    nlp = contrast_pipeline()
    nlp.initialize(lambda: examples_of(nlp))
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    vectors = [pipeline("Ada met Alan").tensor for pipeline in (nlp, again)]
    np.testing.assert_array_equal(*vectors)
    assert not again("Ada met Alan").ents


def test_batches_are_made_by_entities():
    nlp = spacy.blank("en")
    some, none = [(0, 1, "person"), (2, 3, "person")], []
    docs = [annotated(nlp.vocab, "Ada met Alan", e) for e in (some, none, some, none)]
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    sizes = [len(batch) for batch in make_batcher(size=3)(examples)]
    assert sizes == [3]  # the last one has no entity
    assert [len(b) for b in make_batcher(size=99, max_docs=2)(examples)] == [2, 2]
    registered = spacy.registry.batchers.get("spacy_knn_ner.batch_by_entities.v1")
    assert len(list(registered(size=1)(examples))) == 2


@pytest.mark.parametrize(
    "setting", [{"reduction": "all"}, {"classes": "words"}, {"temperature": 0.0}]
)
def test_settings_that_are_not_valid(setting):
    (name,) = setting
    with pytest.raises(KnnNerError, match=f"KNN-E040.*{name}"):
        contrast_pipeline(**setting)


def test_empty_texts_of_no_width():
    """Of spacy-transformers."""
    nlp = contrast_pipeline()
    nlp.initialize(lambda: examples_of(nlp))
    contrast = nlp.get_pipe("token_contrast")
    gold = annotated(nlp.vocab, "Ada met Alan", [(0, 1, "p"), (2, 3, "p")])
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    examples = [empty, Example(nlp.make_doc("Ada met Alan"), gold)]
    vectors = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    nothing = np.zeros((0, 0), dtype=np.float32)
    loss, gradients = contrast.get_loss(examples, [nothing, vectors])
    assert loss > 0
    assert [gradient.shape for gradient in gradients] == [(0, 0), (3, 8)]
    loss, (gradient,) = contrast.get_loss([empty], [nothing])
    assert loss == 0 and gradient.shape == (0, 0)
    assert nlp.evaluate([empty, *examples])["contrast_score"] > 0
