"""Fixtures; what they are made with is in util.py."""

import pytest
from util import annotated_docs, cnn_pipeline, make_tiny_bert


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    return make_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture
def cnn():
    return cnn_pipeline()


@pytest.fixture
def built(cnn):
    cnn.get_pipe("knn_ner").build(annotated_docs(cnn), show_progress=False)
    return cnn
