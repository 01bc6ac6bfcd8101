"""`spacy knn serve`: what the page asks, and the page itself in a browser."""

import re
import shutil
import sys

import pytest
import spacy
from browser import needs_chromium, opened, serving
from starlette.testclient import TestClient
from typer.testing import CliRunner
from util import annotated_docs, cnn_pipeline

from spacy_knn_ner.cli.app import app as cli
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.serve.access import Access
from spacy_knn_ner.serve.app import create_app
from spacy_knn_ner.serve.session import LONGEST, Session

TEXT = "Ada Lovelace lived in London\n\n  \nNobody came to the party"
FIRST, SECOND = TEXT.splitlines()[0], TEXT.splitlines()[-1]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Its neighbors decide, so it knows its own sentences."""
    nlp = cnn_pipeline(weight=1.0)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    folder = tmp_path_factory.mktemp("serve") / "model"
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def folder(model, tmp_path):
    return shutil.copytree(model, tmp_path / "model")


@pytest.fixture
def session(folder):
    nlp = spacy.load(folder)
    return Session(nlp, nlp.get_pipe("knn_ner"))


def client_of(*arguments):
    app = create_app(*arguments)
    address = "http://localhost"
    return TestClient(app, address, follow_redirects=False)


@pytest.fixture
def client(session):
    return client_of(session)


def entities(session, text=TEXT):
    return [
        [(e["start"], e["end"], e["label"]) for e in paragraph["entities"]]
        for paragraph in session.tag(text)["paragraphs"]
    ]


# --- the session --------------------------------------------------------------


def test_each_line_is_looked_at_by_itself(session):
    found = session.tag(TEXT)["paragraphs"]
    assert [len(paragraph["tokens"]) for paragraph in found] == [5, 5]
    assert entities(session) == [[(0, 2, "person"), (4, 5, "location")], []]
    assert all(0 <= e["score"] <= 1 for e in found[0]["entities"])
    assert session.tag(" \n")["paragraphs"] == []


def test_a_correction_is_heeded_at_once_and_keeps_its_paragraph_only(session):
    session.correct(TEXT, 1, 4, 5, "event")
    assert entities(session) == [
        [(0, 2, "person"), (4, 5, "location")],
        [(4, 5, "event")],
    ]
    assert "event" in session.about()["labels"]
    (listed,) = session.corrections()["corrections"]
    assert listed["tokens"][0] == ["Nobody", True]
    assert listed["spans"] == [(4, 5, "event")]  # nothing else was said
    assert listed["source"] == "serve"


def test_what_is_marked_replaces_what_it_overlaps(session):
    session.correct(TEXT, 0, 1, 2, "name")
    assert entities(session)[0] == [(1, 2, "name"), (4, 5, "location")]
    (listed,) = session.corrections()["corrections"]
    assert listed["spans"] == [(0, 1, ""), (1, 2, "name")]


def test_what_is_no_entity_can_be_taught(session):
    session.correct(TEXT, 0, 0, 2, " ")
    assert entities(session)[0] == [(4, 5, "location")]
    (listed,) = session.corrections()["corrections"]
    assert listed["spans"] == [(0, 2, "")]


def test_what_was_added_is_listed_and_searched_and_deleted(session):
    before = session.tag(TEXT)
    session.correct(TEXT, 1, 4, 5, "event")
    session.correct(TEXT, 0, 2, 3, "verb")
    found = session.corrections()
    assert [c["spans"] for c in found["corrections"]] == [
        [(2, 3, "verb")],
        [(4, 5, "event")],
    ]
    for query, n in (("nobody", 1), ("VERB", 1), ("serve", 2), ("other", 0)):
        assert session.corrections(query)["count"] == n
    for correction in found["corrections"]:
        session.forget(correction["example_id"])
    assert session.corrections()["count"] == 0
    assert session.tag(TEXT) == before


def test_it_is_saved_where_it_is_from(session, folder):
    assert session.about()["unsaved"] == 0
    session.correct(TEXT, 1, 4, 5, "event")
    assert session.about()["unsaved"] == 1
    assert session.save() == {"folder": str(folder)}
    assert session.about()["unsaved"] == 0
    assert [ent.label_ for ent in spacy.load(folder)(SECOND).ents] == ["event"]


def test_it_can_be_saved_elsewhere(folder, tmp_path):
    nlp = spacy.load(folder)
    other = tmp_path / "other"
    session = Session(nlp, nlp.get_pipe("knn_ner"), output=other)
    session.correct(TEXT, 1, 4, 5, "event")
    session.save()
    assert not spacy.load(folder)(SECOND).ents
    assert [ent.label_ for ent in spacy.load(other)(SECOND).ents] == ["event"]


def test_what_is_elsewhere_already_is_not_replaced(folder, model, tmp_path):
    nlp = spacy.load(folder)
    for output in (model, tmp_path / "new"):
        if output.exists():
            with pytest.raises(KnnNerError, match="E085"):
                Session(nlp, nlp.get_pipe("knn_ner"), output=output)
        else:
            session = Session(nlp, nlp.get_pipe("knn_ner"), output=output)
            session.save()
            session.save()
    late = Session(nlp, nlp.get_pipe("knn_ner"), output=tmp_path / "late")
    shutil.copytree(model, tmp_path / "late")
    with pytest.raises(KnnNerError, match="E085"):
        late.save()


def test_only_corrections_are_deleted(session):
    with pytest.raises(KnnNerError, match="E037"):
        session.forget(1)  # an example of the store
    assert session.about()["unsaved"] == 0


def test_changes_are_counted_as_a_person_would(session):
    session.correct(TEXT, 1, 4, 5, "event")
    session.correct(TEXT, 1, 4, 5, "event")  # known
    assert session.about()["unsaved"] == 1
    session.correct(TEXT, 1, 4, 5, "party")  # instead
    assert session.about()["unsaved"] == 2


def test_what_somebody_else_has_saved_is_not_lost(session, folder):
    other = spacy.load(folder)
    other.get_pipe("knn_ner").forget(text="Paris")
    other.to_disk(folder)
    session.correct(TEXT, 1, 4, 5, "event")
    with pytest.raises(KnnNerError, match="E076"):
        session.save()
    assert session.about()["unsaved"] == 1
    assert not spacy.load(folder)(SECOND).ents


@pytest.mark.parametrize(
    ("paragraph", "start", "end"),
    [(2, 0, 1), (-1, 0, 1), (0, 0, 6), (0, 2, 2), (0, -1, 1)],
)
def test_tokens_that_are_not_there_are_refused(session, paragraph, start, end):
    with pytest.raises(KnnNerError, match="E082"):
        session.correct(TEXT, paragraph, start, end, "event")
    with pytest.raises(KnnNerError, match="E082"):
        session.explain(TEXT, paragraph, start, end)
    assert session.corrections()["count"] == 0


# --- what goes over the wire --------------------------------------------------


def test_the_page_and_what_it_needs_come_from_here(client):
    page = client.get("/").text
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert path.startswith("data:") or client.get(f"/{path}").status_code == 200
    assert "default-src 'self'" in client.get("/").headers["Content-Security-Policy"]


def test_an_explanation_says_who_said_what(client):
    values = {"text": TEXT, "paragraph": 0, "start": 0, "end": 2}
    found = client.post("/api/explain", json=values).json()
    assert [token["text"] for token in found["tokens"]] == ["Ada", "Lovelace"]
    first = found["tokens"][0]["neighbors"][0]
    assert first["words"] == FIRST.split() and first["tag"] == "B-person"
    assert found["about"]["unsaved"] == 0


def test_errors_are_one_clear_sentence(client):
    long = client.post("/api/tag", json={"text": "a" * (LONGEST + 1)})
    assert long.status_code == 400 and "E081" in long.json()["error"]
    odd = client.post("/api/tag", json={"text": 1})
    assert odd.status_code == 400 and "E083" in odd.json()["error"]
    gone = client.delete("/api/corrections/77")
    assert gone.status_code == 404 and "E037" in gone.json()["error"]
    assert client.post("/api/tag", json={"text": "a" * (1 << 20)}).status_code == 413
    assert client.get("/nothing").json()["error"]


def test_pages_from_elsewhere_cannot_ask(client, session):
    """Neither under another name of this machine, nor with a form."""
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    for host in ("localhost:5000", "127.0.0.1", "[::1]:5000"):
        assert client.get("/", headers={"Host": host}).status_code == 200
    values = {"text": TEXT, "paragraph": "1", "start": "4", "end": "5", "label": "x"}
    for path in ("tag", "corrections", "save"):
        form = client.post(f"/api/{path}", data=values)
        assert form.status_code in (400, 415)
        plain = client.post(
            f"/api/{path}", content="{}", headers={"Content-Type": "text/plain"}
        )
        assert plain.status_code in (400, 415)
    assert session.corrections()["count"] == 0
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = client.post("/api/save", json={}, headers=headers)
        assert answer.status_code == 403 and answer.json()["error"]
    ours = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/undo", json={}, headers=ours).status_code == 200
    # A link to the page may be anywhere.
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])
def test_beyond_this_machine_a_token_is_needed(host, session):
    access = Access.at(host, ["My.Host"])
    client = client_of(session, access)

    def about(**headers):
        return client.get("/api/about", headers={"Host": "my.host:5000", **headers})

    assert client.get("/", headers={"Host": "my.host:5000"}).status_code == 200
    for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": access.token}):
        assert about(**wrong).status_code == 401
    assert about(Authorization=f"Bearer {access.token}").status_code == 200
    assert about(Host="other.host").status_code == 403
    assert about(Host="10.1.2.3:5000").status_code == 401  # no site has such a name
    there = "http://my.host:5000"
    assert client.get(f"{there}/?token=x").status_code == 401
    opened = client.get(f"{there}/?token={access.token}")
    assert (opened.status_code, opened.headers["Location"]) == (303, "/")
    cookie = opened.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    assert client.get(f"{there}/api/about").status_code == 200
    assert client.get("http://my.host:81/api/about").status_code == 401


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "::ffff:127.0.0.1", "Localhost"]
)
def test_loopback_is_decided_by_address(host):
    access = Access.at(host)
    assert access.token is None
    assert not access.refusal("127.0.0.2:5000", {}, is_page=False)
    assert access.refusal("evil.example:5000", {}, is_page=True)
    assert access.refusal("10.0.0.1:5000", {}, is_page=True)  # is not this machine


@pytest.mark.parametrize("host", ["256.1.1.1", "no.such.host.invalid", "", "a" * 300])
def test_a_host_that_is_none_is_refused(host):
    with pytest.raises(KnnNerError, match="KNN-E113"):
        Access.at(host)


def test_odd_requests_are_errors_and_no_tracebacks(client):
    as_json = {"headers": {"Content-Type": "application/json"}}
    deep = client.post("/api/tag", content="[" * 200_000, **as_json)
    half = client.post("/api/tag", content='{"text": "\\ud800"}', **as_json)
    for answer in (deep, half):
        assert answer.status_code == 400 and answer.json()["error"]
    assert "E114" in half.json()["error"]
    for host in ("", "[", "a b", "127.0.0.1:x"):
        assert client.get("/api/about", headers={"Host": host}).status_code in (
            200,
            403,
        )


def test_the_answers_keep_other_pages_out(client):
    headers = client.get("/").headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(cli, ["serve", str(folder)])
    assert result.exit_code == 1
    assert "spacy-knn-ner[serve]" in result.output


# --- in a browser -------------------------------------------------------------


def marked(page):
    return page.locator("#paragraphs mark").all_inner_texts()


@needs_chromium
@pytest.mark.slow
def test_a_person_sees_asks_corrects_deletes_and_saves(folder):
    with serving(folder) as address, opened(address, width=1200, height=900) as page:
        page.get_by_label("Type or paste").fill(TEXT)
        page.get_by_role("button", name="Find entities").click()
        page.get_by_text("2 entities found.").wait_for()
        labels = page.locator("#paragraphs mark small").all_inner_texts()
        assert [label.split()[0] for label in labels] == ["person", "location"]

        page.locator(".token", has_text="party").click()
        page.get_by_role("heading", name="“party”").wait_for()
        assert page.get_by_label("no entity").is_checked()
        why = page.locator("#why").inner_text()
        assert "store" in why and "Nobody came to the party" in why

        page.get_by_label("another:").fill("event")
        page.get_by_role("button", name="Add correction").click()
        page.get_by_text("“party” is now event; before: no entity.").wait_for()
        assert marked(page)[-1].startswith("party")
        assert "correction" in page.locator("#why").inner_text()

        page.get_by_role("button", name="Save 1 change").click()
        page.get_by_text("Saved to").wait_for()
        assert [e.label_ for e in spacy.load(folder)(SECOND).ents] == ["event"]

        page.get_by_label("Search").fill("london")
        page.locator("#list li").wait_for(state="detached")
        page.get_by_label("Search").fill("Nobody")
        page.get_by_role("button", name="Delete").click()
        page.get_by_text("Deleted.").wait_for()
        assert len(marked(page)) == 2
        page.get_by_role("button", name="Save 1 change").click()
        page.get_by_text("Saved to").wait_for()
        assert not spacy.load(folder)(SECOND).ents


@needs_chromium
@pytest.mark.slow
def test_what_is_taught_is_what_the_panel_shows(folder):
    """Whatever is selected, or stands in the text field, meanwhile."""
    with serving(folder) as address, opened(address, width=1200, height=900) as page:
        page.get_by_label("Type or paste").fill(TEXT)
        page.get_by_role("button", name="Find entities").click()
        page.locator(".token", has_text="party").click()
        page.get_by_role("heading", name="“party”").wait_for()
        page.locator(".token", has_text="Nobody").focus()
        page.keyboard.press("Shift+ArrowRight")  # selected, and not explained
        page.get_by_label("Type or paste").fill("Something else")
        page.get_by_label("another:").fill("event")
        page.get_by_role("radio", name="location").check()  # said last
        page.get_by_role("button", name="Add correction").click()
        page.get_by_text("“party” is now location; before: no entity.").wait_for()
        page.get_by_role("heading", name="“party”").wait_for()
        assert len(marked(page)) == 3

        page.get_by_label("Type or paste").fill("a" * 20_001)
        page.get_by_role("button", name="Find entities").click()
        page.get_by_text("is too long").wait_for()
        page.locator(".token", has_text="London").click()
        page.get_by_role("heading", name="“London”").wait_for()
        page.locator(".token", has_text="Nobody").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="“Nobody”").wait_for()


@needs_chromium
@pytest.mark.slow
def test_the_keyboard_is_enough(folder):
    with serving(folder) as address, opened(address, width=1200, height=900) as page:
        page.get_by_label("Type or paste").press_sequentially(SECOND)
        page.keyboard.press("Control+Enter")
        page.get_by_text("No entities found.").wait_for()
        page.locator(".token").first.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight"):
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="“the party”").wait_for()
        page.get_by_role("radio", name="person").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.get_by_text("“the party” is now person; before: no entity.").wait_for()
        page.keyboard.press("Escape")
        focused = page.evaluate("document.activeElement.textContent")
        assert focused == "the" and page.locator("#panel").is_hidden()


@needs_chromium
@pytest.mark.slow
def test_on_a_phone_nothing_is_cut_off(folder):
    with serving(folder) as address, opened(address, width=360, height=740) as page:
        page.get_by_label("Type or paste").fill(TEXT)
        page.get_by_role("button", name="Find entities").click()
        page.locator(".token", has_text="London").click()
        page.get_by_role("heading", name="“London”").wait_for()
        page.get_by_label("Start a word earlier").click()
        page.get_by_role("heading", name="“in London”").wait_for()
        page.get_by_role("radio", name="location").check()
        page.get_by_role("button", name="Add correction").click()
        page.get_by_text(
            "“in London” is now location; before: London location."
        ).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 800)])
def test_contradicting_and_taking_back(folder, width, height):
    """What the page says is what is found."""
    with (
        serving(folder) as address,
        opened(address, width=width, height=height) as page,
    ):
        page.get_by_label("Type or paste").fill(TEXT)
        page.get_by_role("button", name="Find entities").click()
        token = page.locator(".token", has_text="Lovelace")
        # In the page, with what is scrolled: two calls could be before and after it.
        place = """token => {
            const box = token.getBoundingClientRect()
            return [box.x + scrollX, box.y + scrollY]
        }"""
        before = token.evaluate(place)
        undo = page.get_by_role("button", name="Undo")
        assert undo.is_disabled()

        token.click()
        page.get_by_role("heading", name="“Ada Lovelace”").wait_for()
        assert token.evaluate(place) == before  # opening the panel moves no text
        page.get_by_label("another:").fill("writer")
        page.get_by_role("button", name="Add correction").click()
        page.get_by_text("“Ada Lovelace” is now writer").wait_for()
        assert marked(page)[0].startswith("Ada Lovelace")

        page.get_by_label("Start a word later").click()
        page.get_by_role("heading", name="“Lovelace”", exact=True).wait_for()
        page.get_by_label("another:").fill("name")
        page.get_by_role("button", name="Add correction").click()
        page.get_by_text("It replaces an earlier correction of serve").wait_for()
        assert marked(page)[0].startswith("Lovelace")

        page.locator("#paragraphs .token").first.focus()
        page.keyboard.press("Control+z")
        page.get_by_text("Taken back: “Lovelace”").wait_for()
        assert marked(page)[0].startswith("Ada Lovelace")
        assert "writer" in marked(page)[0]
        undo.click()
        page.get_by_text("Taken back: “Ada Lovelace”").wait_for()
        assert "person" in marked(page)[0]
        assert undo.is_disabled()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_undo_takes_back_what_is_still_there(session):
    session.correct(FIRST, 0, 0, 2, "writer")
    (second,) = session.correct(FIRST, 0, 4, 5, "city")["example_ids"]
    assert session.about()["can_undo"]
    session.forget(second)
    assert session.undo() == {"undone": "Ada Lovelace"}
    assert session.undo() == {"undone": ""}
    assert entities(session, FIRST) == [[(0, 2, "person"), (4, 5, "location")]]
