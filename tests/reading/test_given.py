"""What users give as examples."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_knn_ner.reading.given import given_docs

nlp = spacy.blank("en")


def doc_with_contexts():
    words = ["Ada", "left", "She", "wrote"]
    doc = Doc(nlp.vocab, words=words, sent_starts=[True, False] * 2)
    doc._.contexts = [{"text": "more", "kind": "retrieved", "start": 2}]
    return doc


@pytest.mark.parametrize(
    "entities",
    [{"Ada": "person"}, [(0, 3, "person")], {"entities": [(0, 3, "person")]}, None],
)
def test_examples_are_read_as_their_doc_is(entities):
    """With its sentences and its contexts: so keys are the vectors of prediction."""
    doc = doc_with_contexts()
    example = (doc, entities) if entities else Span(doc, 0, 1, label="person")
    (found,) = given_docs(nlp, example, "knn_ner")
    assert found is not doc and [ent.text for ent in found.ents] == ["Ada"]
    assert [sentence.start for sentence in found.sents] == [0, 2]
    assert found._.contexts == doc._.contexts


def test_texts_have_no_sentences_yet():
    (found,) = given_docs(nlp, ("Ada left. She wrote.", {"Ada": "person"}), "knn_ner")
    assert not found.has_annotation("SENT_START") and found._.contexts is None
