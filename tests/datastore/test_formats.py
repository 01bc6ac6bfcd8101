"""Files: readable by FAISS and numpy, and golden datastores of every format."""

import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from util import index_factory, search

from spacy_knn_ner.datastore.blocks import Blocks
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.disk.key_file import map_keys, write_keys
from spacy_knn_ner.datastore.disk.manifest import FORMAT
from spacy_knn_ner.errors import KnnNerError

GOLDEN = Path(__file__).parents[1] / "golden"
FORMATS = sorted(path.name for path in GOLDEN.glob("format-*"))


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(0, 40),
    width=st.integers(1, 9),
    dtype=st.sampled_from(["float32", "float16"]),
    seed=st.integers(0, 99),
)
def test_keys_are_read_by_faiss_and_by_numpy(n, width, dtype, seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    rows, keep = rng.normal(size=(n, width)).astype(dtype), rng.random(n) < 0.7
    keys = Blocks(dtype, width)
    keys.append(rows)
    path = tmp_path_factory.mktemp("keys") / "keys.faiss"
    write_keys(path, keys, keep, width)
    index = faiss.read_index(str(path))
    assert (index.ntotal, index.d) == (keep.sum(), width)
    if index.ntotal:
        found = index.reconstruct_n(0, index.ntotal)
        np.testing.assert_array_equal(found, rows[keep].astype("float32"))
    np.testing.assert_array_equal(map_keys(path, dtype, keep.sum(), width), rows[keep])


@pytest.mark.parametrize(
    "other", [("float16", 3, 4), ("float32", 2, 4), ("float32", 3, 5)]
)
def test_keys_of_another_shape_are_refused(other, tmp_path):
    keys = Blocks("float32", 4)
    keys.append(np.ones((3, 4), "float32"))
    write_keys(tmp_path / "keys", keys, np.ones(3, bool), 4)
    with pytest.raises(ValueError, match="does not hold"):
        map_keys(tmp_path / "keys", *other)


def load(name, folder, index):
    """A copy of a golden datastore, and what it should find."""
    shutil.copytree(GOLDEN / name, folder)
    datastore = Datastore()
    datastore.store.index_factory = index_factory(index)
    datastore.from_disk(folder, verify=True)
    return datastore, json.loads((folder / "expected.json").read_text())


def assert_found(datastore, expected):
    queries = np.array(expected["queries"], dtype="float32")
    for part, table in datastore.tables.items():
        found = table.search(queries, 4, metric="cosine")
        rows = table.entries.take(found.rows)
        assert rows["example_id"].tolist() == expected[part]["example_ids"]
        assert rows["token"].tolist() == expected[part]["tokens"]
        tags = [[datastore.tag_set.tags[t] for t in row] for row in found.tags]
        assert tags == expected[part]["tags"]
        np.testing.assert_allclose(
            found.distances, expected[part]["distances"], atol=1e-12
        )


@pytest.mark.parametrize("name", FORMATS)
def test_golden_datastores_load_for_ever(name, tmp_path):
    """And are saved in the current format."""
    datastore, expected = load(name, tmp_path / "copy", "exact")
    sizes = {part: len(table) for part, table in datastore.tables.items()}
    assert sizes == expected["entries"]
    assert datastore.examples.ids() == expected["examples"]
    assert datastore.fingerprint["weights"] == "0" * 64
    assert_found(datastore, expected)
    datastore.to_disk(tmp_path / "again")
    manifest = json.loads((tmp_path / "again" / "manifest.json").read_text())
    assert manifest["format"] == FORMAT
    assert_found(Datastore().from_disk(tmp_path / "again", verify=True), expected)


@pytest.mark.parametrize(
    ("name", "index"), [("format-5", "flat"), ("format-5-approximate", "IVF4,SQ8")]
)
def test_the_index_and_the_label_array_are_plain_files(name, index, tmp_path):
    datastore, _ = load(name, tmp_path / "copy", index)
    if index != "flat":  # saved with what it learned
        assert len(datastore.store.index) == len(datastore.store)
    folder = tmp_path / "copy" / "gen-1"
    for part, table in datastore.tables.items():
        saved = faiss.read_index(str(folder / f"{part}.index.faiss"))
        labels = np.load(folder / f"{part}.labels.npy")
        assert saved.ntotal == len(labels) == len(table)
        np.testing.assert_array_equal(labels, table.tags.array())
    keys_apart = (folder / "store.keys.faiss").exists()
    assert keys_apart == (name == "format-5-approximate")


def test_keys_are_mapped_and_not_read(tmp_path):
    datastore, _ = load("format-5", tmp_path / "copy", "flat")
    (keys,) = datastore.store.keys
    assert isinstance(keys.base, np.memmap) or isinstance(keys, np.memmap)
    search(datastore.store, keys[:2], 3, metric="euclidean")
    assert datastore.store.nbytes()["index"] == 0  # they are searched as they are


def test_keys_whose_file_is_not_an_index_are_refused(tmp_path):
    folder = tmp_path / "copy"
    load("format-5", folder, "flat")
    path = folder / "gen-1" / "store.index.faiss"
    data = bytearray(path.read_bytes())
    data[4] += 1  # the width
    path.write_bytes(data)
    with pytest.raises(KnnNerError, match=r"KNN-E032.*store.index.faiss"):
        Datastore().from_disk(folder)
