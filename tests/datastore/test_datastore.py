"""The datastore: examples and entries in and out, on disk and as bytes."""

import copy
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from datastores import ADA, PARTY, WIDTH, contents, filled, keys_of, text_of

from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.disk import persistence, saved_files
from spacy_knn_ner.digest import sha256
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.types import TokenKeys


def test_an_example_becomes_an_entry_per_token():
    store, ids = filled()
    assert ids == [1, 2, 3]
    assert contents(store)["entries"] == {
        "store": [
            *[(1, 0, "U-person"), (1, 1, "O"), (1, 2, "O"), (1, 3, "U-location")],
            *[(2, 0, "O"), (2, 1, "O")],
        ],
        "corrections": [(3, 0, "O"), (3, 1, "O")],
    }
    assert store.example(1).annotated == ADA
    assert (len(store), len(store.store), len(store.corrections)) == (8, 6, 2)


def test_unannotated_tokens_are_never_stored_as_outside():
    store = Datastore()
    partial = text_of("Ada met Alan", [(0, 1, "person")], missing=[1, 2])
    store.add([partial], [keys_of(partial)], part="corrections")
    assert contents(store)["entries"]["corrections"] == [(1, 0, "U-person")]
    unannotated = text_of("who knows", missing=[0, 1])
    assert store.add([unannotated], [keys_of(unannotated)], part="store") == [2]
    assert len(store.store) == 0


def test_ids_are_never_used_again(tmp_path):
    store, ids = filled()
    assert store.forget([ids[2]]) == 2
    store.to_disk(tmp_path)
    again = Datastore().from_disk(tmp_path)
    assert again.add([PARTY], [keys_of(PARTY)], part="store") == [4]


def test_forgotten_means_gone(tmp_path):
    store, ids = filled()
    store.forget([ids[0]])
    with pytest.raises(KnnNerError, match="KNN-E037"):
        store.example(ids[0])
    store.to_disk(tmp_path)
    saved = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"London" not in saved
    assert keys_of(ADA, 0).vectors[0].tobytes() not in saved
    assert b"Guests" in saved


def test_an_unknown_id_forgets_nothing():
    store, ids = filled()
    with pytest.raises(KnnNerError, match="KNN-E037"):
        store.forget([ids[0], 77])
    assert len(store) == 8


