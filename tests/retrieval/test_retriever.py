"""Contexts: where they come from, in which order, and which are left out."""

import dataclasses
import pickle
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from retrievers import TEXTS, find, finder, pipeline, returning
from spacy.tokens import DocBin
from util import SENTENCES, TOK2VEC, add_knn, annotated, initialized

from spacy_knn_ner.components.context_retriever import ContextRetriever
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.ml.contexts.on_docs import read
from spacy_knn_ner.reading.training.corpus import make_corpus
from spacy_knn_ner.retrieval.documents import document_contexts
from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex
from spacy_knn_ner.retrieval.engines.function import as_engine
from spacy_knn_ner.retrieval.known_texts import KnownTexts
from spacy_knn_ner.retrieval.limited import LimitedSearch
from spacy_knn_ner.retrieval.rerankers.fuzzy import Fuzzy


def test_known_texts_and_the_sentence_itself_are_left_out():
    sentence = "Ada Lovelace lived in London then"
    test_data = "Alan Turing worked at Bletchley Park"
    engine = returning(
        sentence, f"He said: {sentence.upper()}!", f"So {test_data}, too.", "ok", "ok"
    )
    (found,) = find(finder(engine, known=[test_data]), [sentence])
    assert [context["text"] for context in found] == ["ok"]


def test_planted_test_sentences_are_never_used(index):
    """All test data is in the knowledge source: none comes back."""
    sentences = [f"The {w} program of the capital {w} is new" for w in ("a", "b", "c")]
    index.add(sentences)
    index.add([f"It was said that {s.lower()}, as always" for s in sentences])
    found = find(finder(index, known=sentences, n_results=50, n_contexts=50), sentences)
    texts = {context["text"] for of_one in found for context in of_one}
    assert texts and texts <= set(TEXTS)


def test_re_ranking():
    engine = returning("zzz", "ada met", "ada met alan today")
    sentence = "Ada met Alan"
    (found,) = find(finder(engine, Fuzzy()), [sentence])
    assert [c["text"] for c in found] == ["ada met alan today", "ada met", "zzz"]
    assert found[0]["score"] > found[1]["score"]
    (first,) = find(finder(engine, Fuzzy(), n_contexts=1), [sentence])
    assert first == found[:1]
    (unranked,) = find(finder(engine), [sentence])
    assert [c["text"] for c in unranked] == ["zzz", "ada met", "ada met alan today"]


def test_contexts_are_left_on_docs():
    asked = []

    def engine(query, n):
        asked.append((query, n))
        return [f"about {query.split()[0]}"]

    nlp = pipeline(engine, n_results=5)
    doc = nlp("Ada lived here")
    assert doc._.contexts == [
        {"text": "about Ada", "kind": "retrieved", "start": 0, "score": 0.0}
    ]
    given = nlp.make_doc("Alan lived here")
    given._.contexts = ["mine"]
    documents = nlp.make_doc("Mary met Alan . They talked")
    for token in documents:
        token.is_sent_start = token.i in (0, 4)
    docs = list(nlp.pipe([given, nlp.make_doc(""), documents]))
    assert docs[0]._.contexts == ["mine"] and not docs[1]._.contexts
    found = [(c["text"], c["start"]) for c in docs[2]._.contexts]
    assert found == [("about Mary", 0), ("about They", 4)]
    assert asked[0] == ("Ada lived here", 5) and len(asked) == 3


def test_the_same_doc_twice():
    nlp = pipeline(returning("a text"))
    doc = nlp.make_doc("Ada")
    list(nlp.get_pipe("context_retriever").pipe([doc, doc]))
    assert len(doc._.contexts) == 1


def test_texts_that_have_no_encoding():
    """A web API may return what no file can hold."""
    nlp = pipeline(
        returning("a \ud800 text"),
        reranker={"@knn_rerankers": "spacy_knn_ner.Fuzzy.v1"},
    )
    (context,) = nlp("Ada lived here")._.contexts
    assert context["text"] == "a ? text"


def lines(caplog):
    """List the log lines of the package: other libraries write from their threads."""
    return [r.getMessage() for r in caplog.records if r.name == "spacy_knn_ner"]


