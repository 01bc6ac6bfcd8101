"""Pipelines that share a store in PostgreSQL: what one learns, all know."""

import logging
import subprocess
import sys
import time

import postgres
import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from util import annotated_docs, cnn_pipeline, run, run_json

from spacy_knn_ner.components import compressing
from spacy_knn_ner.errors import KnnNerError


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with postgres.running(tmp_path_factory.mktemp("pg")) as server:
        yield server.url


QDRANT = ":memory:"


@pytest.fixture(params=["postgres", "qdrant"])
def either(request):
    """The URL of a database of one of both kinds."""
    is_qdrant = request.param == "qdrant"
    return QDRANT if is_qdrant else request.getfixturevalue("url")


def block(url, **arguments):
    name = arguments.pop("name", None) or postgres.new_name()
    kind = "Qdrant" if url == QDRANT else "Postgres"
    place = {"@knn_stores": f"spacy_knn_ner.{kind}.v1", "url": url, "name": name}
    return {**place, **arguments}


def built(url=None, **arguments):
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    if url is not None:
        knn.set_settings(store=block(url, **arguments))
    knn.build(annotated_docs(nlp), show_progress=False)
    return nlp


TEXTS = "Ada Lovelace lived in London", "Kim saw Paris", "no names"


def answers(nlp, texts=TEXTS):
    return [
        [(e.text, e.label_, e._.knn_score) for e in doc.ents] for doc in nlp.pipe(texts)
    ]


def test_answers_are_those_of_a_local_store(either):
    local, shared = built(), built(either)
    assert answers(shared) == answers(local)
    for nlp in (local, shared):
        nlp.get_pipe("knn_ner").teach("Kim saw Paris", {"Paris": "person"})
    assert answers(shared) == answers(local)
    explained = [
        nlp.get_pipe("knn_ner").explain(nlp("Kim saw Paris")) for nlp in (local, shared)
    ]
    assert explained[0].to_text() == explained[1].to_text()


def test_an_index_on_the_server_is_made_by_build(url):
    local, shared = built(), built(url, index="hnsw")
    assert answers(shared) == answers(local)
    knn = shared.get_pipe("knn_ner")
    statement = "SELECT indexdef FROM pg_indexes WHERE indexname = 'store_cosine'"
    (found,) = knn.datastore.home.server.db.execute(statement).fetchone()
    assert "hnsw" in found and "vector_cosine_ops" in found
    assert knn.make_index()["kind"] == "postgres hnsw"


def test_it_is_not_saved_with_the_pipeline_and_found_again(either, tmp_path):
    shared = built(either)
    shared.to_disk(tmp_path)
    assert not (tmp_path / "knn_ner" / "datastore").exists()
    loaded = spacy.load(tmp_path)
    assert answers(loaded) == answers(shared)
    again = spacy.blank("en").from_config(shared.config).from_bytes(shared.to_bytes())
    assert answers(again) == answers(shared)
    assert len(shared.get_pipe("knn_ner").to_bytes()) < 1000


def test_what_one_pipeline_learns_the_others_know_at_once(either, tmp_path):
    one = built(either)
    one.to_disk(tmp_path)
    other = spacy.load(tmp_path)
    before = answers(other, ["we saw Xanadu"])
    added = one.get_pipe("knn_ner").teach("we saw Xanadu", {"Xanadu": "CITY"})
    assert [ent.label_ for ent in other("we saw Xanadu").ents] == ["CITY"]
    other.get_pipe("knn_ner").relabel("CITY", "PLACE")
    assert [ent.label_ for ent in one("we saw Xanadu").ents] == ["PLACE"]
    other.get_pipe("knn_ner").forget(added.ids)
    assert answers(one, ["we saw Xanadu"]) == before
    other.get_pipe("knn_ner").build(annotated_docs(other)[:3], show_progress=False)
    assert answers(one) == answers(other)


def test_a_local_store_moves_there_and_back(either):
    nlp = built()
    knn, before = nlp.get_pipe("knn_ner"), answers(nlp)
    place = block(either)
    knn.set_settings(store=place)
    assert knn.datastore.home.server.name == place["name"]
    assert answers(nlp) == before
    assert knn.config()["store"] == place
    knn.set_settings(store={"@knn_stores": "spacy_knn_ner.Files.v1"})
    assert answers(nlp) == before
    knn.forget(source=None, text="Ada")  # of the copy alone
    other = built()
    other.get_pipe("knn_ner").set_settings(store=place)
    assert answers(other) == before


