"""project.yml, and the scripts it calls."""

import json
import zipfile
from pathlib import Path

import contexts
import data_sets
import fetch_assets
import k_sweep
import package
import pytest
import spacy
import srsly
import train
import typer
import write
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner
from util import annotated_docs, cnn_pipeline, view

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.corpora.formats import FORMATS
from spacy_knn_ner.evaluation.report import evaluate
from spacy_knn_ner.reading.training.entity_batches import make_batcher

ROOT = Path(__file__).parents[2]
PROJECT = srsly.read_yaml(ROOT / "project.yml")
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}


def test_project_yml_is_what_write_py_writes():
    assert (ROOT / "project.yml").read_text(encoding="utf8") == write.text()


@pytest.mark.parametrize("name", PROJECT["workflows"])
def test_a_workflow_makes_what_its_commands_need(name):
    made = set()
    for step in PROJECT["workflows"][name]:
        command = COMMANDS[step]
        for path in command["deps"]:
            of_convert = {path.replace("dev.spacy", "train.spacy")}  # see write.py
            is_part = any(path.startswith(f"{folder}/") for folder in made)
            assert (
                path in made or is_part or made & of_convert or (ROOT / path).exists()
            )
        assert command["outputs"], "a command without outputs would always run"
        made |= set(command["outputs"])


@pytest.mark.parametrize("name", data_sets.DATASETS)
def test_every_data_set_has_its_seven_steps(name):
    dataset = data_sets.DATASETS[name]
    assert dataset.format in FORMATS
    owner = dataset.model or name
    steps = PROJECT["workflows"][name]
    for step in ("train", "build", "tune"):
        assert f"{owner}-{step}" in steps
    for step in ("assets", "convert", "evaluate", "package"):
        assert f"{name}-{step}" in steps


def test_changed_dev_data_leaves_training_alone():
    for name, command in COMMANDS.items():
        uses = any(path.endswith("dev.spacy") for path in command["deps"])
        assert uses == name.endswith(("-tune", "-vectors", "-plain", "-context"))
        assert not any(path.endswith("dev.spacy") for path in command["outputs"])


def test_scripts_exist():
    for command in PROJECT["commands"]:
        for line in command["script"]:
            words = line.split()
            assert words[0] == "python"
            known = words[1] == "-m" or (ROOT / words[1]).exists()
            assert known, line


# --- recipes -------------------------------------------------------------------

RECIPES = srsly.read_yaml(ROOT / "configs" / "recipes.yml")
CASES = [
    (name, encoder)
    for name, dataset in data_sets.DATASETS.items()
    if dataset.model is None
    for encoder in RECIPES[name]
]


@pytest.mark.parametrize(("name", "encoder"), CASES)
def test_a_recipe_is_a_config(name, encoder, tmp_path):
    """Every setting of a recipe is one that the config has."""
    recipe = train.recipe(name, encoder)
    changes = train.overrides(recipe, name, n_docs=1000, seed=1)
    is_cnn = encoder == "default" and data_sets.DATASETS[name].lang == "zh"
    path = train.config_for("cnn" if is_cnn else encoder, "ner_tagger", tmp_path)
    config = spacy.util.load_config(path, overrides=changes, interpolate=True)
    assert (
        config["training"]["optimizer"]["learn_rate"]["initial_rate"]
        == (recipe["learn_rate"])
    )
    assert config["training"]["max_epochs"] == recipe["epochs"]
    assert config["training"]["dropout"] == recipe["dropout"]
    assert config["nlp"]["lang"] == data_sets.DATASETS[name].lang


def test_the_papers_settings():
    """CoNLL-2003 with BERT-large: 5e-5, 16 × 2, 40 epochs, dropout .1, decay .01."""
    changes = train.overrides(
        train.recipe("conll2003", "bert-large-cased"), "conll2003", 14041, 0
    )
    assert changes["vars.learn_rate"] == 5e-5
    assert changes["training.batcher.size"] == 32
    assert changes["training.accumulate_gradient"] == 2
    assert changes["vars.total_steps"] == 439 * 40
    assert changes["training.optimizer.learn_rate.warmup_steps"] == 18  # .001 of it
    assert changes["training.eval_frequency"] == 109  # a quarter of an epoch


@pytest.mark.parametrize("n_docs", [100, 96, 97, 16, 5])
@pytest.mark.parametrize("checks", [1, 2])
def test_the_last_epoch_is_checked(n_docs, checks):
    """spaCy scores dev where update % eval_frequency == 0, counting from 0."""
    recipe = {**train.recipe("wnut17", "default"), "checks": checks}
    changes = train.overrides(recipe, "wnut17", n_docs, 0)
    total, every = changes["vars.total_steps"], changes["training.eval_frequency"]
    last = max(step for step in range(total) if step % every == 0)
    assert total - 1 - last < recipe["epochs"] * checks


