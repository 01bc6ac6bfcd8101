"""Contexts: where they come from, in which order, and which are left out."""

import json
import pickle
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from util import SENTENCES, TOK2VEC, add_knn, annotated, initialized

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.registry import knn_engines, resolve
from spacy_knn_ner.retrieval.base import Hit
from spacy_knn_ner.retrieval.documents import document_contexts
from spacy_knn_ner.retrieval.engines.file import ContextFile
from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex
from spacy_knn_ner.retrieval.engines.function import FunctionEngine
from spacy_knn_ner.retrieval.engines.server import make_search_server
from spacy_knn_ner.retrieval.find import Finder
from spacy_knn_ner.retrieval.known_texts import KnownTexts
from spacy_knn_ner.retrieval.queries import make_queries
from spacy_knn_ner.retrieval.rerankers.bert_score import BertScore
from spacy_knn_ner.retrieval.rerankers.fuzzy import Fuzzy

TEXTS = [
    "Ada Lovelace wrote the first program for Babbage's engine.",
    "London is the capital of England.",
    "我住在北京，喜欢吃面条。",
    "The capital of France is Paris.",
    "Program: a plan of events.",
]


# --- queries and known texts ---------------------------------------------------------


def test_long_sentences_are_several_queries():
    sentence = "Ada, who lived in London, wrote a program; it was the first."
    assert make_queries(sentence, 30) == [sentence]
    assert make_queries(sentence, 5) == [
        "Ada,",
        "who lived in London,",
        "wrote a program;",
        "it was the first.",
    ]
    assert make_queries("我住在北京，喜欢吃面条。", 5) == [
        "我住在北京，",
        "喜欢吃面条。",
    ]
    assert make_queries("  ", 5) == make_queries("... !", 1) == []


def test_texts_that_share_a_passage_are_known():
    known = KnownTexts(length=4, shortest=3)
    known.add(["One two three four five six.", "Alpha, beta; gamma", "London"])
    assert known.has("zero ONE two, three four")
    assert known.has("two three four five")
    assert not known.has("one two three and four five six")
    assert known.has("that is alpha beta gamma indeed")
    assert known.has("london!") and not known.has("London is large")


@given(
    st.lists(st.text("ab c,.", max_size=30), max_size=5), st.text("ab c", max_size=9)
)
def test_what_is_known_is_known_in_any_text(texts, more):
    known = KnownTexts(length=3, shortest=2)
    known.add(texts)
    for text in texts:
        assert known.has(text)
        if len(text.replace(",", " ").replace(".", " ").split()) >= 2:
            assert known.has(f"{more} {text} {more}")


# --- engines -------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path):
    made = FullTextIndex(tmp_path / "index", create=True)
    assert made.add(TEXTS) == len(TEXTS)
    return made


def test_a_full_text_index(index):
    found = index.search(["the capital of England", "北京", "program"], 2)
    assert [hit.text for hit in found[0]] == [TEXTS[1], TEXTS[3]]
    assert [hit.text for hit in found[1]] == [TEXTS[2]]
    assert {hit.text for hit in found[2]} == {TEXTS[0], TEXTS[4]}
    assert all(hit.score > 0 for hits in found for hit in hits)


def test_it_is_persistent_and_grows(index):
    again = FullTextIndex(index.path)
    assert len(again) == len(TEXTS)
    assert again.add([*TEXTS, "Paris in spring", "Paris in spring", "...", ""]) == 1
    assert len(again) == len(TEXTS) + 1
    copied = pickle.loads(pickle.dumps(again))
    assert [hit.text for hit in copied.search(["spring"], 5)[0]] == ["Paris in spring"]


@pytest.mark.parametrize("query", ["", "AND OR NOT", "text:(", '"\\', "\ud800", "*:*"])
def test_a_query_is_not_a_language(index, query):
    assert index.search([query], 3) == [[]]


def test_there_is_no_index(tmp_path):
    with pytest.raises(KnnNerError, match="KNN-E099"):
        FullTextIndex(tmp_path)
    with pytest.raises(KnnNerError, match="KNN-E099"):
        resolve({"@knn_engines": "spacy_knn_ner.FullText.v1"})


