"""Damage: no file is used, or signed as healthy, unless it is as it was saved; and a
change that fails leaves everything as it was."""

import json
import os
import shutil
import sqlite3
from contextlib import ExitStack, closing

import numpy as np
import pytest
from datastores import ADA, contents, filled, full_disk, keys_of, text_of

from spacy_knn_ner.datastore.datastore import CORRECTIONS, STORE, Datastore
from spacy_knn_ner.datastore.disk import saved_files
from spacy_knn_ner.datastore.disk.manifest import read
from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.datastore.examples.sqlite import ExampleStore
from spacy_knn_ner.digest import signed_json
from spacy_knn_ner.errors import KnnNerError

QUERY = np.ones((1, 4), dtype="float32")


@pytest.fixture
def saved(tmp_path):
    """A datastore with an index, a projection and corrections, on disk."""
    store, _ = filled()
    store.projection = np.eye(4, dtype="float32")
    store.store.search(QUERY, 2, metric="cosine")
    store.to_disk(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def large(monkeypatch):
    """Every file with keys is a large one."""
    monkeypatch.setattr(saved_files, "AT_ONCE", 0)


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix)


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    replace(path, bytes(data))


def replace(path, data):
    """Write another file: the one there may be mapped or linked."""
    path.unlink()
    path.write_bytes(data)


