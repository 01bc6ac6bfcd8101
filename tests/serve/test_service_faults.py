"""What can go wrong in a service: nothing is acknowledged that is not kept, and every
answer says what it is."""

import threading

import pytest
import spacy
from spacy.language import Language
from starlette.testclient import TestClient

from spacy_knn_ner.components.knn_ner import KnnNer
from spacy_knn_ner.errors import Errors, KnnNerError
from spacy_knn_ner.serve.access import TOKEN, Access
from spacy_knn_ner.serve.app import create_app
from spacy_knn_ner.serve.session import Session

XANADU = {
    "text": "we saw Xanadu",
    "spans": [{"start": 7, "end": 13, "label": "CITY"}],
}
HERO = {**XANADU, "spans": [{"start": 7, "end": 13, "label": "HERO"}]}


@Language.component("fails_on_boom")
def fails_on_boom(doc):
    if "boom" in doc.text:
        raise ValueError("boom")
    return doc


@pytest.fixture
def session(folder):
    nlp = spacy.load(folder)
    return Session(nlp, nlp.get_pipe("knn_ner"))


@pytest.fixture
def client(session):
    return client_of(session)


def client_of(session, access=None, host="http://localhost"):
    app = create_app(session, access)
    return TestClient(app, host, raise_server_exceptions=False)


def listed(client):
    found = client.get("/v1/corrections").json()["corrections"]
    return [(one["id"], one["spans"][0]["label"]) for one in found]


def on_disk(folder):
    nlp = spacy.load(folder)
    return listed(client_of(Session(nlp, nlp.get_pipe("knn_ner"))))


def test_what_the_page_has_not_saved_is_saved_before_an_answer(client, folder):
    of_page = {"text": XANADU["text"], "paragraph": 0, "start": 2, "end": 3}
    client.post("/api/corrections", json={**of_page, "label": "CITY"})
    assert on_disk(folder) == []
    assert client.post("/v1/corrections", json=XANADU).status_code == 201
    assert on_disk(folder) == listed(client) != []


def test_a_failure_after_the_change_is_undone(client, folder, monkeypatch):
    def fails(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("spacy_knn_ner.components.teaching.outcome_of", fails)
        answer = client.post("/v1/corrections", json=XANADU)
        assert answer.status_code == 500 and answer.json()["error"]
    assert listed(client) == on_disk(folder) == []
    assert client.post("/v1/corrections", json=XANADU).status_code == 201
    assert listed(client) == on_disk(folder) != []


def test_a_correction_whose_search_for_contexts_fails(client, session, monkeypatch):
    """Later it may work."""

    def fails(texts):
        raise KnnNerError(Errors.E101, reason="no route")

    monkeypatch.setattr(session.knn.memory.encoder, "with_contexts", fails)
    answer = client.post("/v1/corrections", json=XANADU)
    assert answer.status_code == 503 and "KNN-E101" in answer.json()["error"]
    assert listed(client) == []


@pytest.mark.parametrize("code", ["E117", "E077"])
def test_a_removal_that_cannot_be_saved_is_undone(client, session, folder, code):
    for given in XANADU, HERO:  # the second one replaces the first
        client.post("/v1/corrections", json=given)
    ((i, label),) = before = listed(client)
    assert label == "HERO"
    text, save = getattr(Errors, code), session.save

    def fails():
        raise KnnNerError(text, path="model", reason="full")

    session.save = fails
    status = {"E117": 507, "E077": 503}[code]
    assert client.delete(f"/v1/corrections/{i}").status_code == status
    assert listed(client) == before == on_disk(folder)
    other = {**XANADU, "text": "We saw Xanadu too"}
    assert client.post("/v1/corrections", json=other).status_code == status
    assert listed(client) == before == on_disk(folder)
    assert session.unsaved == 0
    session.save = save
    assert client.delete(f"/v1/corrections/{i}").status_code == 200
    assert listed(client) == on_disk(folder)
    assert [label for _, label in listed(client)] == ["CITY"]  # it comes back


def test_a_full_disk_keeps_the_store_with_its_calibration(folder, monkeypatch):
    """Neither is replaced without the other."""
    nlp = spacy.load(folder)
    knn: KnnNer = nlp.get_pipe("knn_ner")
    knn.teach("we saw Xanadu", {"Xanadu": "CITY"})
    import os

    fsync = os.fsync

    def full(file):
        if "calibration" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(28, "No space left on device")
        fsync(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KnnNerError, match="KNN-E117"):
        knn.to_disk(folder / "knn_ner")
    assert on_disk(folder) == []


def test_dropped_texts_are_an_error(folder):
    nlp = spacy.load(folder)
    nlp.add_pipe("fails_on_boom")
    nlp.set_error_handler(lambda *_: None)
    client = client_of(Session(nlp, nlp.get_pipe("knn_ner")))
    texts = ["Ada lived in London", "boom", "Kim saw Paris"]
    answer = client.post("/v1/entities", json={"texts": texts})
    assert answer.status_code == 500 and "KNN-E129" in answer.json()["error"]
    answer = client.post("/v1/entities", json={"texts": texts[:1]})
    assert answer.status_code == 200, answer.text


def test_a_host_with_a_path_opens_nothing(session):
    access = Access("127.0.0.1", frozenset({"localhost"}), "secret")
    client = client_of(session, access)
    for host in (
        "127.0.0.1/static/",
        "127.0.0.1/healthz?",
        "a@127.0.0.1",
        "127.0.0.1#",
    ):
        answer = client.get("/v1/corrections", headers={"Host": host})
        assert answer.status_code == 403, host
    assert client.get("/v1/corrections").status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://[x"}, {"Host": "[::1]"}, {"Host": "["}]
)
def test_odd_headers_are_no_failure(client, headers):
    for path in ("/", "/?token=x", "/v1/corrections"):
        assert client.get(path, headers=headers).status_code < 500