def test_an_engine_that_fails(caplog):
    """One line in the log, and the text is read without contexts."""

    def engine(query, n):
        if "down" in query:
            raise ConnectionError("no route")
        return ["a text"]

    nlp = pipeline(engine)
    assert [doc._.contexts for doc in map(nlp, ["down", "it is down"])] == [[], []]
    (line,) = lines(caplog)
    assert "KNN-I005" in line and "no route" in line
    assert len(nlp("up")._.contexts) == 1
    assert nlp("down again")._.contexts == [] and len(lines(caplog)) == 2


def test_an_engine_that_is_slow(caplog):
    free = threading.Event()

    def engine(query, n):
        if "slow" in query:
            free.wait(60)
        return ["a text"]

    nlp = pipeline(engine, time_limit=0.3)
    assert nlp("slow")._.contexts == []
    assert nlp("fast")._.contexts == []  # the last search has not ended
    assert "no answer within 0.3 s" in caplog.text
    free.set()
    nlp.get_pipe("context_retriever").time_limit = 60
    found = (nlp("fast")._.contexts for _ in range(1000) if not time.sleep(0.01))
    assert next(filter(None, found))[0]["text"] == "a text"


def test_a_search_that_was_running_at_a_fork(monkeypatch):
    """The new process has no such thread, and does not wait for it."""
    free, search = threading.Event(), LimitedSearch()
    with pytest.raises(TimeoutError):
        search.run(lambda sentences: free.wait(60), ["a"], 0.05)
    with pytest.raises(TimeoutError, match="has not ended"):
        search.run(lambda sentences: [[]], ["a"], 60)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert search.run(lambda sentences: [[]], ["a"], 60) == [[]]
    free.set()


def test_the_time_limit_is_the_engines():
    """Texts are re-ranked where a pipeline runs, however long it takes."""
    threads = []

    class Reranker:
        def score(self, pairs):
            threads.append(threading.current_thread())
            return [1.0 for _ in pairs]

    nlp = pipeline(lambda query, n: ["a text"], time_limit=60)
    retriever = nlp.get_pipe("context_retriever")
    retriever.finder = dataclasses.replace(retriever.finder, reranker=Reranker())
    assert len(nlp("Ada lived")._.contexts) == 1
    assert threads == [threading.current_thread()]


def test_a_re_ranker_that_fails(caplog):
    class Reranker:
        def score(self, pairs):
            raise RuntimeError("out of memory")

    nlp = pipeline(lambda query, n: ["a text"])
    retriever = nlp.get_pipe("context_retriever")
    retriever.finder = dataclasses.replace(retriever.finder, reranker=Reranker())
    assert nlp("Ada lived")._.contexts == [] and "out of memory" in caplog.text


def test_an_engine_that_returns_too_much_or_too_little():
    (found,) = find(finder(returning(*"abcdef"), n_results=2, n_contexts=9), ["x y"])
    assert [context["text"] for context in found] == ["a", "b"]

    class Engine:
        def search(self, queries, n):
            return []

    with pytest.raises(KnnNerError, match="KNN-E140"):
        pipeline(Engine())("Ada lived")


def test_an_engine_that_ends_its_thread():
    """It fails once, and not for ever."""

    def engine(query, n):
        if "panic" in query:
            raise SystemExit(1)
        return ["a text"]

    nlp = pipeline(engine, time_limit=5.0)
    assert nlp("panic")._.contexts == []
    assert len(nlp("Ada lived")._.contexts) == 1
    # What a search leaves behind does not keep it from being copied.
    nlp.get_pipe("context_retriever")._search = pickle.loads(
        pickle.dumps(nlp.get_pipe("context_retriever")._search)
    )
    assert len(nlp("Ada lived")._.contexts) == 1


def test_few_docs_are_searched_for_at_once():
    sizes = []

    class Counting:
        def search(self, queries, n):
            sizes.append(len(queries))
            return [[] for _ in queries]

    nlp = pipeline(Counting())
    assert len(list(nlp.pipe(["Ada lived"] * 150, batch_size=1000))) == 150
    assert sizes == [64, 64, 22]


@pytest.mark.parametrize("found", ["text", None, [1], 7])
def test_functions_that_return_no_list_of_texts(found):
    with pytest.raises(KnnNerError, match="KNN-E138"):
        pipeline(lambda query, n: found)("Ada lived")


