"""A saved pipeline to serve."""

import pytest
from util import annotated_docs, cnn_pipeline


@pytest.fixture
def folder(tmp_path):
    nlp = cnn_pipeline(weight=1.0)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"