def test_a_file_of_contexts(tmp_path):
    path = tmp_path / "contexts.jsonl"
    rows = [
        {"text": "Ada lived.", "contexts": ["a", "b", "c"]},
        {"text": "ada lived", "contexts": ["d"]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (found, nothing) = ContextFile(path).search(["ADA lived!", "x"], 4)
    assert [hit.text for hit in found] == ["a", "b", "c", "d"] and nothing == []
    for line in ("{", "[]", '{"text": "a"}', '{"text": 1, "contexts": []}', "[" * 9999):
        path.write_text(json.dumps(rows[0]) + "\n" + line)
        with pytest.raises(KnnNerError, match=r"KNN-E100.*line 2"):
            ContextFile(path)


class Server(BaseHTTPRequestHandler):
    """Answers as Elasticsearch does."""

    answer: ClassVar[dict] = {}
    seen: ClassVar[list] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.seen.append((self.path, [json.loads(x) for x in body.splitlines()]))
        self._send(self.answer)

    def do_GET(self):
        version = {"number": "8.15.0", "build_flavor": "default"}
        self._send({"version": version, "tagline": "You Know, for Search"})

    def _send(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        kind = self.headers["Accept"] or "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    Server.seen = []
    made = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize("client", ["elasticsearch", "opensearch"])
def test_a_search_server(client, server):
    hits = [{"_score": 2.5, "_source": {"body": "one"}}]
    Server.answer = {
        "took": 1,
        "responses": [{"hits": {"hits": hits}}, {"hits": {"hits": []}}],
    }
    engine = make_search_server("wiki", "body", server, client)
    assert engine.search(["a", "b"], 7) == [[Hit("one", 2.5)], []]
    (path, lines) = Server.seen[-1]
    assert path.startswith("/_msearch")
    assert lines[0] == {"index": "wiki"} and lines[1]["size"] == 7
    assert [line["query"]["match"]["body"] for line in lines[1::2]] == ["a", "b"]
    Server.answer = {"took": 1, "responses": [{"error": {"type": "x"}}]}
    with pytest.raises(RuntimeError, match="type"):
        engine.search(["a"], 7)


def test_credentials_are_not_in_a_config(monkeypatch):
    monkeypatch.delenv("SEARCH_URL", raising=False)
    for url in (None, "http://user:secret@localhost"):
        with pytest.raises(KnnNerError, match="KNN-E102"):
            make_search_server("wiki", url=url)


# --- re-rankers ----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("layer", [1, 2])
def test_bert_score_is_that_of_its_package(tiny_bert, layer):
    package = pytest.importorskip("bert_score")
    pairs = [
        ("ada lived in london", "the hotel in london"),
        ("a", "ada met alan and they read the book in the hotel by the sea"),
        ("ada met alan", "ada met alan"),
        ("the inner hinder", ""),
    ]
    theirs = package.BERTScorer(str(tiny_bert), num_layers=layer, device="cpu")
    texts, sentences = [p[1] for p in pairs], [p[0] for p in pairs]
    expected = theirs.score(texts, sentences)
    for part, values in zip(("precision", "recall", "f1"), expected, strict=True):
        for size in (1, 64):
            ours = BertScore(str(tiny_bert), layer, part, batch_size=size)
            np.testing.assert_allclose(ours.score(pairs), values, atol=1e-4)


def test_rare_pieces_count_more(tiny_bert):
    """The recall of a sentence is the more that of its rare pieces."""
    texts = ["the"] * 19 + ["z"]
    pairs = [("the z", "the a")]
    scorer = BertScore(str(tiny_bert), 1, "recall", texts)
    (found,) = scorer.score(pairs)
    encoded = scorer._encode(list(pairs[0]))
    best = (encoded["the z"][0] @ encoded["the a"][0].T).max(dim=1).values
    of_the, of_z = np.log(21 / 20), np.log(21 / 2)
    expected = (of_the * best[1] + of_z * best[2]) / (of_the + of_z)
    assert found == pytest.approx(float(expected), abs=1e-5)
    assert BertScore(str(tiny_bert), 1, "recall").score(pairs)[0] > found


def test_texts_are_encoded_once(tiny_bert):
    scorer = BertScore(str(tiny_bert))
    first = scorer.score([("ada", "alan"), ("ada", "mary")])
    _, model = scorer._loaded
    model.forward = None  # would fail
    assert scorer.score([("ada", "mary"), ("ada", "alan")]) == first[::-1]


def test_saving_a_re_ranker(tiny_bert, tmp_path):
    scorer = BertScore(str(tiny_bert))
    pairs = [("ada met alan", "alan met ada")]
    scorer.to_disk(tmp_path)
    other = BertScore("there is none")
    other.from_disk(tmp_path)
    assert other.score(pairs) == scorer.score(pairs)
    with pytest.raises(KnnNerError, match="KNN-E103"):
        BertScore(str(tiny_bert), part="x")


def test_fuzzy_match():
    same, near, far = Fuzzy().score([("Ada", "ada"), ("ada", "adam"), ("ada", "zzz")])
    assert same == 1 > near > far == 0


# --- all of it -----------------------------------------------------------------------


def finder(engine, reranker=None, known=(), **settings):
    texts = KnownTexts()
    texts.add(known)
    numbers = {"n_results": 20, "n_contexts": 3, "max_query_words": 30, **settings}
    return Finder(engine, reranker, texts, **numbers)


def returning(*texts):
    return FunctionEngine(lambda query, n: texts)


def test_known_texts_and_the_sentence_itself_are_left_out():
    sentence = "Ada Lovelace lived in London then"
    test_data = "Alan Turing worked at Bletchley Park"
    engine = returning(
        sentence, f"He said: {sentence.upper()}!", f"So {test_data}, too.", "ok", "ok"
    )
    (found,) = finder(engine, known=[test_data]).find([sentence])
    assert [context["text"] for context in found] == ["ok"]


def test_planted_test_sentences_are_never_used(index):
    """All test data is in the knowledge source: none comes back."""
    sentences = [f"The {w} program of the capital {w} is new" for w in ("a", "b", "c")]
    index.add(sentences)
    index.add([f"It was said that {s.lower()}, as always" for s in sentences])
    found = finder(index, known=sentences, n_results=50, n_contexts=50).find(sentences)
    texts = {context["text"] for of_one in found for context in of_one}
    assert texts and texts <= set(TEXTS)


def test_re_ranking():
    engine = returning("zzz", "ada met", "ada met alan today")
    sentence = "Ada met Alan"
    (found,) = finder(engine, Fuzzy()).find([sentence])
    assert [c["text"] for c in found] == ["ada met alan today", "ada met", "zzz"]
    assert found[0]["score"] > found[1]["score"]
    (first,) = finder(engine, Fuzzy(), n_contexts=1).find([sentence])
    assert first == found[:1]
    (unranked,) = finder(engine).find([sentence])
    assert [c["text"] for c in unranked] == ["zzz", "ada met", "ada met alan today"]


def pipeline(engine, **settings):
    nlp = spacy.blank("en")
    name = f"test.{id(engine)}.v1"
    knn_engines.register(name, func=lambda: engine)
    nlp.add_pipe(
        "context_retriever", config={"engine": {"@knn_engines": name}, **settings}
    )
    return nlp


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


def test_an_engine_that_fails(caplog):
    """One line in the log, and the text is read without contexts."""

    def engine(query, n):
        if "down" in query:
            raise ConnectionError("no route")
        return ["a text"]

    nlp = pipeline(engine)
    assert [doc._.contexts for doc in map(nlp, ["down", "it is down"])] == [[], []]
    assert len(caplog.records) == 1 and "KNN-I005" in caplog.text
    assert "no route" in caplog.text
    assert len(nlp("up")._.contexts) == 1
    assert nlp("down again")._.contexts == [] and len(caplog.records) == 2


def test_an_engine_that_is_slow(caplog):
    def engine(query, n):
        time.sleep(1 if "slow" in query else 0)
        return ["a text"]

    nlp = pipeline(engine, time_limit=0.3)
    start = time.monotonic()
    assert nlp("slow")._.contexts == []
    assert time.monotonic() - start < 0.9
    assert nlp("fast")._.contexts == []  # the last search has not ended
    time.sleep(1.2)
    assert len(nlp("fast")._.contexts) == 1
    assert "no answer within 0.3 s" in caplog.text


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
    found = finder(returning(*texts), Fuzzy()).find([text])
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
