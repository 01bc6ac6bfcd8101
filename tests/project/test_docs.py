"""The examples of the docs run, and their tables are complete."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import spacy
from thinc.api import Config
from util import SENTENCES, annotated_docs, cnn_pipeline, entities

from spacy_knn_ner.settings import describe

DOCS = Path(__file__).parents[2] / "docs"
EXTENDING = (DOCS / "extending.md").read_text(encoding="utf8")


def blocks(language, text):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


@pytest.mark.filterwarnings("ignore:.*KNN-W004")  # it is no good index
@pytest.mark.parametrize("i", [0, 1])
def test_an_extension_of_ones_own(i, tmp_path):
    """An index, and an interpolation: registered, used, saved and loaded."""
    code, config = blocks("python", EXTENDING)[i], blocks("ini", EXTENDING)[i]
    assert len(code.splitlines()) < 45
    exec(code, {"__name__": "extension"})
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    sections = "[components]\n[components.knn_ner]\n"
    block = Config().from_str(sections + config)["components"]["knn_ner"]
    knn.set_settings(k=1, **block)
    if i == 0:
        knn.interpolation = {"weight": 1.0}
    else:
        knn.interpolation = {"weight": 1.0, "radius": 5.0}
    knn.build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path)
    for pipeline in (nlp, spacy.load(tmp_path)):
        for text, expected in SENTENCES:
            assert entities(pipeline(text)) == expected
        assert pipeline.get_pipe("knn_ner").config()["index"] == knn.config()["index"]
    if i == 0:
        assert knn.make_index()["kind"] == "NearestCluster"
        assert knn.datastore.store.fidelity is not None


def test_a_bound_gives_the_gate_its_proof():
    """Whatever weights below the bound are: nothing comes out otherwise."""
    namespace = {"__name__": "extension"}
    exec(blocks("python", EXTENDING)[1], namespace)
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    function = {"@knn_interpolations": "my_package.ByDistance.v1"}
    knn.interpolation = {**function, "weight": 0.45, "radius": 0.4}
    knn.build(annotated_docs(nlp), show_progress=False)
    docs = list(nlp.pipe([text for text, _ in SENTENCES], disable=["knn_ner"]))
    found = {}
    for mode in ("all", "lossless"):
        knn.lookup = {"mode": mode}
        found[mode] = knn.predict(docs)
    for one, other in zip(found["all"], found["lossless"], strict=True):
        np.testing.assert_array_equal(one.ids, other.ids)


def test_every_setting_is_documented():
    text = (DOCS / "settings.md").read_text(encoding="utf8")
    for name, (default, description) in describe().items():
        shown = json.dumps(default)  # as in a config
        assert f"| `{name}` | `{shown}` | {description} |" in text


def test_an_engine_of_ones_own():
    code, config = blocks("python", EXTENDING)[2], blocks("ini", EXTENDING)[2]
    exec(code, {"__name__": "extension"})
    sections = "[components]\n[components.context_retriever]\n"
    block = Config().from_str(sections + config)["components"]["context_retriever"]
    nlp = spacy.blank("en")
    nlp.add_pipe("context_retriever", config={**block, "n_contexts": 1})
    (context,) = nlp("Ada wrote it")._.contexts
    assert context["text"] == "Ada Lovelace wrote a program."
