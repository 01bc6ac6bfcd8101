"""Without torch, what needs it says so."""

import pytest
import spacy
from thinc import compat
from util import TOK2VEC, add_knn, annotated_docs, initialized, tagger_model

from spacy_knn_ner.errors import KnnNerError


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setattr(compat, "has_torch", False)


def test_a_crf(no_torch):
    model = {**tagger_model(TOK2VEC), "@architectures": "spacy_knn_ner.CrfTagger.v1"}
    with pytest.raises(KnnNerError, match=r"KNN-E084.*CrfTagger.*\[torch\]"):
        spacy.blank("en").add_pipe("ner_tagger", config={"model": model})


def test_contrast(no_torch):
    with pytest.raises(KnnNerError, match=r"KNN-E084.*token_contrast"):
        spacy.blank("en").add_pipe("token_contrast")


def test_a_projection(no_torch):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    knn = add_knn(nlp, keys={"projection": 8})
    initialized(nlp)
    with pytest.raises(KnnNerError, match=r"KNN-E084.*keys\.projection"):
        knn.build(annotated_docs(nlp), show_progress=False)
