"""The same entities and scores after saving, copying and installing."""

import copy
import os
import shutil
import subprocess
import sys
import venv

import pytest
import spacy
from util import (
    ENCODERS,
    TEXTS,
    annotated,
    annotated_docs,
    configure,
    pipeline_with,
    run_python,
    same,
    transformer_pipeline,
    view,
)


@pytest.fixture(params=ENCODERS)
def filled(request, tiny_bert):
    """With a store and corrections."""
    return taught(pipeline_with(request.param, tiny_bert))


def taught(nlp):
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    knn.add([annotated(nlp.vocab, "Nobody read the book", [(3, 4, "work")])])
    return nlp


def views(nlp):
    found = [view(doc) for doc in nlp.pipe(TEXTS)]
    assert any(found)
    return found


@pytest.mark.parametrize("k", [32, None])
def test_to_disk(filled, tmp_path, k):
    filled.get_pipe("knn_ner").k = k
    before = views(filled)
    filled.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert same(views(again), before)
    again.to_disk(tmp_path)  # over itself, while mapped
    assert same(views(again), before)
    assert same(views(spacy.load(tmp_path)), before)


def test_to_bytes(filled):
    before = views(filled)
    again = spacy.blank("en").from_config(filled.config)
    assert same(views(again.from_bytes(filled.to_bytes())), before)


def test_deepcopy(filled):
    before = views(filled)
    again = copy.deepcopy(filled)
    assert same(views(again), before)
    knn = again.get_pipe("knn_ner")
    assert knn.nlp is again
    knn.add(annotated_docs(again))
    configure(knn, weight=0.9)
    assert same(views(filled), before)
    assert views(again) != before


def test_deepcopy_of_what_was_loaded(filled, tmp_path):
    before = views(filled)
    filled.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    again = copy.deepcopy(loaded)
    assert same(views(again), before)


def test_without_the_datastore(filled, tmp_path):
    filled.get_pipe("knn_ner").to_disk(tmp_path / "knn", exclude=["datastore"])
    assert not list(tmp_path.rglob("*.npy"))


USE_INSTALLED = """
import json, sys
import spacy

def view(doc):
    scores = doc.spans["knn_ner"].attrs["scores"]
    return [(e.start, e.end, e.label_, s) for e, s in zip(doc.ents, scores)]

nlp = spacy.load("en_tiny_knn")
print(json.dumps([view(doc) for doc in nlp.pipe(json.loads(sys.argv[1]))]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_package_and_install(tmp_path, tiny_bert):
    """`spacy package` → `pip install` of the wheel into another environment →
    `spacy.load` by name, with the model's folder gone.

    The other environment sees this one's libraries, which a test should not
    download again, but the model is installed only there.
    """
    import json

    nlp = taught(transformer_pipeline(tiny_bert))
    before = views(nlp)
    nlp.to_disk(tmp_path / "model")
    command = [sys.executable, "-m", "spacy", "package"]
    command += [tmp_path / "model", tmp_path, "--name", "tiny_knn", "--build", "wheel"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.rglob("*.whl")
    shutil.move(wheel, tmp_path / wheel.name)
    for folder in [*tmp_path.glob("en_tiny_knn-*/"), tmp_path / "model"]:
        shutil.rmtree(folder) if folder.is_dir() else None

    venv.create(tmp_path / "env")
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (packages / "parent.pth").write_text("\n".join(p for p in sys.path if p))
    python = tmp_path / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    subprocess.run([*install, tmp_path / wheel.name], check=True, capture_output=True)
    (tmp_path / "use.py").write_text(USE_INSTALLED)
    done = subprocess.run(
        [python, "-W", "ignore", tmp_path / "use.py", json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert same([[tuple(s) for s in doc] for doc in found], before)


def test_what_the_package_requires(tmp_path, built):
    """The model's own requirements bring this package, and with it the rest."""
    done = run_python(
        "import importlib.metadata as m, json\n"
        "print(json.dumps(m.requires('spacy-knn-ner')))",
        tmp_path,
        60,
    )
    names = {line.split(">")[0].split("<")[0].split("=")[0] for line in done}
    assert {"faiss-cpu", "torch", "spacy-transformers", "tqdm"} <= names
    from spacy.cli.package import get_third_party_dependencies

    built.to_disk(tmp_path / "model")
    found = get_third_party_dependencies(built.config)
    assert any(line.startswith("spacy-knn-ner") for line in found)
