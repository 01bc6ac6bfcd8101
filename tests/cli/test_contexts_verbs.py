"""`spacy knn contexts`, and --view of other verbs."""

import json
import re

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from test_cli import run, run_json
from test_contexts import pipeline
from util import SENTENCES, annotated

from spacy_knn_ner import set_view
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.errors import KnnNerError


def documents(vocab):
    """Annotated Docs of two sentences each."""
    for one, other in zip(SENTENCES[::2], SENTENCES[1::2], strict=True):
        docs = [annotated(vocab, *one), annotated(vocab, *other)]
        doc = Doc.from_docs(docs)
        for token in doc:
            token.is_sent_start = token.i in (0, len(docs[0]))
        yield doc


def test_an_index_of_texts(tmp_path):
    """Built from files, searched, and used for a corpus."""
    (tmp_path / "a.txt").write_text("Ada wrote a program\nLondon is large\n")
    rows = [{"text": "Grace Hopper wrote a compiler"}, {"text": "London is large"}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)))
    vocab = spacy.blank("en").vocab
    DocBin(docs=[annotated(vocab, *SENTENCES[0])]).to_disk(tmp_path / "c.spacy")
    index = tmp_path / "index"
    inputs = [tmp_path / name for name in ("a.txt", "b.jsonl", "c.spacy")]
    assert "4 new texts, 4 in all" in run("contexts", "build", *inputs, index)[0]
    assert run_json("contexts", "build", *inputs, index)["new"] == 0
    found = run_json("contexts", "search", index, "the program of Ada", "-n", 2)
    assert found[0]["text"] == "Ada wrote a program"
    known = ["--known", tmp_path / "a.txt"]
    found = run_json("contexts", "search", index, "the program of Ada", *known)
    assert [context["text"] for context in found] == ["Ada Lovelace lived in London"]
    assert "Ada" in run("contexts", "search", index, "ada")[0]
    assert "Nothing was found" in run("contexts", "search", index, "zebra")[0]
    out = tmp_path / "out.spacy"
    add = ["contexts", "add", tmp_path / "c.spacy", out]
    assert run_json(*add, "--index", index)["with_contexts"] == 1
    (doc,) = read_docs(out, vocab)
    texts = [context["text"] for context in doc._.contexts]
    assert texts and doc.text not in texts and len(doc.ents) == 2


def test_sentences_around(tmp_path):
    vocab = spacy.blank("en").vocab
    docs = [annotated(vocab, *SENTENCES[i]) for i in range(3)]
    for doc in docs:
        doc.user_data["document"] = "one"
    path, out = tmp_path / "a.spacy", tmp_path / "b.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    text, _ = run("contexts", "add", path, out, "--document")
    assert "4 contexts for 3 of 3 Docs" in text
    assert [c["kind"] for c in read_docs(out, vocab)[1]._.contexts] == [
        "before",
        "after",
    ]
    DocBin(docs=list(documents(vocab))).to_disk(path)
    assert (
        "name of their document" in run("contexts", "add", path, out, "--document")[0]
    )


def test_what_verbs_refuse(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"x": 1}')
    index = tmp_path / "index"
    _, error = run("contexts", "build", tmp_path / "a.jsonl", index, code=1)
    assert "KNN-E105" in error and "line 2" in error
    _, error = run("contexts", "search", tmp_path / "none", "a", code=1)
    assert "KNN-E099" in error
    new = tmp_path / "new"
    _, error = run("contexts", "build", tmp_path / "none.txt", new, code=1)
    assert "KNN-E024" in error and not new.exists()
    _, error = run("contexts", "build", tmp_path / "a.jsonl", tmp_path, code=1)
    assert "KNN-E135" in error
    (tmp_path / "a.txt").write_text("Ada lived\n")
    run("contexts", "build", tmp_path / "a.txt", new)
    for path in new.glob("*.store"):
        path.unlink()  # damaged
    _, error = run("contexts", "search", new, "ada", code=1)
    assert "KNN-E136" in error or "KNN-E101" in error
    run("contexts", "add", tmp_path / "a", tmp_path / "b", code=2)


@pytest.mark.parametrize("kind", ["tok2vec", "transformer"])
def test_a_store_of_each_view(kind, tiny_bert, tmp_path):
    """Keys of one view are not compared with those of another."""
    nlp = pipeline(kind, tiny_bert, max_pieces=60)
    nlp.to_disk(tmp_path / "model")
    corpus = tmp_path / "documents.spacy"
    DocBin(docs=documents(nlp.vocab)).to_disk(corpus)
    for view in ("plain", "context"):
        built = tmp_path / view
        run("build", tmp_path / "model", corpus, built, "--view", view)
        found = run_json("evaluate", built, corpus, "--no-every-entry")
        assert found["systems"]["neighbors"]["f1"] > 0.9
    _, error = run("evaluate", tmp_path / "plain", corpus, "--view", "context", code=1)
    assert "KNN-E044" in error and "view of the encoder plain → context" in error
    assert re.search(r"view +plain", run("info", tmp_path / "plain")[0])
    _, error = run("evaluate", tmp_path / "plain", corpus, "--view", "other", code=1)
    assert "KNN-E094" in error
    # Contexts are stored with examples: a rebuild gives the same keys.
    loaded = spacy.load(tmp_path / "context")
    knn = loaded.get_pipe("knn_ner")
    before = knn.datastore.store.keys.array().copy()
    knn.rebuild(show_progress=False)
    assert (knn.datastore.store.keys.array() == before).all()
    # The view is compared again, also after the pipeline was used.
    docs = list(documents(loaded.vocab))
    loaded(docs[0].copy())
    set_view(loaded, "plain")
    with pytest.raises(KnnNerError, match=r"KNN-E044.*context → plain"):
        loaded(docs[0].copy())
    set_view(loaded, "context")
    loaded(docs[0].copy())


def test_a_view_without_contexts(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "model")
    corpus = tmp_path / "a.spacy"
    DocBin().to_disk(corpus)
    arguments = ["build", tmp_path / "model", corpus, tmp_path / "out"]
    _, error = run(*arguments, "--view", "plain", code=1)
    assert "KNN-E104" in error