@pytest.mark.parametrize(
    ("text", "width", "code"),
    [
        (text_of("a b c", [(0, 2, "x"), (1, 3, "y")]), WIDTH, "KNN-E002"),
        (PARTY, WIDTH + 1, "KNN-E034"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(text, width, code):
    store, _ = filled()
    before = contents(store)
    with pytest.raises(KnnNerError) as caught:
        store.add(
            [PARTY, text], [keys_of(PARTY), keys_of(text, 0, width)], part="store"
        )
    assert caught.value.code == code
    assert contents(store) == before


@pytest.mark.parametrize("size", [1e6, 1e-9])
def test_a_key_that_float16_cannot_hold_is_refused(size):
    store = Datastore(dtype="float16")
    keys = TokenKeys(np.full((2, WIDTH), size, "float32"), np.arange(2), 2)
    with pytest.raises(KnnNerError, match="KNN-E031"):
        store.add([PARTY], [keys], part="store")
    assert len(store.examples) == 0


# --- saving ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("way", ["disk", "bytes", "pickle"])
def test_a_saved_datastore_is_the_same(way, dtype, tmp_path):
    store, ids = filled(dtype)
    store.forget([ids[1]])
    if way == "disk":
        store.to_disk(tmp_path)
        again = Datastore().from_disk(tmp_path, verify=True)
    elif way == "bytes":
        again = Datastore().from_bytes(store.to_bytes())
    else:
        again = pickle.loads(pickle.dumps(store))
    assert contents(again) == contents(store)
    new_id = again.add([ADA], [keys_of(ADA)], part="corrections")
    assert new_id == [4]
    assert len(store) == 6  # the copy is a copy


def test_an_empty_datastore_can_be_saved(tmp_path):
    Datastore(fingerprint={"sha256": "x"}).to_disk(tmp_path)
    assert len(Datastore().from_disk(tmp_path)) == 0
    assert len(Datastore().from_bytes(Datastore().to_bytes())) == 0


def test_saving_over_what_is_mapped(tmp_path):
    filled()[0].to_disk(tmp_path)
    store = Datastore().from_disk(tmp_path)
    store.add([ADA], [keys_of(ADA)], part="corrections")
    before = contents(store)
    store.to_disk(tmp_path)
    assert contents(store) == before
    assert contents(Datastore().from_disk(tmp_path)) == before
    assert [path.name for path in tmp_path.glob("gen-*")] == ["gen-2"]


def test_a_loaded_file_is_never_written_to(tmp_path):
    filled()[0].to_disk(tmp_path)
    files = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    store = Datastore().from_disk(tmp_path)
    store.add([ADA], [keys_of(ADA)], part="store")
    store.forget([1])
    assert files == {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}


def test_an_interrupted_save_leaves_the_old_one(tmp_path, monkeypatch):
    store, _ = filled()
    store.to_disk(tmp_path)
    before = contents(store)
    store.add([ADA], [keys_of(ADA)], part="store")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(persistence, "_flush", fail)
    with pytest.raises(KnnNerError, match=rf"KNN-E117.*{tmp_path}.*disk full"):
        store.to_disk(tmp_path)
    assert contents(Datastore().from_disk(tmp_path, verify=True)) == before
    assert [path.name for path in tmp_path.glob("gen-*")] == ["gen-1"]


def damage_nothing_there(folder):
    (folder / "manifest.json").unlink()


def damage_manifest(folder):
    (folder / "manifest.json").write_text("{")


def damage_missing_file(folder):
    (folder / "gen-1" / "store.index.faiss").unlink()


def damage_cut_file(folder):
    path = folder / "gen-1" / "store.index.faiss"
    path.write_bytes(path.read_bytes()[:-1])


def damage_format(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (damage_nothing_there, "KNN-E032"),
        (damage_manifest, "KNN-E032"),
        (damage_missing_file, "KNN-E032"),
        (damage_cut_file, "KNN-E032"),
        (damage_format, "KNN-E033"),
    ],
)
def test_a_damaged_datastore_is_refused(damage, code, tmp_path):
    filled()[0].to_disk(tmp_path)
    damage(tmp_path)
    with pytest.raises(KnnNerError) as caught:
        Datastore().from_disk(tmp_path)
    assert caught.value.code == code


def test_a_reader_survives_a_writer_that_replaces_what_it_reads(tmp_path, monkeypatch):
    store, _ = filled()
    store.to_disk(tmp_path)
    current = persistence.current

    def replaced_meanwhile(folder, verify):
        found = current(folder, verify=verify)
        monkeypatch.setattr(persistence, "current", current)
        store.to_disk(tmp_path)  # deletes the generation just found
        return found

    monkeypatch.setattr(persistence, "current", replaced_meanwhile)
    assert contents(Datastore().from_disk(tmp_path)) == contents(store)


@pytest.mark.parametrize("moment", ["before it is read", "after it was read"])
def test_a_reader_survives_a_writer_that_replaces_a_file(moment, tmp_path, monkeypatch):
    store, _ = filled()
    store.to_disk(tmp_path)
    monkeypatch.setattr(saved_files, "AT_ONCE", 0)  # keys are only mapped

    def replaced_meanwhile(path):
        monkeypatch.setattr(saved_files, "sha256", sha256)
        found = sha256(path) if moment == "after it was read" else None
        store.to_disk(tmp_path)  # deletes the generation
        return found or sha256(path)

    monkeypatch.setattr(saved_files, "sha256", replaced_meanwhile)
    assert contents(Datastore().from_disk(tmp_path)) == contents(store)


def test_a_copy_does_not_mistake_another_file_for_its_own(tmp_path):
    filled()[0].to_disk(tmp_path / "x")
    store = Datastore().from_disk(tmp_path / "x")
    shutil.rmtree(tmp_path / "x")
    other = Datastore()
    other.add([PARTY], [keys_of(PARTY)], part="store")
    other.to_disk(tmp_path / "x")
    assert copy.deepcopy(store).example(1).annotated == ADA


def test_a_folder_that_was_made_anew_is_somebody_elses(tmp_path):
    """Though it counts its generations from one again."""
    filled()[0].to_disk(tmp_path)
    mine = Datastore().from_disk(tmp_path)
    shutil.rmtree(tmp_path)
    other, _ = filled()
    other.add([ADA], [keys_of(ADA)], part="corrections")
    other.to_disk(tmp_path)
    with pytest.raises(KnnNerError, match="KNN-E076"):
        mine.to_disk(tmp_path)
    assert contents(Datastore().from_disk(tmp_path)) == contents(other)


def test_an_unknown_dtype_is_refused():
    with pytest.raises(KnnNerError, match="KNN-E038"):
        Datastore(dtype="int8")


def test_errors_can_travel_between_processes():
    try:
        Datastore(dtype="int8")
    except KnnNerError as error:
        again = pickle.loads(pickle.dumps(error))
        assert (again.code, str(again)) == (error.code, str(error))


def test_to_bytes_beyond_4_gib_points_to_to_disk(monkeypatch):
    monkeypatch.setattr("spacy_knn_ner.datastore.disk.saving._FIELD_LIMIT", 10)
    with pytest.raises(KnnNerError, match="Use to_disk"):
        filled()[0].to_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_examples_can_be_read_in_a_forked_process():
    store, _ = filled()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if store.example(1).annotated == ADA else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert store.example(1).annotated == ADA
