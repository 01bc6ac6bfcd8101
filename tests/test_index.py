"""Indexes: exact ones that skip, approximate ones that know how faithful they are."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_knn_ner.datastore import components
from spacy_knn_ner.datastore import index as indexes
from spacy_knn_ner.datastore.blocks import Blocks
from spacy_knn_ner.datastore.components import ComponentIndex
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.distances import to_search_space
from spacy_knn_ner.datastore.exhaustive import FlatIndex, TorchIndex, compare_all
from spacy_knn_ner.datastore.faiss_index import FaissIndex
from spacy_knn_ner.datastore.fidelity import fidelity, make_faithful
from spacy_knn_ner.datastore.index import make_index
from spacy_knn_ner.datastore.search import nearest
from spacy_knn_ner.datastore.tier import ENTRY, Tier
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.ty import Fidelity, LabelledText, TokenKeys, Voting

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


def a_tier(keys, n_tags=5):
    """Every third entry begins an example; tags go with the first coordinates."""
    tier = Tier(WIDTH)
    tags = (keys[:, :4].argmax(axis=1) + (keys[:, 4] > 0)) % n_tags
    numbers = np.arange(len(keys))
    tier.add(keys, numbers // 3 + 1, numbers % 3, tags)
    return tier


@pytest.fixture(scope="module", autouse=True)
def short_chunks():
    """Tests are small: so that there are several chunks."""
    before = components._FIRST_CHUNK
    components._FIRST_CHUNK = 64
    yield
    components._FIRST_CHUNK = before


@pytest.fixture
def large(monkeypatch):
    """Stores of any size count as large."""
    monkeypatch.setattr(indexes, "SMALL", 0)
    monkeypatch.setattr(indexes, "_WORTH_IT", 0.5)


# --- principal components ------------------------------------------------------


def fitted(keys, metric):
    made = ComponentIndex.fitted(keys, metric, to_search_space(keys.array(), metric))
    indexes.fill(made, keys, metric)
    return made


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
    tier = Tier(WIDTH, keys=keys, entries=Blocks(ENTRY, None, np.zeros(500, ENTRY)))
    expected = tier.search(queries, k, metric=metric, index="flat")
    longest = tier._longest_key(metric)
    entries = tier.entries
    found = nearest(keys, entries, index, queries, k, metric, longest)
    np.testing.assert_array_equal(found.distances, expected.distances)
    np.testing.assert_array_equal(found.rows, expected.rows)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 0.3, 3.0]))
def test_nobody_is_nearer_than_they_look(seed, spread):
    """Also those that were not there when the components were found."""
    rng = np.random.default_rng(seed)
    keys = blocks(heaps(rng, 300, spread=spread))
    index = ComponentIndex.fitted(keys, "euclidean", heaps(rng, 300))
    keys.append(rng.normal(size=(100, WIDTH)).astype("float32"))
    vectors = keys.array().astype(float)
    looks = index._look(vectors)[0].astype(float)
    apart = np.square(vectors[:, None] - vectors[None]).sum(-1)
    look_apart = np.square(looks[:, None] - looks[None]).sum(-1)
    assert (look_apart <= apart + 1e-4 * apart.max()).all()


def test_most_need_no_second_look():
    rng = np.random.default_rng(0)
    keys = blocks(heaps(rng, 4000))
    index = fitted(keys, "cosine")
    index.search(to_search_space(heaps(rng, 50), "cosine"), 5)
    assert 0 < index.compared < 0.05


def test_where_too_many_look_near_all_are_compared(monkeypatch):
    rng = np.random.default_rng(0)
    near = heaps(rng, 2000, noise=0.05)
    index = fitted(blocks(near), "cosine")
    far = rng.normal(size=(20, WIDTH)).astype("float32")
    queries = to_search_space(np.vstack([far, near[:20]]), "cosine")
    chunks, compare = [], ComponentIndex._compare_all

    def counting(self, queries, here, k):
        chunks.append(here.start)
        return compare(self, queries, here, k)

    monkeypatch.setattr(ComponentIndex, "_compare_all", counting)
    distances, _ = index.search(queries, 5)
    assert len(chunks) > 1
    expected, _ = compare_all(queries, [to_search_space(near, "cosine")], 5)
    np.testing.assert_allclose(distances, expected, atol=1e-5)


def test_components_that_save_nothing_are_not_used(large):
    rng = np.random.default_rng(0)
    low, even = heaps(rng, 3000), rng.normal(size=(3000, WIDTH)).astype("float32")
    made = make_index("exact", blocks(low), "cosine")
    assert isinstance(made, ComponentIndex)
    assert isinstance(make_index("exact", blocks(even), "cosine"), FlatIndex)


def test_what_was_decided_is_not_decided_again(large, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    datastore = a_datastore(rng.normal(size=(900, WIDTH)).astype("float32"))
    search_of(datastore, "exact")(np.ones((1, WIDTH), "float32"))
    assert datastore.tiers["store"].index_about == {"made": "flat"}
    datastore.to_disk(tmp_path)
    monkeypatch.setattr(ComponentIndex, "fitted", None)
    again = Datastore().from_disk(tmp_path)
    search_of(again, "exact")(np.ones((1, WIDTH), "float32"))
    assert again.tiers["store"].index_about == {"made": "flat"}


def test_small_stores_are_compared_as_a_whole():
    keys = blocks(heaps(np.random.default_rng(0), 300))
    for name in ("exact", "auto", "flat"):
        assert isinstance(make_index(name, keys, "cosine"), FlatIndex)


# --- every index in a tier -----------------------------------------------------

EVERY = ["exact", "auto", "flat", "torch", "HNSW16", "PCA8,IVF16,SQ8", "SQfp16"]
EXACT = ["exact", "flat", "torch"]


@pytest.mark.parametrize("name", EVERY)
def test_what_is_found_has_its_true_distance(name, large):
    rng = np.random.default_rng(0)
    tier = a_tier(heaps(rng, 1500))
    queries = heaps(rng, 30)
    tier.prepare(name, Voting(8, 0.1, "cosine", 5))
    found = tier.search(queries, 8, metric="cosine", index=name)
    keys = tier.keys.array().astype(float)[found.rows]
    keys /= np.linalg.norm(keys, axis=-1, keepdims=True)
    unit = queries / np.linalg.norm(queries.astype(float), axis=1, keepdims=True)
    expected = 1 - np.einsum("nw,nkw->nk", unit, keys)
    np.testing.assert_allclose(found.distances, expected, atol=1e-12)
    best = tier.search(queries, 8, metric="cosine", index="flat")
    hits = [len(set(a) & set(b)) for a, b in zip(found.rows, best.rows, strict=True)]
    assert np.mean(hits) / 8 > (0.999 if name in EXACT else 0.4)


@pytest.mark.parametrize("name", EVERY)
def test_entries_come_and_go(name, large):
    rng = np.random.default_rng(1)
    keys = heaps(rng, 900)
    tier = a_tier(keys[:600])
    tier.search(keys[:1], 3, metric="cosine", index=name)
    if name == "exact":
        assert tier.index_about["made"] == "components"
    numbers = np.arange(600, 900)
    tier.add(keys[600:], numbers // 3 + 1, numbers % 3, numbers % 5)
    found = tier.search(keys[600:], 4, metric="cosine", index=name)
    assert (found.rows[:, 0] == numbers).mean() > (0.99 if name in EXACT else 0.8)
    for gone in (range(201, 251), range(1, 150)):  # the second time rows are given up
        tier.forget(gone)
        found = tier.search(keys, 4, metric="cosine", index=name)
        tags = tier.entries.array()["example_id"][found.rows]
        assert not np.isin(tags[found.rows >= 0], list(gone)).any()


def test_on_a_gpu_exact_search_is_torchs_and_others_say_where_they_are(
    monkeypatch, large, caplog
):
    monkeypatch.setattr(indexes, "on_gpu", lambda: True)
    keys = blocks(heaps(np.random.default_rng(0), 600))
    assert isinstance(make_index("exact", keys, "cosine"), TorchIndex)
    with caplog.at_level("INFO", logger="spacy_knn_ner"):
        make_index("auto", keys, "cosine")
    assert "KNN-I002" in caplog.text


def test_an_unknown_index_says_what_there_is():
    with pytest.raises(KnnNerError, match=r"KNN-E030.*exact.*IVFx"):
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
    tier = a_tier(keys)
    how = Voting(8, 0.1, "euclidean", 5)
    index = tier.prepare("IVF64,Flat", how)
    assert isinstance(index, FaissIndex)
    assert index.effort > 1  # one cluster would not do
    assert index.fidelity.share >= 0.95
    assert index.fidelity.changed > 100
    assert tier.prepare("IVF64,Flat", how) is index


@pytest.mark.parametrize("needed, effort", [(1, 1), (3, 3), (5, 6), (7, 8), (8, 8)])
def test_no_more_effort_than_is_needed(needed, effort):
    index = FaissIndex("IVF16,Flat", WIDTH)

    def trial(search):
        return Fidelity(min(index.effort, needed) / needed, 100)

    make_faithful(index, trial, search=None)
    assert index.effort == effort
    assert index.fidelity.share >= 0.975


def test_fidelity_is_measured_without_the_own_example(large):
    """Every vector is its own nearest: asked with it, all would be right at once."""
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(900, WIDTH)).astype("float32")
    tier = Tier(WIDTH)
    numbers = np.arange(900)
    tier.add(keys, numbers, np.zeros(900, int), rng.integers(0, 5, 900))
    how = Voting(1, 0.1, "cosine", 5)
    index = tier.prepare("IVF16,Flat", how)
    assert index.fidelity.changed > 500
    assert index.effort > 1


# --- saving --------------------------------------------------------------------


def a_datastore(keys):
    datastore = Datastore()
    texts, vectors = [], []
    for i in range(0, len(keys), 3):
        n = len(keys[i : i + 3])
        entities = [(0, 1, "thing")] if keys[i, 0] > 0 else []
        texts.append(LabelledText(["w"] * n, [True] * n, entities))
        vectors.append(TokenKeys(keys[i : i + 3], np.arange(n), n))
    datastore.add(texts, vectors, tier="store")
    return datastore


def search_of(datastore, name):
    return lambda queries: datastore.tiers["store"].search(
        queries, 5, metric="cosine", index=name
    )


@pytest.mark.parametrize("name", ["exact", "auto", "HNSW16", "PCA8,IVF16,SQ8"])
@pytest.mark.parametrize("how", ["disk", "pickle", "deepcopy", "forgotten"])
def test_an_index_travels_with_its_datastore(name, how, large, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    keys = heaps(rng, 1200)
    datastore, queries = a_datastore(keys), heaps(rng, 20)
    tier = datastore.tiers["store"]
    tier.prepare(name, Voting(5, 0.1, "cosine", 5))
    if how == "forgotten":
        datastore.forget(range(5, 60))
    before = search_of(datastore, name)(queries)
    if how in ("disk", "forgotten"):
        datastore.to_disk(tmp_path)
        again = Datastore().from_disk(tmp_path)
    else:
        copied = copy.deepcopy(tier) if how == "deepcopy" else None
        again = Datastore()
        again.tiers["store"] = copied or pickle.loads(pickle.dumps(tier))
    made = []
    monkeypatch.setattr(ComponentIndex, "fitted", lambda *args: made.append(args))
    monkeypatch.setattr(FaissIndex, "train", lambda *args: made.append(args))
    after = search_of(again, name)(queries)
    assert not made
    if how != "forgotten" or name == "exact":
        np.testing.assert_array_equal(after.distances, before.distances)
    # An approximate one finds more where what was forgotten is not in its way.
    assert after.distances.mean() < 1.02 * before.distances.mean()
    new = again.tiers["store"].prepare(name, Voting(5, 0.1, "cosine", 5))
    if isinstance(new, FaissIndex):
        assert new.fidelity is not None


@pytest.mark.parametrize("name", ["exact", "auto", "HNSW16", "PCA8,IVF16,SQ8"])
def test_a_loaded_index_can_grow_and_shrink(name, large, tmp_path):
    """FAISS cannot change what lies mapped on disk."""
    rng = np.random.default_rng(0)
    keys = heaps(rng, 900)
    datastore = a_datastore(keys[:600])
    search_of(datastore, name)(keys[:1])
    datastore.to_disk(tmp_path)
    again = Datastore().from_disk(tmp_path)
    numbers = np.arange(600, 900)
    tier = again.tiers["store"]
    tier.add(keys[600:], numbers, np.zeros(300, int), np.zeros(300, int))
    found = search_of(again, name)(keys[600:])
    assert (found.rows[:, 0] == numbers).mean() > 0.8
    tier.forget(range(1, 190))  # more than half
    assert search_of(again, name)(keys[600:]).rows.max() < len(tier.keys)


def test_a_saved_index_of_other_keys_is_refused(large, tmp_path):
    import json

    datastore = a_datastore(heaps(np.random.default_rng(0), 600))
    search_of(datastore, "auto")(np.ones((1, WIDTH), "float32"))
    datastore.to_disk(tmp_path / "one")
    other = a_datastore(heaps(np.random.default_rng(0), 300))
    search_of(other, "auto")(np.ones((1, WIDTH), "float32"))
    other.to_disk(tmp_path / "other")
    index = (tmp_path / "other" / "gen-1" / "store.index").read_bytes()
    (tmp_path / "one" / "gen-1" / "store.index").write_bytes(index)
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    manifest["files"]["store.index"]["size"] = len(index)
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(KnnNerError, match=r"KNN-E032.*300 keys"):
        Datastore().from_disk(tmp_path / "one")


def test_what_was_forgotten_does_not_count_against_an_index(large):
    rng = np.random.default_rng(0)
    tier = a_tier(heaps(rng, 900, spread=1.0))
    how = Voting(8, 0.1, "cosine", 5)
    for name in ("flat", "exact"):
        assert tier.fidelity(name, how).share == 1.0
        tier.forget(range(1, 100))
        assert tier.fidelity(name, how).share == 1.0


def test_one_long_example_does_not_make_the_trial_easier(large):
    """An index is asked for as many neighbors as it will be."""
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(2000, WIDTH)).astype("float32")
    shares = []
    for ids in (np.arange(2000), np.maximum(np.arange(2000), 400)):
        tier = Tier(WIDTH)
        tags = rng.integers(0, 3, 2000)
        tier.add(keys, ids, np.zeros(2000, int), tags)
        made = tier.prepare("PQ4", Voting(8, 0.1, "cosine", 3))
        made.stretch = 1
        shares.append(tier.fidelity("PQ4", Voting(8, 0.1, "cosine", 3)).share)
    assert abs(shares[0] - shares[1]) < 0.1


def test_measuring_again_says_the_same(large):
    tier = a_tier(heaps(np.random.default_rng(0), 3000, n_heaps=3, spread=1.0))
    how = Voting(8, 0.1, "cosine", 5)
    index = tier.prepare("IVF64,Flat", how)
    assert tier.fidelity("IVF64,Flat", how) == index.fidelity
    index.effort = 1
    assert tier.fidelity("IVF64,Flat", how).share < index.fidelity.share
    assert index.effort == 1


def test_too_little_to_go_by_means_more_effort(large):
    tier = Tier(WIDTH)
    keys = heaps(np.random.default_rng(0), 600)
    tier.add(keys, np.arange(600), np.zeros(600, int), np.zeros(600, int))
    how = Voting(8, 0.1, "cosine", 2)
    index = tier.prepare("IVF64,Flat", how)
    assert index.fidelity == Fidelity(None, 0)
    assert (index.stretch, index.effort) == (4, 32)


def test_too_few_keys_to_learn_from():
    keys = blocks(heaps(np.random.default_rng(0), 50))
    with pytest.raises(KnnNerError, match=r"KNN-E071.*PQ8.*50 keys"):
        make_index("PQ8", keys, "cosine")
    with pytest.raises(KnnNerError, match=r"KNN-E071.*IDMap"):
        make_index("IDMap,Flat", keys, "cosine")
