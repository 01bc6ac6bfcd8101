"""Folders and pipelines are replaced in one step."""

import os

import pytest
import spacy
from util import annotated_docs, cnn_pipeline, view

from spacy_knn_ner.components.memory.pipelines import save_pipeline
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.folders import replaced


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_is_replaced_and_other_files_stay(in_one_step, tmp_path, monkeypatch):
    if not in_one_step:  # as on other systems
        monkeypatch.setattr("spacy_knn_ner.folders.sys.platform", "other")
    folder = tmp_path / "model"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "a.txt").write_text("mine")
    (folder / "config.cfg").write_text("old")
    for text in ("new", "newer"):
        with replaced(folder) as draft:
            (draft / "config.cfg").write_text(text)
            assert (folder / "config.cfg").read_text() != text
        assert (folder / "config.cfg").read_text() == text
        assert files(folder) == {"config.cfg", "notes/a.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_stays_as_it_was_when_writing_fails(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.cfg").write_text("old")
    (tmp_path / ".model.new").mkdir()  # of one that was killed
    full = pytest.raises(KnnNerError, match=f"KNN-E117.*{folder}.*full")
    with full, replaced(folder) as draft:
        (draft / "config.cfg").write_text("new")
        raise OSError("disk full")
    assert (folder / "config.cfg").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "model")
    with replaced(tmp_path / "model") as draft:
        (draft / "x").write_text("x")
    assert (tmp_path / "model").is_symlink()
    assert files(tmp_path / "real") == {"x"}


@pytest.fixture
def nlp():
    nlp = cnn_pipeline(weight=1.0)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    return nlp


def test_a_pipeline_is_saved_over_itself_again_and_again(nlp, tmp_path):
    for i in range(3):
        save_pipeline(nlp, tmp_path / "model")
        nlp = spacy.load(tmp_path / "model") if i == 1 else nlp
        nlp.get_pipe("knn_ner").teach(f"We met Name{i}", {f"Name{i}": "thing"})
    save_pipeline(nlp, tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    for i in range(3):
        text = f"We met Name{i}"
        assert view(again(text)) == view(nlp(text))
        assert (2, 3, "thing") in [ent[:3] for ent in view(again(text))]
    store = Datastore().from_disk(tmp_path / "model/knn_ner/datastore", verify=True)
    assert len(store.examples) == 9
    nlp.get_pipe("knn_ner").to_disk(tmp_path / "model" / "knn_ner")  # knows where it is


def test_what_another_process_has_saved_is_not_replaced(nlp, tmp_path):
    save_pipeline(nlp, tmp_path / "model")
    other = spacy.load(tmp_path / "model")
    other.get_pipe("knn_ner").teach("We met Ada", {"Ada": "thing"})
    save_pipeline(other, tmp_path / "model")
    with pytest.raises(KnnNerError, match="KNN-E076"):
        save_pipeline(nlp, tmp_path / "model")
    assert (
        len(spacy.load(tmp_path / "model").get_pipe("knn_ner").datastore.examples) == 7
    )


def test_a_disabled_component_knows_where_it_was_saved(nlp, tmp_path):
    nlp.disable_pipe("knn_ner")
    save_pipeline(nlp, tmp_path / "model")
    store = nlp.get_pipe("knn_ner").datastore
    assert list(store.saved_as) == [tmp_path / "model" / "knn_ner" / "datastore"]
    assert store.files.path.is_dir()
