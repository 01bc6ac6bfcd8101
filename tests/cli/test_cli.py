"""`spacy knn`: from a file of annotated text to a tuned, explained pipeline."""

import json
import shutil
import subprocess
import sys
import warnings

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from util import (
    SENTENCES,
    annotated_docs,
    cnn_pipeline,
    run,
    run_json,
    transformer_pipeline,
    view,
)

from spacy_knn_ner.cli.terminal import shows_progress
from spacy_knn_ner.errors import KnnNerWarning
from spacy_knn_ner.evaluation.card import flat

VERBS = ["convert", "build", "tune", "compress", "evaluate", "info", "explain"]
VERBS += ["add", "forget", "rebuild", "serve", "audit", "vectors"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained pipeline, and annotated text as a BIO file."""
    folder = tmp_path_factory.mktemp("cli")
    nlp = cnn_pipeline()
    nlp.remove_pipe("knn_ner")
    nlp.to_disk(folder / "trained")
    lines = []
    for doc in annotated_docs(nlp):
        for token in doc:
            tag = f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"
            lines.append(f"{token.text}\t{tag}\n")
        lines.append("\n")
    (folder / "text.conll").write_text("".join(lines))
    run("convert", folder / "text.conll", folder / "text.spacy")
    run("build", folder / "trained", folder / "text.spacy", folder / "built")
    return folder


# --- every verb ---------------------------------------------------------------


def test_convert_writes_docs_and_counts(folder, tmp_path):
    out = tmp_path / "new" / "text.spacy"
    counts = run_json("convert", folder / "text.conll", out, "--part", "1:3")
    assert (counts["sentences"], counts["scheme"]) == (2, "BIO")
    assert counts["entities"] == {"location": 2, "person": 2}
    docs = list(DocBin().from_disk(out).get_docs(spacy.blank("en").vocab))
    assert [doc.text.strip() for doc in docs] == [text for text, _ in SENTENCES[1:3]]
    assert [p.name for p in out.parent.iterdir()] == ["text.spacy"]
    text, _ = run("convert", folder / "text.conll", out)
    assert "6 sentences" in text and "person" in text


def test_convert_tells_of_repairs(tmp_path):
    (tmp_path / "x").write_text("a B-x\nb I-y\n\nc O\n")
    text, _ = run("convert", tmp_path / "x", tmp_path / "x.spacy", "--scheme", "BIO")
    assert "Repaired: 1 annotations in 1 sentences" in text


def test_convert_leaves_nothing_behind_when_it_fails(tmp_path):
    (tmp_path / "x").write_text("a O\nb\n")
    (tmp_path / "x.spacy").write_text("what was there")
    _, error = run("convert", tmp_path / "x", tmp_path / "x.spacy", code=1)
    assert error.startswith("✘ [KNN-E020]") and "line 2" in error
    assert error.count("\n") == 1
    assert (tmp_path / "x.spacy").read_text() == "what was there"


def test_build_makes_what_knn_build_makes(folder):
    nlp = spacy.load(folder / "trained")
    knn = nlp.add_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    saved = spacy.load(folder / "built")
    for text, _ in SENTENCES:
        assert view(saved(text)) == view(nlp(text))


def test_outputs_may_lie_in_folders_that_are_not_there(folder, tmp_path):
    one, other = tmp_path / "a" / "built", tmp_path / "b" / "c" / "tuned"
    run("build", folder / "trained", folder / "text.spacy", one)
    run("tune", one, folder / "text.spacy", other, "--no-every-entry")
    assert (other / "meta.json").exists()


def test_build_projects_keys_and_rebuild_does_so_again(folder, tmp_path):
    one, text = tmp_path / "one", folder / "text.spacy"
    found = run_json("build", folder / "trained", text, one, "--project")
    width = found["datastore"]["width"]
    unprojected = run_json("info", folder / "built")["datastore"]["width"]
    assert width == min(128, unprojected)
    assert found["settings"]["keys"]["projection"] == 128
    run("rebuild", one)
    assert run_json("info", one, "--check")["datastore"]["width"] == width
    found = run_json("build", one, text, tmp_path / "two", "--no-project")
    assert found["settings"]["keys"]["projection"] is None


def test_build_can_add_a_second_key_space(folder, tmp_path):
    arguments = folder / "text.spacy", tmp_path / "two", "--name", "second", "--project"
    found = run_json("build", folder / "built", *arguments)
    assert found["pipeline"][-2:] == ["knn_ner", "second"]
    nlp = spacy.load(tmp_path / "two")
    sizes = [len(nlp.get_pipe(name).datastore) for name in ("knn_ner", "second")]
    assert sizes[0] == sizes[1] > 0
    arguments = folder / "text.spacy", tmp_path / "tuned", "--no-every-entry"
    run("tune", tmp_path / "two", *arguments, "--name", "second")


def test_vectors_compares_pipelines(folder, tmp_path):
    pytest.importorskip("matplotlib")
    models = folder / "trained", folder / "built"
    picture = tmp_path / "vectors.svg"
    arguments = folder / "text.spacy", *models, "--picture", picture
    found = run_json("vectors", *arguments)
    trained, built = found.values()
    assert trained == built  # the same encoder
    assert -1 <= trained["silhouette"] <= 1
    assert set(trained["types"]) == {"location", "person"}
    assert "person" in picture.read_text()
    text, _ = run("vectors", *arguments)
    assert "silhouette" in text and str(picture) in text


def test_build_can_be_repeated_and_keeps_settings(folder, tmp_path):
    arguments = folder / "text.spacy", tmp_path / "again", "--dtype", "float16"
    found = run_json("build", folder / "built", *arguments)
    assert found["datastore"]["dtype"] == "float16"
    assert found["datastore"]["store"] == sum(len(t.split()) for t, _ in SENTENCES)
    assert spacy.load(tmp_path / "again").pipe_names[-1] == "knn_ner"


def test_tune_writes_the_best_settings_and_how_they_were_found(folder, tmp_path):
    tuned = tmp_path / "tuned"
    found = run_json("tune", folder / "built", folder / "text.spacy", tuned)
    nlp = spacy.load(tuned)
    knn = nlp.get_pipe("knn_ner")
    settings = flat(knn.config())
    for name, value in found["settings"].items():
        assert settings[name] == value
    rows = (tuned / "tuning" / "trials.csv").read_text().splitlines()
    assert rows[0] == "k,temperature,interpolation.weight,decoding,precision,recall,f1"
    assert len(rows) > 1001
    best = max(float(row.split(",")[-1]) for row in rows[1:])
    assert found["f1"] == pytest.approx(best, abs=1e-6)
    assert json.loads((tuned / "tuning" / "chosen.json").read_text())["docs"] == 6
    assert "<svg" in (tuned / "tuning" / "tuning.html").read_text()
    assert vars(knn.calibration) == found["confidence"]["calibration"]
    text, _ = run("tune", folder / "built", folder / "text.spacy", tmp_path / "again")
    assert "calibration error" in text


def test_tune_corrections_too(folder, tmp_path):
    nlp = spacy.load(folder / "built")
    nlp.get_pipe("knn_ner").add(annotated_docs(nlp)[:2])
    nlp.to_disk(tmp_path / "taught")
    arguments = tmp_path / "taught", folder / "text.spacy", tmp_path / "tuned"
    found = run_json("tune", *arguments, "--no-every-entry", "--limit", 4)
    assert found["docs"] == 4
    knn = spacy.load(tmp_path / "tuned").get_pipe("knn_ner")
    assert found["corrections"]["settings"] == {
        "corrections.votes": knn.corrections.votes,
        "corrections.radius": knn.corrections.radius,
    }
    assert (tmp_path / "tuned" / "tuning" / "corrections.csv").exists()


def test_evaluate_prints_and_reports(folder, tmp_path):
    arguments = "evaluate", folder / "built", folder / "text.spacy"
    text, _ = run(*arguments)
    assert "with neighbors" in text and "p = " in text
    shares = tmp_path / "shares.json"
    shares.write_text('[{"share": 0.5, "tagger": 0.1, "mixture": 0.2}]')
    out = tmp_path / "report"
    report = run_json(*arguments, "-o", out, "--shares", shares, "--title", "Six")
    assert json.loads((out / "report.json").read_text()) == report
    page = (out / "report.html").read_text()
    assert "<h1>Six</h1>" in page and page.count("<svg") == 6


def test_info_says_what_is_there_and_checks_it(folder, tmp_path):
    found = run_json("info", folder / "built", "--check")
    assert found["datastore"]["examples"] == 6 and "fidelity" in found["checked"]
    assert found["datastore"]["index"] == {"kind": "flat"}
    text, _ = run("info", folder / "built")
    assert "location" in text and "temperature" in text
    nlp = spacy.load(folder / "built")
    nlp.to_disk(tmp_path / "damaged")
    (path,) = (tmp_path / "damaged").rglob("store.index.faiss")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    for options in ([], ["--check"]):
        _, error = run("info", tmp_path / "damaged", *options, code=1)
        assert "KNN-E032" in error and "store.index.faiss" in error


def test_an_approximate_index_says_how_faithful_it_is(folder, tmp_path):
    arguments = ("build", folder / "trained", folder / "text.spacy", tmp_path / "m")
    index = run_json(*arguments, "--index", "IVF2,Flat")["datastore"]["index"]
    assert index["kind"] == "IVF2,Flat" and "share" in index["fidelity"]
    text, _ = run("info", tmp_path / "m", "--check")
    assert "IVF2,Flat, search_param" in text
    _, error = run(*arguments, "--index", "IVFx", code=1)
    assert "KNN-E030" in error and "factory" in error


def test_explain_shows_entities_and_their_neighbors(folder):
    sentence = SENTENCES[0][0]
    nlp = spacy.load(
        folder / "built", config={"components.knn_ner.interpolation.weight": 1.0}
    )
    nlp.to_disk(folder / "heeding")
    found = run_json("explain", folder / "heeding", sentence, "-n", 2)
    entities = [entity for entity in found["entities"] if entity["predicted"]]
    assert [e["label"] for e in entities] == ["person", "location"]
    ada = found["tokens"][0]
    assert (ada["text"], ada["tag"]) == ("Ada", "B-person")
    assert len(ada["neighbors"]) == 2
    assert ada["neighbors"][0]["words"] == sentence.split()
    for name in ("base", "store", "final"):
        assert 0 < sum(ada[name].values()) <= 1.0001
    assert ada["corrections"] == {}
    text, _ = run("explain", folder / "heeding", sentence, "--word", "in")
    assert "[in]" in text and "distance 0.000" in text
    text, _ = run("explain", folder / "heeding", "the")
    assert "No entities." in text or "score" in text


def test_audit_finds_what_neighbors_contradict(folder, tmp_path):
    """A Doc of the store with another annotation, and one with its own."""
    nlp = spacy.load(folder / "built", config={"components.knn_ner.k": 1})
    knn, docs = nlp.get_pipe("knn_ner"), annotated_docs(nlp)
    knn.build([*docs, docs[0]], show_progress=False)  # so that somebody knows better
    nlp.to_disk(tmp_path / "model")
    wrong = nlp.make_doc(docs[0].text)
    wrong.set_ents([], default="outside")
    DocBin(docs=[wrong, docs[3]]).to_disk(tmp_path / "audited.spacy")
    arguments = "audit", tmp_path / "model", tmp_path / "audited.spacy"
    found = run_json(*arguments, "-n", 0)
    first = [suspicion for suspicion in found if suspicion["doc"] == 0]
    assert [s["expected"] for s in first] == [[[0, 2, "person"]], [[4, 5, "location"]]]
    assert all(s["annotated"] == [] and s["score"] > 0.99 for s in first)
    text, _ = run(*arguments, "-n", 1)
    assert "1. Doc 0, score 1.00" in text and "expected   Ada Lovelace (person)" in text
    assert "annotated  no entity" in text and "2." not in text


# --- what users do wrong -------------------------------------------------------


def test_corrections_come_and_go_on_a_saved_model(folder, tmp_path):
    model = shutil.copytree(folder / "built", tmp_path / "model")
    text = "We read Frankenstein"
    arguments = "add", model, "--text", text, "--span", "Frankenstein=book"
    added = run_json(*arguments, "--span", "We=", "--source", "me")
    assert added["corrections"] == 2
    doc = spacy.load(model)(text)
    assert [(ent.text, ent.label_) for ent in doc.ents][-1] == ("Frankenstein", "book")
    assert doc[0].ent_type_ == ""
    assert run_json(*arguments, "--span", "We=")["example_ids"] == added["example_ids"]
    shown = run_json("explain", model, text, "--word", "Frankenstein")
    assert shown["tokens"][0]["neighbors"][0]["source"] == "me"
    assert run_json("rebuild", model) == {"examples": 7, "store": 35, "corrections": 2}
    text, _ = run("forget", model, "--source", "me")
    assert "forgot 1 examples, 2 entries" in text
    knn = spacy.load(model).get_pipe("knn_ner")
    assert "book" not in [e.label_ for e in knn.nlp(text).ents]
    found = run_json("add", model, folder / "text.spacy")
    assert len(found["example_ids"]) == 6
    run_json("forget", model, *found["example_ids"][:2])
    assert len(spacy.load(model).get_pipe("knn_ner").datastore.examples) == 10


def test_words_are_whole_tokens_and_the_next_ones_the_second_time(folder, tmp_path):
    model = shutil.copytree(folder / "built", tmp_path / "model")
    text = "Theo and The Beatles met The Who"
    spans = ["--span", "The Beatles=band", "--span", "The=", "--span", "met="]
    (i,) = run_json("add", model, "--text", text, *spans)["example_ids"]
    found = spacy.load(model).get_pipe("knn_ner").datastore.example(i).annotated
    assert found.entities == [(2, 4, "band")]
    assert found.missing == [0, 1, 6]


def test_what_cannot_be_edited_says_so(folder, tmp_path):
    model = shutil.copytree(folder / "built", tmp_path / "model")
    _, error = run("add", model, code=1)
    assert "KNN-E079" in error
    _, error = run("add", model, "--text", "We read", "--span", "Fran=book", code=1)
    assert "KNN-E070" in error
    twice = ["--span", "We read=a", "--span", "read=b"]
    _, error = run("add", model, "--text", "We read", *twice, code=1)
    assert "KNN-E080" in error
    _, error = run("forget", model, code=1)
    assert "KNN-E075" in error
    _, error = run("forget", tmp_path / "nowhere", "1", code=1)
    assert "nowhere" in error
    assert len(spacy.load(model).get_pipe("knn_ner").datastore.examples) == 6


def test_a_function_that_no_package_registers(folder, tmp_path):
    """It was registered in a program; a command cannot find it."""
    model = shutil.copytree(folder / "built", tmp_path / "model")
    config = model / "config.cfg"
    mine = config.read_text().replace('"spacy_knn_ner.', '"mine.')
    assert mine != config.read_text()
    config.write_text(mine)
    _, error = run("info", model, code=1)
    assert error.startswith("✘ [KNN-E145]") and "mine." in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "no-such-model"], "no-such-model"),
        (["info", "TRAINED"], "KNN-E060"),
        (["tune", "BUILT", "CONLL", "OUT"], "KNN-E061"),
        (["tune", "BUILT", "nowhere.spacy", "OUT"], "nowhere.spacy"),
        (["build", "TRAINED", "CONLL", "OUT"], "KNN-E061"),
        (["convert", "nowhere", "OUT"], "KNN-E024"),
        (["convert", "CONLL", "OUT", "--format", "x"], "KNN-E027"),
        (["convert", "CONLL", "OUT", "--n-sents", "0"], "KNN-E028"),
        (["convert", "CONLL", "OUT", "--lang", "qq"], "KNN-E017"),
        (["build", "TRAINED", "BARE", "OUT"], "KNN-E066"),
        (["tune", "BUILT", "BARE", "OUT"], "KNN-E067"),
        (["evaluate", "BUILT", "TEXT", "-o", "OUT", "--shares", "CONLL"], "KNN-E069"),
        (["evaluate", "BUILT", "TEXT", "-o", "OUT", "-g", "99"], "KNN-E068"),
        (["explain", "BUILT", "Ada lived", "--word", "nowhere"], "KNN-E070"),
    ],
)
def test_errors_are_one_line_and_exit_code_1(folder, tmp_path, arguments, message):
    places = {
        "TRAINED": folder / "trained",
        "BUILT": folder / "built",
        "CONLL": folder / "text.conll",
        "TEXT": folder / "text.spacy",
        "BARE": tmp_path / "bare.spacy",  # Docs without annotation
        "OUT": tmp_path / "out",
    }
    bare = [Doc(spacy.blank("en").vocab, words=["a", "b"])]
    DocBin(docs=bare).to_disk(tmp_path / "bare.spacy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KnnNerWarning)
        out, error = run(*(places.get(a, a) for a in arguments), code=1)
    assert out == "" and message in error
    assert "Traceback" not in error
    *progress, line = error.splitlines()  # bars of what was done until then
    assert line.startswith("✘") and "✘" not in "".join(progress)
    assert [path.name for path in tmp_path.iterdir()] == ["bare.spacy"]


def test_without_matplotlib_all_but_the_pages_is_written(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    data = folder / "text.spacy"
    arguments = folder / "built", data, tmp_path / "tuned", "--no-every-entry"
    _, error = run("tune", *arguments)
    assert "KNN-E065" in error
    spacy.load(tmp_path / "tuned")
    assert (tmp_path / "tuned" / "tuning" / "trials.csv").exists()
    _, error = run("evaluate", folder / "built", data, "-o", tmp_path / "report")
    assert "KNN-E065" in error
    assert [p.name for p in (tmp_path / "report").iterdir()] == ["report.json"]


def test_a_batch_has_a_size(folder, tmp_path):
    arguments = "build", folder / "trained", folder / "text.spacy", tmp_path / "x"
    run(*arguments, "--batch-size", 0, code=2)


def test_a_part_that_is_no_range_is_refused(folder, tmp_path):
    _, error = run(
        "convert", folder / "text.conll", tmp_path / "x", "--part", "a:b", code=2
    )
    assert "--part" in error


# --- help ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb):
    text, _ = run(verb, "--help")
    assert f"Example: spacy knn {verb}" in " ".join(text.split())


def test_the_verbs_belong_to_spacy():
    command = [sys.executable, "-m", "spacy", "knn", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.slow
def test_build_takes_another_layer_of_a_transformer(tiny_bert, folder, tmp_path):
    nlp = transformer_pipeline(tiny_bert)
    nlp.remove_pipe("knn_ner")
    nlp.to_disk(tmp_path / "trained")
    arguments = folder / "text.spacy", tmp_path / "built", "--layer", "1"
    found = run_json("build", tmp_path / "trained", *arguments)
    assert found["settings"]["keys"]["layer"] == 1
    again = spacy.load(tmp_path / "built")
    again(SENTENCES[0][0])
    again.get_pipe("knn_ner").rebuild(show_progress=False)


def test_progress_bars_need_a_terminal(monkeypatch):
    for is_terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda found=is_terminal: found)
        assert shows_progress(as_json=False) == is_terminal
        assert not shows_progress(as_json=True)
