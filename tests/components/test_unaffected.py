"""Docs that nothing in the memory can change pass unread, and as they would be."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from util import annotated, view

from spacy_knn_ner.components.unaffected import affected

WORDS = ["b", "c", "B", "the", "Nation", " "]


def pipeline():
    """Behind an entity ruler's namesake: every "Nation" is an entity."""
    nlp = spacy.blank("en")
    nlp.add_pipe("nations")
    knn = nlp.add_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "the b c", [(1, 2, "one")], "missing")])
    knn.add([annotated(nlp.vocab, "B Nation the", [], "outside")])
    return nlp


@spacy.Language.component("nations")
def nations(doc):
    doc.set_ents(
        [Span(doc, t.i, t.i + 1, label="org") for t in doc if t.text == "Nation"]
    )
    return doc


@pytest.fixture(scope="module")
def nlp():
    return pipeline()


@settings(max_examples=200, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=7))
def test_nothing_differs(nlp, words):
    knn = nlp.get_pipe("knn_ner")
    found = nlp(Doc(nlp.vocab, words=words))
    expected = nations(Doc(nlp.vocab, words=words))
    knn.set_annotations([expected], knn.predict([expected]))
    assert view(found) == view(expected)
    assert [t.ent_iob for t in found] == [t.ent_iob for t in expected]


def test_most_docs_are_unaffected(nlp):
    knn = nlp.get_pipe("knn_ner")
    texts = ["the Nation c", "c the", "b", "the b c", "B Nation"]
    docs = [nations(Doc(nlp.vocab, words=text.split())) for text in texts]
    changed = [doc.text.strip() for doc in affected(docs, knn.matcher)]
    assert changed == ["the Nation c", "b", "the b c", "B Nation"]


def test_with_a_store_every_doc_is_read(built):
    knn = built.get_pipe("knn_ner")
    docs = [built.make_doc("nothing of it")]
    assert affected(docs, knn.matcher) == docs


@pytest.mark.filterwarnings("ignore:.*KNN-W005")
def test_entities_of_whitespace_pass():
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "BREAK", "pattern": [{"IS_SPACE": True}]}])
    knn = nlp.add_pipe("knn_ner")
    text = "Hello\nworld"
    expected = [ent.label_ for ent in nlp(text).ents]
    knn.add([annotated(nlp.vocab, "the b c", [(1, 2, "one")], "missing")])
    assert [ent.label_ for ent in nlp(text).ents] == expected
    assert [ent.label_ for ent in nlp("b\nworld").ents] == ["one", "BREAK"]