def test_what_is_no_engine():
    with pytest.raises(KnnNerError, match="KNN-E139"):
        as_engine(None)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, 10**400])
def test_time_limits_that_are_not_valid(value):
    with pytest.raises(KnnNerError, match="KNN-E137"):
        ContextRetriever(spacy.blank("en"), engine=returning(), time_limit=value)


def test_an_engine_that_finds_nothing():
    assert pipeline(lambda query, n: [])("Ada lived")._.contexts == []


def test_saving_a_retriever(tiny_bert, tmp_path):
    FullTextIndex(tmp_path / "index", create=True).add(TEXTS)
    nlp = spacy.blank("en")
    path = str(tmp_path / "index")
    config = {
        "engine": {"@knn_engines": "spacy_knn_ner.FullText.v1", "path": path},
        "reranker": {
            "@knn_rerankers": "spacy_knn_ner.BertScore.v1",
            "encoder": str(tiny_bert),
        },
    }
    nlp.add_pipe("context_retriever", config=config)
    expected = nlp("the capital")._.contexts
    assert len(expected) == 3
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    found = loaded("the capital")._.contexts
    assert [c["text"] for c in found] == [c["text"] for c in expected]
    assert (tmp_path / "model" / "context_retriever" / "reranker").exists()


def test_known_texts_are_read_from_files(tmp_path):
    (tmp_path / "test.txt").write_text("Ada Lovelace lived in London\n")
    engine = returning("Ada Lovelace lived in London", "other")
    nlp = pipeline(engine, known_texts=[str(tmp_path / "test.txt")])
    assert [c["text"] for c in nlp("Who lived there")._.contexts] == ["other"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=4))
def test_any_text_can_be_searched_for(text, texts):
    found = find(finder(returning(*texts), Fuzzy()), [text])
    assert len(found) == 1 and {c["text"] for c in found[0]} <= set(texts)


def test_sentences_around_in_the_same_document():
    nlp = spacy.blank("en")
    docs = [nlp.make_doc(text) for text in ("a b", "c d", "e f", "g", "h")]
    for doc, name in zip(docs, ("1", "1", "1", "2", None), strict=True):
        if name is not None:
            doc.user_data["document"] = name
    found = list(document_contexts(docs, n_words=2))
    contexts = [[(c["kind"], c["text"]) for c in doc._.contexts or ()] for doc in found]
    assert contexts == [
        [("after", "c d")],
        [("before", "a b"), ("after", "e f")],
        [("before", "c d")],
        [],
        [],
    ]
    assert docs[4]._.contexts is None and docs[3]._.contexts == []


