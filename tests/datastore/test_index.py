"""Indexes: exact ones that skip, approximate ones that know how faithful they are."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from util import index_factory, retriever, search

from spacy_knn_ner.datastore.blocks import Blocks
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.disk.manifest import read
from spacy_knn_ner.datastore.distances import to_search_space
from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.datastore.index import exact, faiss, pca, rerank
from spacy_knn_ner.datastore.index.base import StoredKeys
from spacy_knn_ner.datastore.index.faiss import FaissIndex
from spacy_knn_ner.datastore.index.fidelity import Fidelity, calibrate, fidelity
from spacy_knn_ner.datastore.index.flat import FlatIndex, compare_all
from spacy_knn_ner.datastore.index.pca import PcaIndex
from spacy_knn_ner.datastore.index.torch import TorchIndex
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.types import AnnotatedText, TokenKeys

WIDTH = 48


def heaps(rng, n, n_heaps=20, spread=0.15, noise=0.02):
    """Vectors in heaps, as those of an encoder that was trained to tell tags apart: in
    a few dimensions, but for some noise."""
    mixed = np.linalg.qr(np.random.default_rng(0).normal(size=(WIDTH, 12)))[0].T
    centers = rng.normal(size=(n_heaps, 12))
    low = centers[rng.integers(0, n_heaps, n)] + spread * rng.normal(size=(n, 12))
    return (low @ mixed + noise * rng.normal(size=(n, WIDTH))).astype("float32")


def blocks(vectors):
    found = Blocks("float32", WIDTH)
    found.append(vectors)
    return found


def a_table(keys, n_tags=5):
    """Every third entry begins an example; tags go with the first coordinates."""
    table = EntryTable()
    tags = (keys[:, :4].argmax(axis=1) + (keys[:, 4] > 0)) % n_tags
    numbers = np.arange(len(keys))
    table.add(keys, numbers // 3 + 1, numbers % 3, tags)
    return table


@pytest.fixture(scope="module", autouse=True)
def short_chunks():
    """Tests are small: so that there are several chunks."""
    before = pca._FIRST_CHUNK
    pca._FIRST_CHUNK = 64
    yield
    pca._FIRST_CHUNK = before


@pytest.fixture
def large(monkeypatch):
    """Stores of any size count as large."""
    monkeypatch.setattr(exact, "SMALL", 0)
    monkeypatch.setattr(faiss, "SMALL", 0)
    monkeypatch.setattr(exact, "_WORTH_IT", 0.5)


# --- principal components ------------------------------------------------------


def fitted(keys, metric):
    stored = StoredKeys(keys, metric)
    made = PcaIndex.fitted(stored, to_search_space(keys.array(), metric))
    for ids, vectors in stored.vectors():
        made.add(ids, vectors)
    return made


def make_index(name, keys, metric):
    return index_factory(name).create(StoredKeys(keys, metric))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 40),
    spread=st.sampled_from([0.0, 0.01, 0.5]),
    moved=st.sampled_from([0.0, 1.0, 100.0]),
    dtype=st.sampled_from(["float32", "float16"]),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_no_neighbor_is_passed_over(seed, k, spread, moved, dtype, metric):
    """However far from the origin, in whatever blocks, and from near or far away."""
    rng = np.random.default_rng(seed)
    vectors = heaps(rng, 500, spread=spread) + np.float32(moved)
    keys = Blocks(dtype, WIDTH, vectors[:200].astype(dtype))
    keys.append(vectors[200:].astype(dtype))
    index = fitted(keys, metric)
    queries = np.vstack([heaps(rng, 10) + np.float32(moved), heaps(rng, 10)])
    stored, removed = StoredKeys(keys, metric), np.zeros(500, dtype=bool)
    flat = FlatIndex(stored)
    for ids, chunk in stored.vectors():
        flat.add(ids, chunk)
    expected = rerank.search(flat, stored, removed, queries, k, metric)
    found = rerank.search(index, stored, removed, queries, k, metric)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 0.3, 3.0]))
def test_no_vector_is_nearer_than_its_components(seed, spread):
    """Also those that were not there when the components were found."""
    rng = np.random.default_rng(seed)
    keys = blocks(heaps(rng, 300, spread=spread))
    index = PcaIndex.fitted(StoredKeys(keys, "euclidean"), heaps(rng, 300))
    keys.append(rng.normal(size=(100, WIDTH)).astype("float32"))
    vectors = keys.array().astype(float)
    looks = index._project(vectors)[0].astype(float)
    apart = np.square(vectors[:, None] - vectors[None]).sum(-1)
    look_apart = np.square(looks[:, None] - looks[None]).sum(-1)
    assert (look_apart <= apart + 1e-4 * apart.max()).all()


def test_most_need_no_second_look():
    rng = np.random.default_rng(0)
    keys = blocks(heaps(rng, 4000))
    index = fitted(keys, "cosine")
    index.search(to_search_space(heaps(rng, 50), "cosine"), 5)
    assert 0 < index.share_computed < 0.05


def test_where_too_many_look_near_all_are_compared(monkeypatch):
    rng = np.random.default_rng(0)
    near = heaps(rng, 2000, noise=0.05)
    index = fitted(blocks(near), "cosine")
    far = rng.normal(size=(20, WIDTH)).astype("float32")
    queries = to_search_space(np.vstack([far, near[:20]]), "cosine")
    chunks, compare = [], PcaIndex._compare_all

    def counting(self, queries, chunk, k):
        chunks.append(chunk.start)
        return compare(self, queries, chunk, k)

    monkeypatch.setattr(PcaIndex, "_compare_all", counting)
    distances, _ = index.search(queries, 5)
    assert len(chunks) > 1
    expected, _ = compare_all(queries, [to_search_space(near, "cosine")], 5)
    np.testing.assert_allclose(distances, expected, atol=1e-5)


def test_components_that_save_nothing_are_not_used(large):
    rng = np.random.default_rng(0)
    low, even = heaps(rng, 3000), rng.normal(size=(3000, WIDTH)).astype("float32")
    made = make_index("exact", blocks(low), "cosine")
    assert isinstance(made, PcaIndex)
    assert isinstance(make_index("exact", blocks(even), "cosine"), FlatIndex)


def test_what_was_decided_is_not_decided_again(large, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    datastore = a_datastore(rng.normal(size=(900, WIDTH)).astype("float32"))
    search_of(datastore, "exact")(np.ones((1, WIDTH), "float32"))
    assert datastore.store.index_info() == {"kind": "flat"}
    datastore.to_disk(tmp_path)
    monkeypatch.setattr(PcaIndex, "fitted", None)
    again = loaded(tmp_path, "exact")
    search_of(again, "exact")(np.ones((1, WIDTH), "float32"))
    assert again.store.index_info() == {"kind": "flat"}


def test_small_stores_are_compared_as_a_whole():
    keys = blocks(heaps(np.random.default_rng(0), 300))
    for name in ("exact", "auto", "flat"):
        assert isinstance(make_index(name, keys, "cosine"), FlatIndex)


# --- every index in a table -----------------------------------------------------

EVERY = ["exact", "auto", "flat", "torch", "HNSW16", "PCA8,IVF16,SQ8", "SQfp16"]
EXACT = ["exact", "flat", "torch"]


@pytest.mark.parametrize("name", EVERY)
def test_what_is_found_has_its_true_distance(name, large):
    rng = np.random.default_rng(0)
    table = a_table(heaps(rng, 1500))
    queries = heaps(rng, 30)
    retriever(table, index=name).prepare()
    found = search(table, queries, 8, index=name)
    keys = table.keys.array().astype(float)[found.rows]
    keys /= np.linalg.norm(keys, axis=-1, keepdims=True)
    unit = queries / np.linalg.norm(queries.astype(float), axis=1, keepdims=True)
    expected = 1 - np.einsum("nw,nkw->nk", unit, keys)
    np.testing.assert_allclose(found.distances, expected, atol=1e-12)
    best = search(table, queries, 8, index="flat")
    hits = [len(set(a) & set(b)) for a, b in zip(found.rows, best.rows, strict=True)]
    assert np.mean(hits) / 8 > (0.999 if name in EXACT else 0.4)


@pytest.mark.parametrize("name", EVERY)
def test_entries_come_and_go(name, large):
    rng = np.random.default_rng(1)
    keys = heaps(rng, 900)
    table = a_table(keys[:600])
    search(table, keys[:1], 3, index=name)
    if name == "exact":
        assert table.index_info()["kind"] == "pca"
    numbers = np.arange(600, 900)
    table.add(keys[600:], numbers // 3 + 1, numbers % 3, numbers % 5)
    found = search(table, keys[600:], 4, index=name)
    assert (found.rows[:, 0] == numbers).mean() > (0.99 if name in EXACT else 0.8)
    for gone in (range(201, 251), range(1, 150)):  # the second time rows are given up
        table.remove(gone)
        found = search(table, keys, 4, index=name)
        tags = table.entries.array()["example_id"][found.rows]
        assert not np.isin(tags[found.rows >= 0], list(gone)).any()


def test_on_a_gpu_exact_search_is_torchs_and_others_say_where_they_are(
    monkeypatch, large, caplog
):
    monkeypatch.setattr(exact, "on_gpu", lambda: True)
    monkeypatch.setattr(faiss, "on_gpu", lambda: True)
    keys = blocks(heaps(np.random.default_rng(0), 600))
    assert isinstance(make_index("exact", keys, "cosine"), TorchIndex)
    with caplog.at_level("INFO", logger="spacy_knn_ner"):
        make_index("auto", keys, "cosine")
    assert "KNN-I002" in caplog.text


def test_an_unknown_index_says_what_there_is():
    with pytest.raises(KnnNerError, match=r"KNN-E030.*IVFx"):
        make_index("IVFx", blocks(heaps(np.random.default_rng(0), 50)), "cosine")
    with pytest.raises(KnnNerError, match=r"KNN-E030.*PQ7"):  # 48 / 7
        make_index("PQ7", blocks(heaps(np.random.default_rng(0), 50)), "cosine")


# --- fidelity ------------------------------------------------------------------


def test_fidelity_looks_at_changed_tags_only():
    before = np.array([0, 0, 0, 0, 1])
    exact = np.array([0, 1, 1, 2, 1])
    found = np.array([3, 1, 0, 2, 0])
    result = fidelity(before, exact, found)
    assert (result.share, result.changed) == (pytest.approx(2 / 3), 3)
    assert fidelity(before, before, found).share is None


def test_an_approximate_index_is_turned_up_until_it_is_faithful(large):
    keys = heaps(np.random.default_rng(0), 3000, n_heaps=3, spread=1.0)
    table = a_table(keys)
    found = retriever(table, metric="euclidean", index="IVF64,Flat").prepare()
    assert isinstance(table.index, FaissIndex)
    assert table.index.search_param > 1  # one cluster would not do
    assert found.share >= 0.95
    assert found.changed > 100
    assert table.fidelity == found


class KnownFidelity:
    """A probe whose index is faithful from some search parameter on."""

    def __init__(self, index, needed):
        self.index, self.needed = index, needed

    def measure(self):
        share = min(self.index.search_param, self.needed) / self.needed
        return Fidelity(share, 100)


@pytest.mark.parametrize("needed, param", [(1, 1), (3, 3), (5, 6), (7, 8), (8, 8)])
def test_no_more_is_searched_than_is_needed(needed, param):
    stored = StoredKeys(blocks(heaps(np.random.default_rng(0), 10)), "cosine")
    index = FaissIndex("IVF16,Flat", stored)
    found = calibrate(index, KnownFidelity(index, needed))
    assert index.search_param == param
    assert found.share >= 0.975


def test_fidelity_is_measured_without_the_own_example(large):
    """Every vector is its own nearest: with it, all would be correct at once."""
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(900, WIDTH)).astype("float32")
    table = EntryTable()
    numbers = np.arange(900)
    table.add(keys, numbers, np.zeros(900, int), rng.integers(0, 5, 900))
    found = retriever(table, k=1, index="IVF16,Flat").prepare()
    assert found.changed > 500
    assert table.index.search_param > 1


class Final(FlatIndex):
    """An index whose distances are final: it skips re-ranking."""

    true_distances = True

    def search(self, queries, k):
        assert k == 4  # no further candidates are fetched
        return super().search(queries, k)


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_true_distances_are_not_ranked_again(metric):
    rng = np.random.default_rng(0)
    table, queries = a_table(heaps(rng, 50)), heaps(rng, 5)
    expected = search(table, queries, 4, metric=metric)
    stored = StoredKeys(table.keys, metric)
    index = Final(stored)
    for ids, vectors in stored.vectors():
        index.add(ids, vectors)
    found = rerank.search(index, stored, table.removed, queries, 4, metric)
    np.testing.assert_array_equal(found[1], expected.rows)
    np.testing.assert_allclose(found[0], expected.distances, atol=1e-5)


# --- saving --------------------------------------------------------------------


def a_datastore(keys):
    datastore = Datastore()
    texts, vectors = [], []
    for i in range(0, len(keys), 3):
        n = len(keys[i : i + 3])
        entities = [(0, 1, "thing")] if keys[i, 0] > 0 else []
        texts.append(AnnotatedText(["w"] * n, [True] * n, entities))
        vectors.append(TokenKeys(keys[i : i + 3], np.arange(n), n))
    datastore.add(texts, vectors, part="store")
    return datastore


def search_of(datastore, name):
    return lambda queries: search(datastore.store, queries, 5, index=name)


def loaded(folder, name):
    """A datastore with the index of this name, as a component would load it."""
    datastore = Datastore()
    datastore.store.index_factory = index_factory(name)
    return datastore.from_disk(folder)


@pytest.mark.parametrize("name", ["exact", "auto", "HNSW16", "PCA8,IVF16,SQ8"])
@pytest.mark.parametrize("how", ["disk", "pickle", "deepcopy", "forgotten"])
def test_an_index_travels_with_its_datastore(name, how, large, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    keys = heaps(rng, 1200)
    datastore, queries = a_datastore(keys), heaps(rng, 20)
    table = datastore.store
    retriever(table, k=5, index=name).prepare()
    if how == "forgotten":
        datastore.forget(range(5, 60))
    before = search_of(datastore, name)(queries)
    if how in ("disk", "forgotten"):
        datastore.to_disk(tmp_path)
        again = loaded(tmp_path, name)
    else:
        copied = copy.deepcopy(table) if how == "deepcopy" else None
        again = Datastore()
        again.store = copied or pickle.loads(pickle.dumps(table))
    made = []
    monkeypatch.setattr(PcaIndex, "fitted", lambda *args: made.append(args))
    monkeypatch.setattr(FaissIndex, "train", lambda *args: made.append(args))
    after = search_of(again, name)(queries)
    assert not made
    if how != "forgotten" or name == "exact":
        np.testing.assert_array_equal(after.distances, before.distances)
    # An approximate one finds more where what was forgotten is not in its way.
    assert after.distances.mean() < 1.02 * before.distances.mean()
    if isinstance(again.store.index, FaissIndex):
        assert again.store.fidelity is not None


@pytest.mark.parametrize("name", ["exact", "auto", "HNSW16", "PCA8,IVF16,SQ8"])
def test_a_loaded_index_can_grow_and_shrink(name, large, tmp_path):
    """FAISS cannot change what lies mapped on disk."""
    rng = np.random.default_rng(0)
    keys = heaps(rng, 900)
    datastore = a_datastore(keys[:600])
    search_of(datastore, name)(keys[:1])
    datastore.to_disk(tmp_path)
    again = loaded(tmp_path, name)
    numbers = np.arange(600, 900)
    table = again.store
    table.add(keys[600:], numbers, np.zeros(300, int), np.zeros(300, int))
    found = search_of(again, name)(keys[600:])
    assert (found.rows[:, 0] == numbers).mean() > 0.8
    table.remove(range(1, 190))  # more than half
    assert search_of(again, name)(keys[600:]).rows.max() < len(table.keys)


def test_a_saved_index_of_other_keys_is_refused(large, tmp_path):
    datastore = a_datastore(heaps(np.random.default_rng(0), 600))
    search_of(datastore, "auto")(np.ones((1, WIDTH), "float32"))
    datastore.to_disk(tmp_path / "one")
    other = a_datastore(heaps(np.random.default_rng(0), 300))
    search_of(other, "auto")(np.ones((1, WIDTH), "float32"))
    other.to_disk(tmp_path / "other")
    index = (tmp_path / "other" / "gen-1" / "store.index.faiss").read_bytes()
    (tmp_path / "one" / "gen-1" / "store.index.faiss").write_bytes(index)
    manifest, made = read(tmp_path / "one"), read(tmp_path / "other")
    files = {**manifest.files, "store.index.faiss": made.files["store.index.faiss"]}
    text = replace(manifest, files=files).to_json()
    (tmp_path / "one" / "manifest.json").write_text(text)
    with pytest.raises(KnnNerError, match=r"KNN-E032.*300 keys"):
        loaded(tmp_path / "one", "auto")


def test_what_was_forgotten_does_not_count_against_an_index(large):
    rng = np.random.default_rng(0)
    table = a_table(heaps(rng, 900, spread=1.0))
    for name in ("flat", "exact"):
        looked_up = retriever(table, index=name)
        assert looked_up.measure_fidelity().share == 1.0
        table.remove(range(1, 100))
        assert looked_up.measure_fidelity().share == 1.0


def test_one_long_example_does_not_make_the_trial_easier(large):
    """An index is measured with as many neighbors as are looked up."""
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(2000, WIDTH)).astype("float32")
    shares = []
    for ids in (np.arange(2000), np.maximum(np.arange(2000), 400)):
        table = EntryTable()
        tags = rng.integers(0, 3, 2000)
        table.add(keys, ids, np.zeros(2000, int), tags)
        looked_up = retriever(table, n_tags=3, index="PQ4")
        looked_up.prepare()
        table.index.refine_factor = 1
        shares.append(looked_up.measure_fidelity().share)
    assert abs(shares[0] - shares[1]) < 0.1


def test_measuring_again_says_the_same(large):
    table = a_table(heaps(np.random.default_rng(0), 3000, n_heaps=3, spread=1.0))
    looked_up = retriever(table, index="IVF64,Flat")
    found = looked_up.prepare()
    assert looked_up.measure_fidelity() == found
    table.index.search_param = 1
    assert looked_up.measure_fidelity().share < found.share
    assert table.index.search_param == 1


def test_too_little_to_go_by_means_more_effort(large):
    table = EntryTable()
    keys = heaps(np.random.default_rng(0), 600)
    table.add(keys, np.arange(600), np.zeros(600, int), np.zeros(600, int))
    found = retriever(table, n_tags=2, index="IVF64,Flat").prepare()
    assert found == Fidelity(None, 0)
    assert (table.index.refine_factor, table.index.search_param) == (4, 32)


def test_too_few_keys_to_learn_from():
    keys = blocks(heaps(np.random.default_rng(0), 50))
    with pytest.raises(KnnNerError, match=r"KNN-E071.*PQ8.*50 keys"):
        make_index("PQ8", keys, "cosine")
    index = make_index("IDMap,Flat", keys, "cosine")
    with pytest.raises(KnnNerError, match=r"KNN-E071.*IDMap"):
        index.add(np.arange(50), keys.array())