def test_a_failure_is_answered_and_counted(client, session):
    session.knn.explain = None
    answer = client.post("/v1/explain", json={"text": "Ada"})
    assert answer.status_code == 500 and answer.json()["error"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    counted = 'knn_ner_requests_total{route="/v1/explain",status="500"} 1.0'
    assert counted in client.get("/metrics").text


def test_health_is_answered_while_many_wait(client, session):
    waiting = [
        threading.Thread(
            target=client.post, args=["/v1/entities"], kwargs={"json": {"texts": ["a"]}}
        )
        for _ in range(60)
    ]
    with client:
        with session.lock:
            for thread in waiting:
                thread.start()
            for path in ("/healthz", "/metrics"):
                assert client.get(path).status_code == 200
        for thread in waiting:
            thread.join()


def test_a_token_that_no_header_can_have(monkeypatch):
    monkeypatch.setenv(TOKEN, "schlüssel")
    with pytest.raises(KnnNerError, match="KNN-E132"):
        Access.at("127.0.0.1")


@pytest.mark.parametrize("label", [" ", " CITY", "CITY\n", ""])
def test_a_label_has_no_space_around_it(client, label):
    given = {**XANADU, "spans": [{**XANADU["spans"][0], "label": label}]}
    assert client.post("/v1/corrections", json=given).status_code == 422


def test_a_refused_request_undoes_nothing_of_others(session, monkeypatch):
    place = {"@knn_stores": "spacy_knn_ner.Qdrant.v1", "url": ":memory:", "name": "api"}
    session.knn.set_settings(store=place)
    nlp = spacy.load(session.nlp.path)
    nlp.get_pipe("knn_ner").set_settings(store=place)
    add = session.knn.add

    def slow(*values, **how):
        nlp.get_pipe("knn_ner").teach("we saw Utopia", {"Utopia": "CITY"})
        return add(*values, **how)

    monkeypatch.setattr(session.knn, "add", slow)
    client = client_of(session)
    wrong = {**XANADU, "spans": [{"start": 3, "end": 5, "label": "CITY"}]}
    assert client.post("/v1/corrections", json=wrong).status_code == 400
    assert [label for _, label in listed(client)] == ["CITY"]
