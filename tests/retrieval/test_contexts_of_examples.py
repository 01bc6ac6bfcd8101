"""Contexts of what is stored, trained with or evaluated: searched for with success, or
an error; and what they are stored with."""

import numpy as np
import pytest
import spacy
from retrievers import TEXTS, pipeline
from spacy.tokens import DocBin
from util import SENTENCES, TOK2VEC, add_knn, annotated, initialized

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.geometry import entity_vectors
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.reading.training.corpus import make_corpus
from spacy_knn_ner.reading.view import set_view
from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex

LAYER = {"@architectures": "spacy_knn_ner.WithContexts.v1", "encoder": TOK2VEC}


class Server:
    """An engine that may be down."""

    def __init__(self):
        self.texts = ["They met in Paris"]
        self.is_down = False

    def __call__(self, query, n):
        if self.is_down:
            raise ConnectionError("no route")
        return self.texts


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def knn(server):
    """Of a pipeline with a retriever, built with what the server returns."""
    nlp = pipeline(server)
    nlp.add_pipe("tok2vec", config={"model": LAYER})
    knn = add_knn(nlp)
    initialized(nlp)
    knn.build(docs(nlp), show_progress=False)
    return knn


def docs(nlp):
    return [annotated(nlp.vocab, *sentence) for sentence in SENTENCES]


def keys(knn, **options):
    return encode(knn.reader, docs(knn.nlp), **options).keys.vectors


def stored(knn):
    return knn.datastore.store.keys.array().copy()


def test_an_evaluation_needs_the_search(knn, server, tmp_path):
    """What a failed search leaves is no result, and not kept in a cache."""
    server.is_down = True
    for options in ({}, {"cache": tmp_path / "cache"}):
        with pytest.raises(KnnNerError, match=r"KNN-E101.*no route"):
            keys(knn, **options)


def test_a_cache_knows_what_was_found(knn, server, tmp_path):
    before = keys(knn, cache=tmp_path / "cache")
    server.texts = ["Something quite different"]
    after = keys(knn, cache=tmp_path / "cache")
    np.testing.assert_array_equal(after, keys(knn))
    assert np.abs(after - before).max() > 1e-3


def test_the_vectors_of_types_need_the_search(knn, server):
    server.is_down = True
    with pytest.raises(KnnNerError, match=r"KNN-E101.*no route"):
        entity_vectors(knn.nlp, docs(knn.nlp))


def test_the_plain_view_needs_no_search(server):
    """Its vectors do not depend on contexts."""
    server.is_down = True
    nlp = pipeline(server)
    nlp.add_pipe("tok2vec", config={"model": LAYER})
    set_view(nlp, "plain")
    knn = add_knn(nlp)
    initialized(nlp)
    knn.build(docs(nlp), show_progress=False)
    assert len(keys(knn))
    assert all(e.annotated.contexts is None for e in knn.datastore.examples)


def test_a_correction_needs_the_search(knn, server):
    n = len(knn.datastore)
    server.is_down = True
    with pytest.raises(KnnNerError, match=r"KNN-E101.*no route"):
        knn.teach("Ada met Mary", {"Mary": "person"})
    assert len(knn.datastore) == n
    server.is_down = False
    knn.teach("Ada met Mary", {"Mary": "person"})
    (taught,) = [e for e in knn.datastore.examples if e.part == "corrections"]
    assert [c["text"] for c in taught.annotated.contexts] == server.texts


def test_a_rebuild_finds_the_contexts_of_an_older_store(server):
    """The store was built before the pipeline had a retriever."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": LAYER})
    knn = add_knn(nlp)
    initialized(nlp)
    knn.build(docs(nlp), show_progress=False)
    plain = stored(knn)
    engine = pipeline(server).get_pipe_config("context_retriever")["engine"]
    nlp.add_pipe("context_retriever", first=True, config={"engine": engine})
    server.is_down = True
    with pytest.raises(KnnNerError, match=r"KNN-E101"):
        knn.rebuild(show_progress=False)
    np.testing.assert_array_equal(stored(knn), plain)
    server.is_down = False
    knn.rebuild(show_progress=False)
    found = stored(knn)
    assert np.abs(found - plain).max() > 1e-3
    assert all(example.annotated.contexts for example in knn.datastore.examples)
    server.is_down = True  # they are stored now
    knn.rebuild(show_progress=False)
    np.testing.assert_array_equal(stored(knn), found)


def test_a_training_corpus_needs_the_search(server, tmp_path):
    """Otherwise a training with both views would be one of the plain view alone."""
    server.is_down = True
    nlp = pipeline(server)
    DocBin(docs=docs(nlp)).to_disk(tmp_path / "a.spacy")
    reader = make_corpus(tmp_path / "a.spacy", annotate=["context_retriever"])
    with pytest.raises(KnnNerError, match=r"KNN-E101.*no route"):
        list(reader(nlp))


def test_predictions_beside_it_need_none(knn, server):
    """`must_succeed` is of one call, and no state of the component."""
    server.is_down = True
    retriever = knn.nlp.get_pipe("context_retriever")
    with pytest.raises(KnnNerError, match=r"KNN-E101"):
        list(retriever.pipe([knn.nlp.make_doc("Ada")], must_succeed=True))
    assert knn.nlp("Ada met Alan")._.contexts == []


def test_files_of_a_pipeline_with_a_store_may_move(tmp_path):
    """Where texts are found is no part of how keys are made: each example has its
    own."""
    FullTextIndex(tmp_path / "index", create=True).add(TEXTS)
    engine = {
        "@knn_engines": "spacy_knn_ner.FullText.v1",
        "path": str(tmp_path / "index"),
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("context_retriever", config={"engine": engine})
    nlp.add_pipe("tok2vec", config={"model": LAYER})
    knn = add_knn(nlp)
    initialized(nlp)
    knn.build(docs(nlp), show_progress=False)
    expected = [ent.text for ent in nlp("Ada met Alan").ents]
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "index").rename(tmp_path / "moved")
    place = {"components.context_retriever.engine.path": str(tmp_path / "moved")}
    limit = {"components.context_retriever.time_limit": 9.0}
    loaded = spacy.load(tmp_path / "model", config={**place, **limit})
    assert [ent.text for ent in loaded("Ada met Alan").ents] == expected


def test_a_retriever_in_front_is_part_of_how_keys_are_made(knn):
    knn.nlp.remove_pipe("context_retriever")
    with pytest.raises(KnnNerError, match=r"KNN-E044"):
        knn.nlp("Ada met Alan")
