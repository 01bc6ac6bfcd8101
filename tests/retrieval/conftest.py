"""Fixtures of retrieval."""

import pytest
from retrievers import TEXTS

from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex


@pytest.fixture
def index(tmp_path):
    made = FullTextIndex(tmp_path / "index", create=True)
    assert made.add(TEXTS) == len(TEXTS)
    return made