@pytest.mark.slow
def test_a_build_that_was_killed_goes_on(tmp_path):
    """What was committed is there, and the rest is added by the same call."""
    script = f"""
import itertools, time
from spacy_knn_ner.retrieval.engines import full_text
full_text._BATCH = 100
index = full_text.FullTextIndex({str(tmp_path / "index")!r}, create=True)
def texts():
    for i in itertools.count():
        if i == 250:
            print("ready", flush=True)
            time.sleep(60)
        yield f"text number {{i}}"
index.add(texts())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    again = FullTextIndex(tmp_path / "index")
    assert len(again) == 200
    assert again.add(f"text number {i}" for i in range(300)) == 100
    assert len(again.search(["number 299"], 1)[0]) == 1


def test_contexts_are_stored_with_examples():
    """A rebuild gives the same keys, also when the engine is away."""
    texts = ["They met in Paris"]

    def engine(query, n):
        if not texts:
            raise ConnectionError("down")
        return texts

    nlp = pipeline(engine)
    layer = {"@architectures": "spacy_knn_ner.WithContexts.v1", "encoder": TOK2VEC}
    nlp.add_pipe("tok2vec", config={"model": layer})
    knn = add_knn(nlp)
    initialized(nlp)
    docs = [annotated(nlp.vocab, *sentence) for sentence in SENTENCES]
    knn.build(docs, show_progress=False)
    knn.teach("Ada met Mary", {"Mary": "person"})
    assert all(e.annotated.contexts for e in knn.datastore.examples)
    before = knn.datastore.store.keys.array().copy()
    texts.clear()
    knn.rebuild(show_progress=False)
    np.testing.assert_array_equal(knn.datastore.store.keys.array(), before)
    with pytest.raises(KnnNerError, match=r"KNN-E101.*down"):
        knn.build(docs, show_progress=False)


def test_a_hung_engine_is_one_thread():
    free = threading.Event()

    def engine(query, n):
        free.wait(20)
        return []

    nlp = pipeline(engine, time_limit=0.05)
    before = threading.active_count()
    for _ in range(10):
        nlp("Ada lived")
    assert threading.active_count() <= before + 1
    free.set()


@pytest.mark.parametrize("name", ["n_results", "n_contexts", "max_query_words"])
def test_numbers_that_are_not_valid(name):
    with pytest.raises(KnnNerError, match="KNN-E095"):
        pipeline(lambda query, n: [], **{name: 0})


def test_known_texts_that_are_missing(tmp_path):
    with pytest.raises(KnnNerError, match="KNN-E024"):
        pipeline(lambda query, n: [], known_texts=[str(tmp_path / "none.txt")])


def test_a_re_ranker_that_cannot_be_loaded(tiny_bert):
    """A setting that cannot work is an error, and not a search that failed."""
    block = {"@knn_rerankers": "spacy_knn_ner.BertScore.v1"}
    for more in (
        {"encoder": "no such encoder"},
        {"encoder": str(tiny_bert), "layer": 9},
    ):
        nlp = pipeline(lambda query, n: ["a"], reranker={**block, **more})
        with pytest.raises(KnnNerError, match="KNN-E109"):
            nlp("Ada lived")


def test_variants_of_characters_are_the_same_words(tmp_path):
    known = KnownTexts()
    known.add(["Le cafe\u0301 de la gare"])
    assert known.has("le caf\u00e9 de la gare")
    index = FullTextIndex(tmp_path, create=True)
    index.add(["cafe\u0301", "हिन्दी भाषा", "दादा हन"])
    found = index.search(["caf\u00e9", "हिन्दी भाषा"], 5)
    assert [[hit.text for hit in hits] for hits in found] == [
        ["cafe\u0301"],
        ["हिन्दी भाषा"],
    ]


def test_contexts_that_are_found_when_a_corpus_is_read(tmp_path):
    """For training in both views; Docs that have contexts keep them."""
    nlp = pipeline(lambda query, n: [f"about {query.split()[0]}"])
    docs = [annotated(nlp.vocab, *sentence) for sentence in SENTENCES[:2]]
    docs[1]._.contexts = ["mine"]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "a.spacy")
    path = tmp_path / "a.spacy"
    reader = make_corpus(path, views="both", annotate=["context_retriever"])
    found = [[c["text"] for c in read(e.predicted)] for e in reader(nlp)]
    assert found == [["about Ada"], ["about Ada"], ["mine"], ["mine"]]


def test_sentences_that_are_found_behind_a_retriever_are_an_error():
    """All contexts would belong to the first one."""
    nlp = pipeline(returning("ok"))
    layer = {"@architectures": "spacy_knn_ner.WithContexts.v1", "encoder": TOK2VEC}
    nlp.add_pipe("tok2vec", config={"model": layer})
    nlp.add_pipe("sentencizer", last=True)  # the encoder reads no sentences of it
    nlp.initialize()
    assert read(nlp("Ada Lovelace"))
    nlp.remove_pipe("sentencizer")
    nlp.add_pipe("sentencizer", before="tok2vec")
    with pytest.raises(KnnNerError, match=r"E144.*'sentencizer'"):
        nlp("Ada Lovelace. She left.")


def test_a_retriever_behind_the_encoder_is_an_error():
    """Its contexts would be read by nothing."""
    layer = {"@architectures": "spacy_knn_ner.WithContexts.v1", "encoder": TOK2VEC}
    before, after = pipeline(returning("ok")), pipeline(returning("ok"))
    before.add_pipe("tok2vec", config={"model": layer}, last=True)
    after.add_pipe("tok2vec", config={"model": layer}, first=True)
    for nlp in (before, after):
        nlp.initialize()
    assert read(before("Ada Lovelace"))
    with pytest.raises(KnnNerError, match=r"E143.*'tok2vec'"):
        after("Ada Lovelace")
