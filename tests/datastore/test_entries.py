"""Search: the k nearest in float64, ties to the earlier entry, on every index."""

import pickle

import numpy as np
import pytest
import torch
from datastores import ADA, PARTY, keys_of
from hypothesis import given, settings
from hypothesis import strategies as st
from util import index_factory, search, vote

from spacy_knn_ner.datastore.all_votes import count_all
from spacy_knn_ner.datastore.blocks import Blocks
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.distances import METRICS, all_pairs, paired
from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.errors import KnnNerError

INDEXES = ("exact", "auto", "flat", "torch")


def make_table(keys, dtype="float32"):
    table = EntryTable(dtype=dtype)
    numbers = np.arange(len(keys))
    table.add(keys.astype(dtype), numbers // 3 + 1, numbers % 3, numbers % 5)
    return table


def brute_force(table, queries, k, metric):
    """Every distance in float64, sorted by distance and then by entry."""
    keys = table.keys.array()
    distances = paired(
        queries, np.broadcast_to(keys, (len(queries), *keys.shape)), metric
    )
    distances[:, table.removed] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 30), near=st.booleans())
@settings(deadline=None, max_examples=25)
def test_search_is_exact(index, metric, seed, k, near):
    rng = np.random.default_rng(seed)
    # Whole numbers make ties; far from the origin float32 sums lose their digits.
    keys = rng.integers(-1, 2, size=(60, 4)).astype("float32")
    keys[~keys.any(axis=1)] = 1
    if near:
        keys += 3000
    table = make_table(keys)
    table.remove([2, 7])
    queries = keys[rng.integers(0, 60, size=5)]
    found = search(table, queries, k, metric=metric, index=index)
    distances, rows = brute_force(table, queries, k, metric)
    np.testing.assert_array_equal(found.distances, distances)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.tags, rows % 5)


@pytest.mark.parametrize("index", INDEXES)
def test_entries_can_be_found_at_once_and_across_blocks(index, monkeypatch):
    monkeypatch.setattr("spacy_knn_ner.datastore.blocks.BLOCK_ROWS", 7)
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(40, 5)).astype("float32")
    table = make_table(keys[:25])
    search(table, keys[:2], 3, metric="cosine", index=index)
    table.add(keys[25:], np.full(15, 99), np.arange(15), np.zeros(15, int))
    found = search(table, keys, 4, metric="cosine", index=index)
    assert found.rows[:, 0].tolist() == list(range(40))
    distances, rows = brute_force(table, keys, 4, "cosine")
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.distances, distances)


def test_full_blocks_lie_on_disk(monkeypatch):
    monkeypatch.setattr("spacy_knn_ner.datastore.blocks.BLOCK_ROWS", 7)
    rows = np.arange(80, dtype="float32").reshape(40, 2)
    blocks = Blocks("float32", 2, on_disk=True)
    for part in np.split(rows, [1, 9, 30]):
        blocks.append(part)
    kinds = [isinstance(block, np.memmap) for block in blocks]
    assert kinds == [True] * 5 + [False]
    np.testing.assert_array_equal(blocks.array(), rows)
    wanted = np.array([[39, 0], [6, 7]])
    np.testing.assert_array_equal(blocks.take(wanted), rows[wanted])
    again = pickle.loads(pickle.dumps(blocks))
    again.append(rows)
    np.testing.assert_array_equal(again.array(), np.concatenate([rows, rows]))


def test_k_greater_than_the_tier_returns_what_there_is():
    keys = np.eye(4, dtype="float32")
    table = make_table(keys)
    table.remove([1])  # its first three entries
    found = table.search(keys, 100, metric="euclidean")
    assert found.rows.tolist() == [[0]] * 4  # the fourth; the others gave way
    table = make_table(np.eye(7, dtype="float32"))
    table.remove([1])
    found = search(table, np.eye(7, dtype="float32"), 100, metric="euclidean")
    assert sorted(found.rows[0]) == [-1, -1, -1, 3, 4, 5, 6]
    assert np.isinf(found.distances[:, 4:]).all()


@pytest.mark.parametrize("index", INDEXES)
def test_forgotten_rows_are_given_up(index):
    rng = np.random.default_rng(0)
    keys = rng.normal(size=(60, 4)).astype("float32")
    table = make_table(keys)
    search(table, keys[:1], 3, index=index)
    assert table.remove(range(1, 14)) == 39
    assert len(table) == len(table.keys) == len(table.entries) == 21
    found = search(table, keys[39:], 1, metric="cosine", index=index)
    assert found.rows.ravel().tolist() == list(range(21))
    assert found.tags.ravel().tolist() == [i % 5 for i in range(39, 60)]
    table.add(keys[:2], np.array([90, 90]), np.arange(2), np.array([3, 4]))
    found = search(table, keys[:2], 1, metric="cosine", index=index)
    assert found.tags.ravel().tolist() == [3, 4]
    assert table.remove([90, *range(14, 21)]) == 23
    assert len(table.entries) == 0
    assert search(table, keys[:2], 1, metric="cosine", index=index).rows.shape == (2, 0)


