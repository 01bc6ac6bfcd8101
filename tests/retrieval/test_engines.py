"""Engines: an index, a file, a search server, any function."""

import json
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from retrievers import TEXTS, find, finder

from spacy_knn_ner.errors import Errors, KnnNerError
from spacy_knn_ner.registry import resolve
from spacy_knn_ner.retrieval.base import Hit
from spacy_knn_ner.retrieval.engines.file import ContextFile
from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex
from spacy_knn_ner.retrieval.engines.server import make_search_server


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


def test_folders_that_are_no_index(index, tmp_path):
    """An index is not made among other files, and one that is damaged says so."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for name in ("notes", "file"):
        with pytest.raises(KnnNerError, match="KNN-E135"):
            FullTextIndex(tmp_path / name, create=True)
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["a.txt"]
    (tmp_path / "notes" / "meta.json").write_text('{"lang": "en"}')
    for create in (True, False):
        with pytest.raises(KnnNerError, match="KNN-E136"):
            FullTextIndex(tmp_path / "notes", create=create)


def test_an_index_whose_making_was_interrupted(tmp_path):
    """Files of tantivy alone: it is made again."""
    for name in (".managed.json", ".tantivy-writer.lock"):
        (tmp_path / name).write_text("[]")
    made = FullTextIndex(tmp_path, create=True)
    assert made.add(["a text"]) == 1 and len(made) == 1


def test_texts_that_another_process_has_added_meanwhile(index):
    """They are not added twice."""
    other = FullTextIndex(index.path)
    n = len(index)
    assert other.add(["one", "two"]) == 2
    assert index.add(["one", "two", "three"]) == 1
    assert len(index) == n + 3


def test_two_writers(index):
    """The second one is told; nothing is lost."""

    def texts():
        yield "first"
        with pytest.raises(KnnNerError, match=r"KNN-E136.*in use"):
            FullTextIndex(index.path).add(["second"])
        yield "third"

    assert index.add(texts()) == 2
    assert index.add(["second"]) == 1
    for error in (
        KnnNerError(Errors.E093, found="x"),
        ValueError("row 7"),
        ValueError(),
    ):
        with pytest.raises(ValueError) as raised:
            index.add(raise_in_turn(error))
        assert raised.value is error  # of the texts, not of the index


def raise_in_turn(error):
    yield "a"
    raise error


def test_scripts_without_spaces(tmp_path):
    index = FullTextIndex(tmp_path, create=True)
    index.add(["ผมอาศัยอยู่ในกรุงเทพ", "เขาอยู่ที่เชียงใหม่", "__init__ of _Ada_"])
    found = index.search(["กรุงเทพ", "ada"], 1)
    assert [hit.text[:3] for hits in found for hit in hits] == ["ผมอ", "__i"]
    index.add(["ในปี2020และ"])
    assert len(index.search(["year 2020"], 1)[0]) == 1


@pytest.mark.parametrize("query", ["", "AND OR NOT", "text:(", '"\\', "\ud800", "*:*"])
def test_a_query_is_not_a_language(index, query):
    assert index.search([query], 3) == [[]]


def test_there_is_no_index(tmp_path):
    with pytest.raises(KnnNerError, match="KNN-E099"):
        FullTextIndex(tmp_path)
    with pytest.raises(KnnNerError, match="KNN-E141"):
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
    for broken in (tmp_path / "none", tmp_path):
        with pytest.raises(KnnNerError, match="KNN-E024"):
            ContextFile(broken)


def test_long_sentences_are_looked_up_as_a_whole(tmp_path):
    path = tmp_path / "contexts.jsonl"
    sentence = "Ada, who lived in London, wrote it; " * 9
    row = {"text": sentence, "contexts": ["a"]}
    path.write_text("\ufeff" + json.dumps(row), encoding="utf8")
    (found,) = find(finder(ContextFile(path)), [sentence])
    assert [context["text"] for context in found] == ["a"]


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
    nested = make_search_server("wiki", "content.text", server, client)
    sources = [{"content": {"text": "a"}}, {"content": "b"}, {}, {"content.text": "c"}]
    hits = [{"_score": 1, "_source": source} for source in sources]
    Server.answer = {"took": 1, "responses": [{"hits": {"hits": hits}}]}
    assert nested.search(["a"], 3) == [[Hit("a", 1.0), Hit("c", 1.0)]]
    del hits[0], hits[-1]
    with pytest.raises(RuntimeError, match=r"content\.text"):
        nested.search(["a"], 3)


@pytest.mark.parametrize("client", ["elasticsearch", "opensearch"])
def test_every_process_has_a_connection_of_its_own(client, server, monkeypatch):
    engine = make_search_server("wiki", "body", server, client)
    Server.answer = {"took": 1, "responses": [{"hits": {"hits": []}}]}
    engine.search(["a"], 1)
    first = engine._client
    assert engine._client is first
    monkeypatch.setattr("os.getpid", lambda: -1)  # as after a fork
    assert engine._client is not first
    copied = pickle.loads(pickle.dumps(engine))
    assert copied.search(["a"], 1) == [[]]


def test_credentials_are_not_in_a_config(monkeypatch):
    monkeypatch.delenv("SEARCH_URL", raising=False)
    for url in (None, "http://user:secret@localhost"):
        with pytest.raises(KnnNerError, match="KNN-E102"):
            make_search_server("wiki", url=url)