def test_a_store_that_the_config_names(either):
    config = cnn_pipeline().config
    config["components"]["knn_ner"]["store"] = block(either)
    nlps = [spacy.blank("en").from_config(config) for _ in range(2)]
    for nlp in nlps:
        docs = annotated_docs(nlp)
        nlp.initialize(lambda docs=docs: [Example(doc.copy(), doc) for doc in docs])
    knn = nlps[0].get_pipe("knn_ner")
    knn.teach("we saw Xanadu", {"Xanadu": "CITY"})
    assert "CITY" in [ent.label_ for ent in nlps[0]("we saw Xanadu").ents]
    assert len(nlps[1].get_pipe("knn_ner").datastore.examples) == 1


@pytest.mark.parametrize("kind", ["Postgres", "Qdrant"])
def test_a_place_that_is_away_changes_nothing(kind):
    nlp = built()
    knn, before = nlp.get_pipe("knn_ner"), answers(nlp)
    url = {"Postgres": "postgresql://127.0.0.1:1/x", "Qdrant": "http://127.0.0.1:1"}
    place = {**block(url[kind], when_away="tagger")}
    place["@knn_stores"] = f"spacy_knn_ner.{kind}.v1"
    with pytest.raises(KnnNerError, match=r"KNN-E118|KNN-E125"):
        knn.set_settings(k=1, store=place)
    assert answers(nlp) == before
    assert "Files" in knn.config()["store"]["@knn_stores"]
    with pytest.raises(KnnNerError, match="KNN-E121"):
        knn.set_settings(store={**place, "when_away": "wait"})


def test_what_was_replaced_does_not_come_back_under_an_old_name(either, tmp_path):
    one = built(either)
    one.to_disk(tmp_path)
    other = spacy.load(tmp_path)
    mine, its = one.get_pipe("knn_ner"), other.get_pipe("knn_ner")
    mine.teach("we saw Xanadu", {"Xanadu": "CITY"})
    again = mine.teach("we saw Xanadu", {"Xanadu": "HERO"})
    its.relabel("HERO", "GOD")
    mine.forget(again.ids)
    with its.memory.reading():
        assert not {"HERO", "CITY"} & set(its.labels)


def test_how_far_a_correction_reaches_is_shared(either, tmp_path):
    one = built(either)
    one.to_disk(tmp_path)
    other = spacy.load(tmp_path)
    one.get_pipe("knn_ner").datastore.home.keep(one.get_pipe("knn_ner").datastore, 0.25)
    other("Ada lives here")
    assert other.get_pipe("knn_ner").calibration.correction_radius == 0.25
    third = spacy.load(tmp_path)
    third("Ada lives here")
    assert third.get_pipe("knn_ner").calibration.correction_radius == 0.25


def test_a_shared_store_is_not_compressed(url):
    knn = built(url).get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match="KNN-E123"):
        compressing.merge(knn)
    with pytest.raises(KnnNerError, match="KNN-E123"):
        compressing.convert_keys(knn, "float16")


def test_pipelines_in_processes_share_it(url):
    nlp = built(url)
    texts = ["Ada Lovelace lived in London", "Kim saw Paris"] * 4
    expected = answers(nlp, texts)
    found = [
        [(e.text, e.label_, e._.knn_score) for e in doc.ents]
        for doc in nlp.pipe(texts, n_process=2, batch_size=2)
    ]
    assert found == expected
    assert answers(nlp, texts) == expected  # its own connection is still there


@pytest.mark.parametrize("when_away", ["raise", "tagger"])
def test_a_server_that_is_killed_and_comes_back(when_away, tmp_path, caplog):
    server = postgres.Server(tmp_path / "pg")
    nlp = built(server.url, when_away=when_away)
    knn = nlp.get_pipe("knn_ner")
    knn.teach("we saw Xanadu", {"Xanadu": "CITY"})
    nlp.to_disk(tmp_path / "model")
    before = answers(nlp), answers(nlp, ["we saw Xanadu"])
    with nlp.select_pipes(disable="knn_ner"):
        alone = [[ent.text for ent in nlp(text).ents] for text in TEXTS]
    server.kill()
    if when_away == "raise":
        with pytest.raises(KnnNerError, match="KNN-E118"):
            answers(nlp)
        with pytest.raises(KnnNerError, match="KNN-E118"):
            spacy.load(tmp_path / "model")
    else:
        with caplog.at_level(logging.WARNING, "spacy_knn_ner"):
            for _ in range(2):
                assert [[e.text for e in doc.ents] for doc in nlp.pipe(TEXTS)] == alone
        assert caplog.text.count("KNN-I006") == 1
        loaded = spacy.load(tmp_path / "model")
        assert [[ent.text for ent in loaded(text).ents] for text in TEXTS] == alone
    with pytest.raises(KnnNerError, match="KNN-E118"):
        knn.teach("we saw Rome", {"Rome": "CITY"})
    server.start()
    _wait(lambda: answers(nlp) == before[0])
    assert answers(nlp, ["we saw Xanadu"]) == before[1]
    assert len(knn.datastore.corrections) == 1
    server.stop()