def test_a_forgotten_entry_has_no_vote():
    keys = np.eye(4, dtype="float32")
    for k in (2, None):
        table = make_table(keys)
        table.remove([1])
        votes = vote(table, keys, k=k, temperature=1, metric="euclidean", n_tags=5)
        np.testing.assert_array_equal(votes.p_knn, [[0, 0, 0, 1, 0]] * 4)
        table.remove([2])
        assert len(table) == 0
        votes = vote(table, keys, k=k, temperature=1, metric="euclidean", n_tags=5)
        assert not votes.p_knn.any()
        assert np.isinf(votes.nearest).all()


@pytest.mark.parametrize("metric", METRICS)
def test_both_ways_to_compute_distances_agree(metric):
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, 9, 16)) + 50
    keys[:3] = queries[:3]
    keys[3] = queries[3] + 1e-7
    pairs = paired(queries, np.broadcast_to(keys, (9, 9, 16)), metric)
    if metric == "cosine":
        queries, keys = (
            x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, keys)
        )
    found = all_pairs(torch.tensor(queries), torch.tensor(keys), metric)
    np.testing.assert_allclose(found.numpy(), pairs, rtol=1e-9, atol=1e-13)


def test_one_batch_is_one_search(monkeypatch):
    """And FAISS multiplies matrices even when the batch is small."""
    import faiss

    thresholds = []
    knn = faiss.knn

    def counting(*args, **kwargs):
        thresholds.append(faiss.cvar.distance_compute_blas_threshold)
        return knn(*args, **kwargs)

    monkeypatch.setattr(faiss, "knn", counting)
    before = faiss.cvar.distance_compute_blas_threshold
    keys = np.random.default_rng(0).normal(size=(300, 8)).astype("float32")
    make_table(keys).search(keys[:9], 5, metric="cosine")
    assert thresholds == [1]
    assert faiss.cvar.distance_compute_blas_threshold == before


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_all_entry_votes_in_bounded_memory(metric, equal):
    """1,000 queries × 200,000 keys would be 1.6 GB of distances."""
    import tracemalloc

    rng = np.random.default_rng(0)
    keys = rng.normal(size=(20_000 if equal else 200_000, 2)).astype("float32")
    if equal:
        keys[:] = 1
    table = make_table(keys)
    tracemalloc.start()
    votes = vote(table, keys[:1000], k=None, temperature=1, metric=metric, n_tags=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(votes.p_knn.sum(axis=1), 1)
    assert peak < 600e6


def test_threads_that_search_first_share_one_index():
    from concurrent.futures import ThreadPoolExecutor

    keys = np.random.default_rng(0).normal(size=(60_000, 4)).astype("float32")
    table = make_table(keys)
    with ThreadPoolExecutor(8) as pool:
        searches = [
            pool.submit(table.search, keys[:3], 2, metric="cosine") for _ in range(8)
        ]
        found = [search.result().rows.tolist() for search in searches]
    assert found == [found[0]] * 8
    assert len(table.make_index("cosine")) == 60_000


def test_an_unknown_index_is_refused():
    with pytest.raises(KnnNerError, match="KNN-E030"):
        index_factory("x")


def test_single_precision_is_used_where_it_does_not_show(monkeypatch):
    """Large stores, at temperatures that are not too low."""
    from spacy_knn_ner.datastore import all_votes

    rng = np.random.default_rng(0)
    keys = rng.normal(size=(3000, 16)).astype("float32")
    keys[1000:] = keys[:1000].repeat(2, axis=0) + 0.1 * keys[1000:]
    table, queries = make_table(keys), keys[:40] + 0.05
    temperatures = [0.005, 0.02, 0.3]
    exact = all_votes.count_all(
        table, queries, temperatures, "cosine", 5
    ).distributions()
    monkeypatch.setattr(all_votes, "_FEW", 100)
    single = all_votes.count_all(
        table, queries, temperatures, "cosine", 5
    ).distributions()
    assert 0 < np.abs(single - exact).max() < 1e-4
    for temperatures, metric in ([0.001], "cosine"), ([0.3], "euclidean"):
        p = all_votes.count_all(table, queries, temperatures, metric, 5).distributions()
        monkeypatch.setattr(all_votes, "_FEW", 10_000)
        again = all_votes.count_all(
            table, queries, temperatures, metric, 5
        ).distributions()
        monkeypatch.setattr(all_votes, "_FEW", 100)
        np.testing.assert_array_equal(p, again)


def test_every_entry_votes_after_any_change():
    """Though the columns are in arrays of other lengths then."""
    store = Datastore()
    for _ in range(2):
        ids = store.add([ADA], [keys_of(ADA)], part="store")
        store.forget(ids[:1])
        store.add([ADA, PARTY], [keys_of(ADA), keys_of(PARTY)], part="store")
    found = count_all(store.store, keys_of(ADA).vectors, [0.1], "cosine", 9)
    assert found.nearest.max() < 1e-6