@pytest.mark.parametrize("method", ["context", "clner-kl", "contrast"])
def test_the_last_check_does_not_depend_on_the_order_of_docs(method, tmp_path):
    """Docs are shuffled, and batches of words or entities are then more or fewer: an
    end after so many epochs could come before the last check."""
    nlp = spacy.blank("en")
    DocBin(docs=annotated_docs(nlp) * 30).to_disk(tmp_path / "train.spacy")
    recipe = train.recipe("wnut17", "default", method)
    changes = train.method_overrides(method, recipe, tmp_path / "train.spacy")
    total, every = changes["vars.total_steps"], changes["training.eval_frequency"]
    assert changes["training.max_steps"] == total
    assert changes["training.max_epochs"] == 0  # as many as it takes
    last = max(step for step in range(total) if step % every == 0)
    assert total - 1 - last < recipe["epochs"] * recipe["checks"]


def test_encoders_of_ones_own_are_trained_as_their_kind():
    assert train.recipe("resume", "some-bert") == RECIPES["transformer"]
    assert train.recipe("wnut17", "cnn") == RECIPES["cnn"]
    assert RECIPES["transformer"]["learn_rate"] < 1e-4 < RECIPES["cnn"]["learn_rate"]


def test_a_config_with_spacys_own_ner(tmp_path):
    path = train.config_for("cnn", "ner", tmp_path)
    nlp = spacy.util.load_model_from_config(
        spacy.util.load_config(path), auto_fill=True
    )
    assert nlp.pipe_names == ["tok2vec", "ner"]


# --- packages ------------------------------------------------------------------


@pytest.mark.slow
def test_a_package_carries_its_card_and_works(tmp_path):
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    docs = annotated_docs(nlp)
    knn.build(docs, show_progress=False)
    nlp.to_disk(tmp_path / "tuned")
    report = evaluate(knn, docs, ks=(1, 2), resamples=10)
    (tmp_path / "report.json").write_text(json.dumps(report))
    (tmp_path / "training.json").write_text('{"epochs": 7, "hashes": {}}')
    package.main(
        "wnut17",
        tmp_path / "tuned",
        tmp_path / "training.json",
        tmp_path / "report.json",
        tmp_path / "out",
    )
    (wheel,) = (tmp_path / "out").iterdir()
    assert wheel.name == "en_wnut17_knn-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "installed")
    (folder,) = (tmp_path / "installed" / "en_wnut17_knn").glob("en_wnut17_knn-*")
    again = spacy.load(folder)
    assert [view(again(doc.text)) for doc in docs] == [
        view(nlp(doc.text)) for doc in docs
    ]
    f1 = report["systems"]["mixture"]["f1"]
    assert again.meta["performance"]["ents_f"] == pytest.approx(f1)
    card = (folder / "README.md").read_text(encoding="utf8")
    assert "WNUT-17" in card and "epochs | `7`" in card


# --- steps ---------------------------------------------------------------------


def test_a_file_that_is_not_the_published_one_stops_the_workflow(tmp_path, monkeypatch):
    for split in data_sets.DATASETS["weibo"].splits.values():
        path = tmp_path / "mirror" / split.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("something else")
    monkeypatch.setenv("SPACY_KNN_NER_DATA", str(tmp_path / "mirror"))
    with pytest.raises(SystemExit) as caught:
        fetch_assets.main("weibo", tmp_path / "assets")
    assert caught.value.code == 1
    assert not [path for path in (tmp_path / "assets").rglob("*") if path.is_file()]


def test_a_licensed_copy_must_be_there(tmp_path):
    with pytest.raises(SystemExit):
        fetch_assets.main("ontonotes5", tmp_path)
    (tmp_path / "ontonotes5").mkdir()
    for split in ("train", "dev", "test"):
        (tmp_path / "ontonotes5" / f"{split}.txt").write_text("Ada B-PERSON\n")
    fetch_assets.main("ontonotes5", tmp_path)


def test_a_share_of_the_training_data_is_a_random_part(tmp_path):
    docs = annotated_docs(spacy.blank("en"))
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "all.spacy")
    drawn = []
    for seed in (0, 0, 1):
        path = train.part_of(tmp_path / "all.spacy", 0.5, seed, tmp_path / "share")
        found = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
        drawn.append([doc.text for doc in found])
    assert len(drawn[0]) == 3 and drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) <= {doc.text for doc in docs}