def _wait(condition, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except KnnNerError:
            pass
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_command_line_builds_and_edits_it(url, tmp_path):
    nlp = cnn_pipeline()
    nlp.remove_pipe("knn_ner")
    nlp.to_disk(tmp_path / "trained")
    DocBin(docs=annotated_docs(nlp)).to_disk(tmp_path / "text.spacy")
    model, name = tmp_path / "model", postgres.new_name()
    paths = tmp_path / "trained", tmp_path / "text.spacy", model
    build = "build", *paths, "--store", url, "--store-name", name, "--project"
    run(*build)
    assert "KNN-E124" in run(*build, code=1)[1]
    run(*build, "--replace")
    loaded = spacy.load(model)
    spans = "--text", "we saw Xanadu", "--span", "Xanadu=CITY"
    run("add", model, *spans)
    assert [ent.label_ for ent in loaded("we saw Xanadu").ents] == ["CITY"]
    assert run_json("info", model, "--check")["datastore"]["corrections"] == 1
    run("forget", model, "--text", "Xanadu")
    assert "CITY" not in [ent.label_ for ent in loaded("we saw Xanadu").ents]
    password = url.replace("postgres:", "postgres:secret")
    assert "KNN-E119" in run("build", *paths, "--store", password, code=1)[1]


def test_a_store_moves_between_files_and_a_database(url, tmp_path):
    nlp = built()
    nlp.get_pipe("knn_ner").teach("we saw Xanadu", {"Xanadu": "CITY"})
    before = answers(nlp, [*TEXTS, "we saw Xanadu"])
    nlp.to_disk(tmp_path / "files")
    name = postgres.new_name()
    there = "--store", url, "--store-name", name
    found = run_json("move", tmp_path / "files", tmp_path / "shared", *there)
    assert (found["corrections"], found["place"]) == (1, url)
    shared = spacy.load(tmp_path / "shared")
    assert shared.get_pipe("knn_ner").memory.place.is_shared
    assert answers(shared, [*TEXTS, "we saw Xanadu"]) == before
    again = "move", tmp_path / "files", tmp_path / "again", *there
    assert "KNN-E124" in run(*again, code=1)[1]
    shared.get_pipe("knn_ner").forget(text="Xanadu")
    run(*again, "--replace", "--index", "hnsw")
    assert answers(shared, [*TEXTS, "we saw Xanadu"]) == before
    shared.get_pipe("knn_ner").teach("we saw Utopia", {"Utopia": "CITY"})
    run("move", tmp_path / "shared", tmp_path / "back", "--store", "files")
    back = spacy.load(tmp_path / "back")
    assert not back.get_pipe("knn_ner").memory.place.is_shared
    assert answers(back, TEXTS) == before[: len(TEXTS)]
    assert [ent.label_ for ent in back("we saw Utopia").ents] == ["CITY"]


def test_the_command_line_reads_it(url, tmp_path):
    nlp, model = built(url), tmp_path / "model"
    nlp.to_disk(model)
    dev = tmp_path / "dev.spacy"
    DocBin(docs=annotated_docs(nlp)).to_disk(dev)
    run("tune", model, dev, tmp_path / "tuned")
    report = run_json("evaluate", tmp_path / "tuned", dev)
    assert set(report["systems"]) == {"tagger", "neighbors", "mixture"}
    assert "Ada" in run("explain", model, "Ada Lovelace lived in London")[0]
    assert "KNN-E123" in run("compress", model, dev, tmp_path / "small", code=1)[1]
    knn = nlp.get_pipe("knn_ner")
    n_entries = len(knn.datastore)
    run("rebuild", model)
    assert len(knn.datastore) == n_entries and answers(nlp) == answers(
        spacy.load(model)
    )


@pytest.mark.parametrize("driver", ["psycopg", "qdrant_client"])
def test_importing_the_package_imports_no_driver(driver):
    imports = "import sys, spacy_knn_ner.components.knn_ner"
    code = f"{imports}; print({driver!r} in sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"
