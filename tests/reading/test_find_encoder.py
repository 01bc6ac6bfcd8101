"""Every pipeline of spaCy's has vectors, or corrections act by words alone."""

import numpy as np
import pytest
import spacy
from util import (
    LISTENER,
    TOK2VEC,
    annotated,
    annotated_docs,
    entities,
    initialized,
    neighbors,
)

from spacy_knn_ner.errors import KnnNerError, KnnNerWarning
from spacy_knn_ner.reading.find_encoder import find_encoder

TEXT = "Ada Lovelace lived in London"


def behind_ner(*, listens=False):
    """A `ner` with an encoder of its own, or with that of a tok2vec in front."""
    nlp = spacy.blank("en")
    own = TOK2VEC
    if listens:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
        own = LISTENER
    model = {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
        "use_upper": True,
        "tok2vec": own,
    }
    nlp.add_pipe("ner", config={"model": model})
    initialized(nlp)
    nlp.add_pipe("knn_ner")
    return nlp


def with_static_vectors():
    nlp = spacy.blank("en")
    rng = np.random.default_rng(0)
    for word in TEXT.split()[1:]:
        nlp.vocab.set_vector(word, rng.normal(size=8))
    nlp.add_pipe("knn_ner")
    return nlp


def of_words():
    nlp = spacy.blank("en")
    with pytest.warns(KnnNerWarning, match="KNN-W005"):
        nlp.add_pipe("knn_ner")
    return nlp


PIPELINES = {
    "ner": behind_ner,
    "tensor": lambda: behind_ner(listens=True),
    "vectors": with_static_vectors,
    "words": of_words,
}


@pytest.mark.filterwarnings("ignore:.*KNN-W005")
@pytest.mark.parametrize("source", PIPELINES)
def test_corrections_work_in_every_pipeline(source, tmp_path):
    nlp = PIPELINES[source]()
    knn = nlp.get_pipe("knn_ner")
    assert knn.memory.encoder.find().source == source
    before = entities(nlp(TEXT))
    # "Ada" has no static vector.
    ids = knn.add([annotated(nlp.vocab, TEXT, [(0, 1, "new")], "missing")])
    nlp.to_disk(tmp_path)
    for one in (nlp, spacy.load(tmp_path)):
        assert (0, 1, "new") in entities(one(TEXT))
        assert (0, 1, "new") in entities(one("Ada wrote"))
        (evidence, *_) = neighbors(one.get_pipe("knn_ner"), one("Ada wrote"), 0)
        assert evidence.part == "corrections"
    knn.forget(ids)
    assert entities(nlp(TEXT)) == before


@pytest.mark.parametrize("source", ["ner", "tensor", "vectors"])
def test_a_store_of_every_encoder(source):
    nlp = PIPELINES[source]()
    knn = nlp.get_pipe("knn_ner")
    knn.set_settings(interpolation={"weight": 1.0}, k=1)
    knn.build([annotated(nlp.vocab, TEXT, [(4, 5, "city")])], show_progress=False)
    assert entities(nlp(TEXT)) == [(4, 5, "city")]


@pytest.mark.parametrize("source", ["ner", "vectors"])
def test_another_encoder_is_refused(source):
    nlp = PIPELINES[source]()
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, TEXT, [(0, 1, "new")])])
    if source == "vectors":
        nlp.vocab.set_vector("London", np.ones(8))
    else:
        for node in knn.memory.encoder.find().model.walk():
            if node.has_param("W"):
                node.set_param("W", node.get_param("W") + 1)
    knn.memory.encoder._checked = None  # as in a new process
    with pytest.raises(KnnNerError, match="KNN-E044"):
        nlp(TEXT)


def test_only_same_words_decide_there_is_no_store():
    nlp = of_words()
    knn = nlp.get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match="KNN-E053"):
        knn.build(annotated_docs(nlp), show_progress=False)
    knn.add([annotated(nlp.vocab, TEXT, [(0, 1, "new")])])
    with pytest.raises(KnnNerError, match="KNN-E053"):
        knn.consolidate()
    assert len(knn.datastore.corrections) and not len(knn.datastore.store)
    # Nor do corrections apply to other words, which all have the same key.
    knn.set_settings(corrections={"other_words_radius": 0.5})
    assert entities(nlp("Eve wrote")) == []


def test_words_without_a_static_vector_have_a_key():
    nlp = with_static_vectors()
    knn = nlp.get_pipe("knn_ner")
    (keys,) = knn.memory.encoder.read([nlp.make_doc("Ada and Lovelace")])
    assert keys.tokens.tolist() == [0, 1, 2]
    ada, other, lovelace = keys.vectors / np.linalg.norm(keys.vectors, axis=1)[:, None]
    assert ada @ other == pytest.approx(1) and abs(ada @ lovelace) < 0.02


def test_a_component_in_front_that_was_turned_off_is_an_error():
    """Its vectors are missing, so no others take their place."""
    nlp = behind_ner(listens=True)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, TEXT, [(0, 1, "new")])])
    with (
        nlp.select_pipes(disable=["tok2vec", "ner"]),
        pytest.raises(KnnNerError, match="KNN-E041"),
    ):
        nlp(TEXT)


def test_encoders_are_found_in_order():
    nlp = behind_ner(listens=True)
    assert find_encoder(nlp, "knn_ner", "auto").name == "tok2vec"
    assert find_encoder(nlp, "tok2vec", "auto").is_none
    assert find_encoder(nlp, "knn_ner", "ner").model is None  # it listens