def test_a_sweep_takes_the_simplest_best_settings_of_each_k(tmp_path):
    rows = [
        "k,temperature,interpolation.weight,decoding,precision,recall,f1",
        "4,0.1,0.0,viterbi,0,0,0.9",  # the tagger alone
        "16,0.1,0.2,viterbi,0,0,0.7",
        "null,0.1,0.2,viterbi,0,0,0.4",
        "4,0.1,0.3,viterbi,0,0,0.6",
        "4,0.2,0.3,viterbi,0,0,0.6",
    ]
    (tmp_path / "trials.csv").write_text("\n".join(rows))
    best = k_sweep.best_by_k(tmp_path / "trials.csv")
    found = {
        k: (trial["temperature"], trial[k_sweep.WEIGHT]) for k, trial in best.items()
    }
    assert list(found.items()) == [
        ("4", ("0.1", "0.3")),
        ("16", ("0.1", "0.2")),
        ("null", ("0.1", "0.2")),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["weibo", "out", "--method", "contrast"], "name one"),
        (["wnut17", "out", "--method", "nerco"], "start from another pipeline"),
        (["wnut17", "out", "--method", "crf", "--start", "x"], "the others do not"),
        (["wnut17", "out", "--method", "magic"], "is one of softmax, crf"),
    ],
)
def test_methods_that_cannot_be_trained_so(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(train.main)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code
    assert message in str(result.exception) + result.output


def test_what_methods_change(tmp_path):
    docs = annotated_docs(spacy.blank("en"))
    path = tmp_path / "train.spacy"
    DocBin(docs=docs).to_disk(path)
    head = "components.ner_tagger.model.@architectures"
    none = train.method_overrides("softmax", {}, path)
    crf = train.method_overrides("crf", {}, path)
    assert none == {}
    assert crf == {head: "spacy_knn_ner.CrfTagger.v1"}
    recipe = train.recipe("weibo", "default", "contrast-outside")
    recipe |= {"entities": 4, "batch": 2, "epochs": 5, "patience": 2}
    found = train.method_overrides("contrast-outside", recipe, path)
    batches = len(list(make_batcher(4, 2)([Example(d, d) for d in docs])))
    assert found["vars.total_steps"] == 5 * batches
    assert found["training.patience"] == 2 * batches
    assert found["components.token_contrast.include_outside"]
    assert found["components.token_contrast.temperature"] == 0.08


@pytest.mark.slow
def test_both_stages_in_a_folder_that_does_not_exist(tiny_bert, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "corpus" / "weibo"
    data.mkdir(parents=True)
    docs = annotated_docs(spacy.blank("zh"))
    for part in ("train", "dev"):
        DocBin(docs=docs, store_user_data=True).to_disk(data / f"{part}.spacy")
    one, two = Path("training/one"), Path("training/two")
    train.main("weibo", one, str(tiny_bert), method="contrast")
    train.main("weibo", two, str(tiny_bert), method="nerco", start=one / "model-best")
    assert spacy.load(one / train.UNTOUCHED).pipe_names[0] == "transformer"
    assert spacy.load(two / "model-best").pipe_names == ["transformer", "ner_tagger"]
    seconds = (two / "training.json").stat().st_mtime_ns
    train.main("weibo", two, str(tiny_bert), method="nerco", start=one / "model-best")
    assert (two / "training.json").stat().st_mtime_ns == seconds


def test_an_encoder_in_a_folder_is_known_by_its_name():
    of_folder = train.recipe("weibo", "/some/where/multilingual-e5-small")
    assert of_folder == train.recipe("weibo", "multilingual-e5-small")
    assert of_folder != train.recipe("weibo", "another-encoder")


@pytest.mark.slow
def test_contexts_of_every_source(tiny_bert, tmp_path, monkeypatch):
    """Of documents, of a search with each re-ranker, and at random."""
    monkeypatch.chdir(tmp_path)
    nlp = spacy.blank("en")
    folder = tmp_path / "corpus" / "wnut17"
    folder.mkdir(parents=True)
    docs = annotated_docs(nlp)
    for part in ("train", "dev", "test"):
        DocBin(docs=docs, store_user_data=True).to_disk(folder / f"{part}.spacy")
    texts = ["Ada read a book", "the party in Paris", docs[0].text]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    for source in ("retrieved", "other-sentence", "data-set", "random"):
        out = tmp_path / source
        rerankers = contexts.RERANKERS if source == "retrieved" else ("none",)
        for reranker in rerankers:
            known = [tmp_path / "texts.txt"]
            contexts.main("wnut17", out, source, reranker, str(tiny_bert), known)
            found = read_docs(out / "test.spacy", nlp.vocab)
            used = {c["text"] for doc in found for c in doc._.contexts}
            assert used and len(found) == len(docs)
            if source not in ("data-set", "random"):
                assert used <= set(texts[:2])  # and not what is in the test data


def test_contexts_of_a_document_where_only_test_data_was_published(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assets = tmp_path / "assets" / "cbs"
    assets.mkdir(parents=True)
    (assets / "test.txt").write_text("Ada B-PER\n\nParis B-LOC\n")
    contexts.main("cbs", tmp_path / "document", "document", "none", "", None)
    assert [path.name for path in (tmp_path / "document").iterdir()] == ["test.spacy"]
    (doc,) = read_docs(tmp_path / "document" / "test.spacy", spacy.blank("en").vocab)
    assert len(list(doc.sents)) == 2