def damages(path, other):
    """Ways to damage a file: name, and a function that does it."""
    size = path.stat().st_size
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = min(size - 1, int(share * size))
        yield f"bit flipped at {at}", lambda at=at: flip(path, at)
    yield "truncated", lambda: replace(path, path.read_bytes()[: size // 2])
    yield "emptied", lambda: replace(path, b"")
    yield "removed", path.unlink
    yield "swapped", lambda: replace(path, other.read_bytes())


def test_every_damage_to_every_file_is_an_error_that_names_the_file(saved, tmp_path):
    files, n = files_of(saved), 0
    assert {path.name for path in files} == {
        "manifest.json",
        "examples.sqlite",
        "projection.npy",
        *(
            f"{p}.{f}"
            for p in (STORE, CORRECTIONS)
            for f in ("entries.npy", "labels.npy")
        ),
        *(f"{p}.index.faiss" for p in (STORE, CORRECTIONS)),
    }
    for file, other in zip(files, [*files[1:], files[0]], strict=True):
        path = file.relative_to(saved)
        for number in range(9):
            copy = tmp_path / "copy"
            shutil.copytree(saved, copy)
            name, damage = list(damages(copy / path, other))[number]
            damage()
            with pytest.raises(KnnNerError, match=path.name) as caught:
                Datastore().from_disk(copy)
            assert caught.value.code == "KNN-E032", name
            shutil.rmtree(copy)
            n += 1
    assert n == 9 * len(files)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("files", {}),
        ("files", {"../../x": {"size": 1, "sha256": ""}}),
        ("files", []),
        ("labels", "person"),
        ("labels", ["person", "person"]),
        ("labels", [1]),
        ("labels", ["person"]),
        ("width", "4"),
        ("width", -4),
        ("width", True),
        ("dtype", ["float32"]),
        ("tag_scheme", {}),
        ("entries", {"store": 5, "corrections": 2}),
        ("entries", {"store": "6", "corrections": 2}),
        ("entries", {"store": 6}),
        ("examples", 4),
        ("index", []),
        ("index", {"store": {"made_by": "Exact()"}}),
        ("index", {"store": 5}),
        ("fingerprint", "abc"),
        ("generation", 7),
        ("generation", None),
        ("format", "5"),
        ("unknown", 1),
    ],
)
def test_a_manifest_with_a_wrong_value_is_refused(name, value, saved):
    """Also where its digest is right: it was written like that."""
    content = json.loads((saved / "manifest.json").read_text())
    del content["sha256"]
    (saved / "manifest.json").write_text(signed_json({**content, name: value}))
    with pytest.raises(KnnNerError) as caught:
        Datastore().from_disk(saved)
    assert caught.value.code == "KNN-E032"


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 200_000, "\ud800"])
def test_a_manifest_that_is_no_json_object_is_refused(text, saved):
    (saved / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(KnnNerError, match=r"KNN-E032.*manifest\.json"):
        Datastore().from_disk(saved)


# --- large files ---------------------------------------------------------------


def test_large_files_are_compared_before_they_are_used(saved, large):
    flip(saved / "gen-1" / "store.index.faiss")
    store = Datastore().from_disk(saved)  # takes no longer than a small one
    assert store.example(1).annotated == ADA
    for use in (
        lambda: store.store.search(QUERY, 2, metric="cosine"),
        lambda: store.store.keys,
        lambda: store.add([ADA], [keys_of(ADA)], part=STORE),
        lambda: store.forget([1]),
        lambda: store.relabel("person", "PER"),
        store.consolidate,
        store.verify,
    ):
        with pytest.raises(KnnNerError, match=r"KNN-E032.*store\.index\.faiss"):
            use()
    assert contents_without_keys(store) == contents_without_keys(filled()[0])
    with pytest.raises(KnnNerError, match="KNN-E032"):
        Datastore().from_disk(saved, verify=True)


def contents_without_keys(store):
    examples = [(e.example_id, e.part, e.annotated) for e in store.examples]
    tables = [
        (table.entries.array().tolist(), table.tags.array().tolist(), len(table))
        for table in store.tables.values()
    ]
    return examples, tables, store.tag_set, store.dtype


def test_large_files_are_compared_once(saved, large, monkeypatch):
    store = Datastore().from_disk(saved)
    store.store.search(QUERY, 2, metric="cosine")
    store.corrections.search(QUERY, 2, metric="cosine")
    monkeypatch.setattr(saved_files, "hashlib", None)  # would fail
    store.store.search(QUERY, 2, metric="cosine")
    store.verify()


def test_large_files_can_be_used_without_comparing_them(saved, large):
    flip(saved / "gen-1" / "store.index.faiss")
    store = Datastore().from_disk(saved, verify=False)
    store.store.search(QUERY, 2, metric="cosine")
    with pytest.raises(KnnNerError, match="KNN-E032"):
        store.forget([1])  # would be signed with the next save
    flip(saved / "gen-1" / "store.labels.npy")  # small ones are always compared
    with pytest.raises(KnnNerError, match="KNN-E032"):
        Datastore().from_disk(saved, verify=False)


def test_switched_off_stays_off_after_a_save(saved, large):
    flip(saved / "gen-1" / "store.index.faiss")
    store = Datastore().from_disk(saved, verify=False)
    store.add([ADA], [keys_of(ADA)], part=CORRECTIONS)
    store.to_disk(saved)
    store.store.search(QUERY, 2, metric="cosine")
    with pytest.raises(KnnNerError, match="KNN-E032"):
        store.verify()


def test_a_large_file_is_compared_also_when_it_was_replaced(saved, large):
    store = Datastore().from_disk(saved)
    other = Datastore().from_disk(saved)
    other.forget([1])
    other.to_disk(saved)  # deletes the generation that is mapped
    assert len(store.store.search(QUERY, 2, metric="cosine").rows) == 1


def test_an_edit_does_not_sign_what_it_has_not_read(saved, large):
    """A damaged store stays damaged, after a correction was added to it."""
    flip(saved / "gen-1" / "store.index.faiss")
    store = Datastore().from_disk(saved)
    before = read(saved).files
    store.add([ADA], [keys_of(ADA)], part=CORRECTIONS)
    store.to_disk(saved)
    after = read(saved).files
    assert after["store.index.faiss"] == before["store.index.faiss"]
    assert after["corrections.index.faiss"] != before["corrections.index.faiss"]
    with pytest.raises(KnnNerError, match="KNN-E032"):
        store.verify()
    with pytest.raises(KnnNerError, match="KNN-E032"):
        Datastore().from_disk(saved, verify=True)
    with pytest.raises(KnnNerError, match="KNN-E032"):
        store.to_disk(saved.parent / "elsewhere")
    assert not list((saved.parent / "elsewhere").glob("gen-*"))


# --- what has not changed is carried over ----------------------------------------


def test_what_has_not_changed_is_not_written_again(saved):
    store = Datastore().from_disk(saved)
    inodes = {path.name: path.stat().st_ino for path in files_of(saved)}
    store.add([ADA], [keys_of(ADA)], part=CORRECTIONS)
    store.to_disk(saved)
    now = {path.name: path.stat().st_ino for path in files_of(saved)}
    linked = {name for name, inode in now.items() if inodes[name] == inode}
    assert linked == {"store.entries.npy", "store.index.faiss", "store.labels.npy"}
    store.to_disk(saved)
    again = {path.name: path.stat().st_ino for path in files_of(saved)}
    changed = {name for name, inode in again.items() if now[name] != inode}
    assert changed <= {"manifest.json", "projection.npy"}
    assert contents(Datastore().from_disk(saved, verify=True)) == contents(store)


def test_another_folder_gets_files_of_its_own(saved, tmp_path):
    store = Datastore().from_disk(saved)
    store.to_disk(tmp_path / "other")
    flip(tmp_path / "other" / "gen-1" / "store.index.faiss")
    assert contents(Datastore().from_disk(saved, verify=True)) == contents(store)


def test_saving_works_where_there_are_no_links(saved, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = Datastore().from_disk(saved)
    store.to_disk(saved)
    assert contents(Datastore().from_disk(saved, verify=True)) == contents(store)


@pytest.mark.parametrize("change", ["", "forget"])
def test_saving_works_after_the_files_were_deleted(change, saved, tmp_path):
    store = Datastore().from_disk(saved)
    if change:
        store.forget([2])
    shutil.rmtree(saved)
    store.to_disk(tmp_path / "other")
    expected, _ = filled()
    if change:
        expected.forget([2])
    again = Datastore().from_disk(tmp_path / "other")
    assert contents(again) == contents(expected)


# --- interrupted saves -----------------------------------------------------------


def test_what_an_interrupted_save_has_left_is_deleted_before_the_next(saved):
    for name in ("gen-2", "gen-9"):
        (saved / name).mkdir()
        (saved / name / "store.index.faiss").write_bytes(b"x" * 1000)
    for name in ("gen-²", "gen-x", "gen-"):  # not ours
        (saved / name).mkdir()
    store = Datastore().from_disk(saved)
    store.to_disk(saved)
    names = {path.name for path in saved.iterdir() if path.is_dir()}
    assert names == {"gen-2", "gen-²", "gen-x", "gen-"}


def test_what_a_first_save_has_left_is_deleted(tmp_path):
    (tmp_path / "gen-1").mkdir()
    (tmp_path / "gen-1" / "examples.sqlite").write_bytes(b"x")
    store, _ = filled()
    store.to_disk(tmp_path)
    assert contents(Datastore().from_disk(tmp_path, verify=True)) == contents(store)


# --- all or nothing --------------------------------------------------------------

BOTH = text_of("Ada met Ada", [(0, 1, "person"), (2, 3, "star")])
CHANGES = {
    "add": lambda s: s.add([BOTH], [keys_of(BOTH)], part=CORRECTIONS),
    "add to store": lambda s: s.add([BOTH], [keys_of(BOTH)], part=STORE),
    "forget": lambda s: s.forget([1, 3]),
    "relabel": lambda s: s.relabel("person", "PER"),
    "consolidate": lambda s: s.consolidate(),
    "replace": lambda s: s.replace_annotation(3, text_of("Guests came", missing=[1])),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("failing", ["examples", "commit", "entries"])
@pytest.mark.parametrize("loaded", [True, False])
def test_a_change_that_fails_changes_nothing(
    change, failing, loaded, saved, monkeypatch
):
    store = Datastore().from_disk(saved) if loaded else filled()[0]
    store.store.search(QUERY, 3, metric="cosine")
    before, n_changes = contents(store), store.n_changes
    found = store.store.search(QUERY, 3, metric="cosine")

    def fail(*_, **__):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch, ExitStack() as stack:
        if failing == "examples":
            for name in ("add", "forget", "relabel", "move", "replace"):
                patch.setattr(store.examples, name, fail)
        elif failing == "commit":
            stack.enter_context(full_disk(store))
        else:  # after rows were changed
            for name in ("add", "remove", "retag", "absorb"):
                patch.setattr(EntryTable, name, then_fail(getattr(EntryTable, name)))
        with pytest.raises((KnnNerError, sqlite3.Error), match="disk is full"):
            CHANGES[change](store)
    assert contents(store) == before
    assert store.tag_set.labels == ("person", "location")
    assert store.n_changes == n_changes
    again = store.store.search(QUERY, 3, metric="cosine")
    np.testing.assert_array_equal(found.rows, again.rows)
    np.testing.assert_array_equal(found.tags, again.tags)
    CHANGES[change](store)  # and now it works
    assert contents(store) != before
    store.to_disk(saved)
    assert len(Datastore().from_disk(saved, verify=True)) == len(store)


def then_fail(method):
    def failing(*args, **kwargs):
        method(*args, **kwargs)
        raise sqlite3.OperationalError("database or disk is full")

    return failing


# --- examples --------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON examples BEGIN DELETE FROM examples; END",
        "CREATE VIEW v AS SELECT load_extension('x')",
        "CREATE TABLE other (x)",
        "ALTER TABLE examples ADD COLUMN more TEXT",
        "DROP TABLE examples",
    ],
)
def test_examples_with_anything_else_are_refused(statement, saved):
    path = saved / "gen-1" / "examples.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()
    with pytest.raises(ValueError, match="it has"):
        ExampleStore(path)
    with pytest.raises(ValueError, match="it has"):
        ExampleStore.from_bytes(path.read_bytes())


def test_a_row_that_is_no_example_is_an_error(saved):
    path = saved / "gen-1" / "examples.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE examples SET annotation = '[1' WHERE example_id = 2")
        db.commit()
    examples = ExampleStore(path)
    assert examples.get(1).annotated == ADA
    with pytest.raises(KnnNerError, match="KNN-E111"):
        examples.get(2)
    with pytest.raises(KnnNerError, match="KNN-E111"):
        list(examples)


# --- bytes -------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x80", b"abc", b"\x81\xa1a\x01"])
def test_bytes_of_something_else_are_refused(data):
    store, _ = filled()
    before = contents(store)
    with pytest.raises(KnnNerError, match="KNN-E110"):
        store.from_bytes(data)
    assert contents(store) == before


def test_bytes_that_were_cut_or_changed_are_refused():
    data = filled()[0].to_bytes()
    for cut in range(0, len(data) - 1, 997):
        with pytest.raises(KnnNerError, match="KNN-E110"):
            Datastore().from_bytes(data[:cut])
    assert contents(Datastore().from_bytes(data)) == contents(filled()[0])
