"""Entities with their evidence, as HTML."""

import re
import sys
from types import ModuleType

import pytest
from spacy.tokens import Span
from util import SENTENCES, annotated, configure

from spacy_knn_ner.rendering import render

SENTENCE = SENTENCES[0][0]


@pytest.fixture
def nlp(built):
    configure(built.get_pipe("knn_ner"), weight=1.0)
    return built


def text_of(html):
    """What is seen while everything is closed."""
    body = re.sub(r"<style>.*?</style>|<details>.*?</details>", "", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", "", body).split())


def test_entities_stand_in_the_text_with_labels_and_scores(nlp):
    doc = nlp(SENTENCE)
    first, second = (f"{ent._.knn_score:.2f}" for ent in doc.ents)
    html = render(doc, nlp.get_pipe("knn_ner"))
    assert text_of(html) == (
        f"Ada Lovelaceperson {first} lived in Londonlocation {second}"
    )


def test_an_entity_opens_to_show_who_said_what(nlp):
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, SENTENCE, [(0, 2, "writer")])])
    html = render(nlp(SENTENCE), knn, n=1)
    inside = re.findall(r"<details>(.*?)</details>", html, flags=re.S)[0]
    for part in ("store", "corrections", "final", "distance 0.000, vote"):
        assert part in inside
    assert "correction: <strong>Ada</strong> Lovelace lived" in inside


def test_several_docs_make_a_page(nlp):
    docs = nlp.pipe([SENTENCE, "", "Nobody"])
    html = render(docs, nlp.get_pipe("knn_ner"), page=True)
    assert html.startswith("<!doctype html>") and html.count('class="knn-ner"') == 3


def test_text_is_text_and_not_html(nlp):
    knn = nlp.get_pipe("knn_ner")
    doc = nlp.make_doc("<b> & more")
    doc.set_ents([Span(doc, 0, 3, label="<i>")])
    knn.add([doc])
    html = render(nlp("<b> & more"), knn)
    assert text_of(html).startswith("&lt;b&gt;&lt;i&gt; 0.")
    assert "<b>" not in html and "<i>" not in html


def test_colors_are_displacys_unless_given(nlp):
    knn = nlp.get_pipe("knn_ner")
    knn.relabel("location", "GPE")
    html = render(nlp(SENTENCE), knn, colors={"person": "gold"})
    assert "background: gold" in html and "background: #feca74" in html


def test_a_notebook_shows_it(nlp, monkeypatch):
    shown = []
    module = ModuleType("IPython.display")
    module.HTML, module.display = str, shown.append
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    assert render(nlp(SENTENCE), nlp.get_pipe("knn_ner"), jupyter=True) is None
    assert "Lovelace" in shown[0]
