"""Fixtures; what they are made with is in util.py."""

import os

import pytest
from util import annotated_docs, cnn_pipeline, make_tiny_bert, make_tiny_roberta

# Ray collects statistics in a thread that goes on after its tests and logs tracebacks.
# Python 3.11 formats those with `ast.parse`, which fails when another thread uses it at
# the same time.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def pytest_collection_modifyitems(items):
    """Put files with slow tests first, so that all processes end at the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    return make_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory):
    return make_tiny_roberta(tmp_path_factory.mktemp("tiny-roberta"))


@pytest.fixture
def cnn():
    return cnn_pipeline()


@pytest.fixture
def built(cnn):
    cnn.get_pipe("knn_ner").build(annotated_docs(cnn), show_progress=False)
    return cnn
