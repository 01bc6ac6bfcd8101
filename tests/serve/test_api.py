"""The API of `spacy knn serve`: entities, explanations and corrections for programs."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import postgres
import pytest
import schemathesis
import spacy
from hypothesis import given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient
from util import annotated_docs, cnn_pipeline

from spacy_knn_ner.serve.access import TOKEN, Access
from spacy_knn_ner.serve.app import create_app
from spacy_knn_ner.serve.gathering import Gathering
from spacy_knn_ner.serve.session import Session

TEXT = "Ada Lovelace lived in London"
XANADU = {
    "text": "we saw Xanadu",
    "spans": [{"start": 7, "end": 13, "label": "CITY"}],
}


def client_of(folder, access=None, **how):
    nlp = spacy.load(folder)
    app = create_app(Session(nlp, nlp.get_pipe("knn_ner")), access, **how)
    return TestClient(app, "http://localhost", raise_server_exceptions=False)


@pytest.fixture
def client(folder):
    return client_of(folder)


def labels(client, text):
    (found,) = client.post("/v1/entities", json={"texts": [text]}).json()["entities"]
    return [(entity["text"], entity["label"]) for entity in found]


def test_entities_are_those_of_the_pipeline(client, folder):
    texts = [TEXT, "", "Guests came", "  Kim saw Paris\n"]
    found = client.post("/v1/entities", json={"texts": texts}).json()["entities"]
    expected = [
        [(e.start_char, e.end_char, e.label_, e._.knn_score) for e in doc.ents]
        for doc in spacy.load(folder).pipe(texts)
    ]
    shown = [
        [(e["start"], e["end"], e["label"], e["score"]) for e in entities]
        for entities in found
    ]
    assert shown == expected and any(expected)
    for text, entities in zip(texts, found, strict=True):
        assert all(text[e["start"] : e["end"]] == e["text"] for e in entities)


def test_a_correction_holds_at_once_and_is_saved(client, folder):
    added = client.post("/v1/corrections", json=XANADU)
    assert added.status_code == 201 and "Xanadu" in added.json()["outcome"]
    assert labels(client, "we saw Xanadu") == [("Xanadu", "CITY")]
    again = client_of(folder)
    assert labels(again, "we saw Xanadu") == [("Xanadu", "CITY")]
    (one,) = again.get("/v1/corrections", params={"query": "xana"}).json()[
        "corrections"
    ]
    assert (one["text"], one["spans"]) == (XANADU["text"], XANADU["spans"])
    assert one["source"] == "serve" and [one["id"]] == added.json()["ids"]
    assert again.delete(f"/v1/corrections/{one['id']}").json() == {"entries": 1}
    assert labels(again, "we saw Xanadu") != [("Xanadu", "CITY")]
    assert client_of(folder).get("/v1/corrections").json()["count"] == 0
    assert again.delete(f"/v1/corrections/{one['id']}").status_code == 404


def test_a_correction_that_cannot_be_saved_is_not_added(client, folder):
    other = client_of(folder)
    other.post("/v1/corrections", json=XANADU)  # saves: this process has an older one
    refused = client.post("/v1/corrections", json={**XANADU, "text": "we met Xanadu"})
    assert refused.status_code == 409 and "KNN-E076" in refused.json()["error"]
    assert client.get("/v1/corrections").json()["count"] == 0


def test_a_complete_correction_says_that_there_is_nothing_else(client):
    given = {"text": TEXT, "spans": [{"start": 22, "end": 28, "label": "CITY"}]}
    client.post("/v1/corrections", json={**given, "complete": True})
    assert labels(client, TEXT) == [("London", "CITY")]
    (one,) = client.get("/v1/corrections").json()["corrections"]
    assert [span["label"] for span in one["spans"]] == [None] * 4 + ["CITY"]


def test_an_explanation_has_its_evidence(client):
    whole = client.post("/v1/explain", json={"text": TEXT}).json()
    assert "London" in whole["text"] and whole["entities"]
    part = {"text": TEXT, "start": 22, "end": 28, "neighbors": 2}
    (token,) = client.post("/v1/explain", json=part).json()["tokens"]
    assert token["text"] == "London" and token["neighbors"]
    for wrong in ({"start": 28, "end": 22}, {"start": 0, "end": 99}):
        answer = client.post("/v1/explain", json={"text": TEXT, **wrong})
        assert answer.status_code == 400 and "E055" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[" * 100_000, 400),
        ("{", 422),
        ("[]", 422),
        ('{"texts": "Ada"}', 422),
        ('{"texts": [1]}', 422),
        ('{"texts": [], "more": 1}', 422),
        ('{"texts": ["\\ud800"]}', 400),
        (json.dumps({"texts": [""] * 257}), 422),
        ('{"texts": ["' + "a" * (1 << 20) + '"]}', 413),
    ],
)
def test_what_is_no_request_is_refused_in_a_sentence(client, body, status):
    answer = client.post(
        "/v1/entities", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize(("end", "status"), [((1 << 31) - 1, 400), (1 << 31, 422)])
def test_a_position_far_beyond_the_text_is_refused(client, end, status):
    span = {"start": 0, "end": end, "label": "CITY"}
    given = {"text": TEXT, "spans": [span]}
    assert client.post("/v1/corrections", json=given).status_code == status


def test_a_method_that_is_not_there_names_those_that_are(client):
    answer = client.put("/v1/corrections", json={})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_a_correction_that_says_nothing_is_refused(client):
    nothing = {"text": TEXT, "spans": []}
    assert client.post("/v1/corrections", json=nothing).status_code == 422
    complete = {**nothing, "complete": True}
    assert client.post("/v1/corrections", json=complete).status_code == 201
    assert labels(client, TEXT) == []


def test_a_body_without_length_or_type_is_refused(client):
    def parts():
        yield b'{"texts": []}'

    as_json = {"Content-Type": "application/json"}
    answer = client.post("/v1/entities", content=parts(), headers=as_json)
    assert answer.status_code == 411
    plain = {"Content-Type": "text/plain"}
    answer = client.post("/v1/entities", content='{"texts": []}', headers=plain)
    assert answer.status_code == 422


def test_the_environment_may_set_the_token(folder, monkeypatch):
    monkeypatch.setenv(TOKEN, "secret")
    for host in ("127.0.0.1", "0.0.0.0"):
        client = client_of(folder, Access.at(host))
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/corrections").status_code == 401
        for wrong in ("Bearer other", "secret", "Basic secret"):
            headers = {"Authorization": wrong}
            assert client.get("/v1/corrections", headers=headers).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert client.get("/v1/corrections", headers=headers).status_code == 200
        assert client.get("/metrics").status_code == 401
        elsewhere = {"Host": "evil.example", **headers}
        assert client.get("/v1/corrections", headers=elsewhere).status_code == 403


def test_the_api_alone_has_no_page(folder):
    client = client_of(folder, has_page=False)
    assert client.get("/").status_code == 404
    assert client.get("/api/about").status_code == 404
    assert labels(client, TEXT)


def test_metrics_count_requests_and_tokens(client):
    labels(client, TEXT)
    client.post("/v1/entities", content="{")
    client.get("/v1/none")
    text = client.get("/metrics").text
    for line in (
        'knn_ner_requests_total{route="/v1/entities",status="200"} 1.0',
        'knn_ner_requests_total{route="/v1/entities",status="422"} 1.0',
        'knn_ner_requests_total{route="other",status="404"} 1.0',
        'knn_ner_request_seconds_count{route="/v1/entities"} 2.0',
        "knn_ner_tokens_total 5.0",
        'knn_ner_entries{part="corrections"} 0.0',
    ):
        assert line in text
    looked_up = re.search(r"^knn_ner_looked_up_total (\S+)$", text, re.MULTILINE)[1]
    assert 0 < float(looked_up) <= 5


class Pipeline:
    """Counts its calls; a text "!" is an error."""

    def __init__(self):
        self.nlp, self.calls = spacy.blank("en"), []
        self.memory_zone = self.nlp.memory_zone
        self.started, self.go = threading.Event(), threading.Event()

    def pipe(self, texts):
        self.calls.append(list(texts))
        self.started.set()
        self.go.wait(10)
        if "!" in texts:
            raise ValueError("!")
        return map(self.nlp, texts)


@pytest.mark.parametrize("wrong", [False, True])
def test_requests_that_wait_are_predicted_together(wrong):
    pipeline = Pipeline()
    gathering = Gathering(pipeline, threading.RLock())
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(gathering.entities, ["first"])
        assert pipeline.started.wait(10)
        texts = [[f"a{i}", f"b{i}"] for i in range(9)] + [["!"]] * wrong
        others = [threads.submit(gathering.entities, given) for given in texts]
        while len(gathering._waiting) < len(others):
            pass
        pipeline.go.set()
        assert first.result() == [[]]
        for given, other in zip(texts, others, strict=True):
            if given == ["!"]:
                assert isinstance(other.exception(), ValueError)
            else:
                assert other.result() == [[], []]
    together = pipeline.calls[1]
    assert sorted(together) == sorted(text for given in texts for text in given)


def test_a_shared_store_is_not_saved_but_shared(tmp_path):
    with postgres.running(tmp_path / "pg") as server:
        nlp = cnn_pipeline(weight=1.0)
        place = {"@knn_stores": "spacy_knn_ner.Postgres.v1", "url": server.url}
        knn = nlp.get_pipe("knn_ner")
        knn.set_settings(store={**place, "name": postgres.new_name()})
        knn.build(annotated_docs(nlp), show_progress=False)
        nlp.to_disk(tmp_path / "model")
        one, other = client_of(tmp_path / "model"), client_of(tmp_path / "model")
        added = one.post("/v1/corrections", json=XANADU).json()
        assert labels(other, "we saw Xanadu") == [("Xanadu", "CITY")]
        listed = other.get("/v1/corrections").json()
        assert [c["id"] for c in listed["corrections"]] == added["ids"]
        server.kill()
        away = other.post("/v1/entities", json={"texts": [TEXT]})
        assert away.status_code == 503 and "E118" in away.json()["error"]
        assert other.get("/healthz").status_code == 200
        server.start()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::spacy_knn_ner.errors.KnnNerWarning")
def test_requests_made_from_the_description_are_answered_as_described(folder):
    nlp = spacy.load(folder)
    access = Access.at("127.0.0.1", ["testserver"])
    app = create_app(Session(nlp, nlp.get_pipe("knn_ner")), access, has_page=False)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 7
    for operation in operations:

        @settings(max_examples=60, deadline=None, database=None)
        @given(operation.as_strategy())
        def check(case):
            # Whether a position is inside the text, no schema can say.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
