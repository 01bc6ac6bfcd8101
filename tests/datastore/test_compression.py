"""Smaller stores: fewer entries vote as all of them did, and bounds are kept."""

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from util import (
    TEXTS,
    annotated_docs,
    cnn_pipeline,
    configure,
    neighbors,
    retriever,
    search,
    view,
    vote,
)

from spacy_knn_ner.components import compressing
from spacy_knn_ner.datastore import blocks, merging
from spacy_knn_ner.datastore.disk import saved_index
from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.evaluation.compression_cost import CompressionReport, small_codes
from spacy_knn_ner.types import Neighbors

WIDTH = 4


def a_table(rng, n):
    """Few different keys, so that many are equal; some entries are forgotten."""
    table = EntryTable()
    keys = rng.normal(size=(6, WIDTH)).astype("float32")[rng.integers(0, 6, n)]
    table.add(keys, np.arange(n) // 3, np.arange(n) % 3, rng.integers(0, 3, n))
    table.remove(rng.integers(0, n // 3 + 1, 2).tolist())
    return table


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([None, 1, 5, 100]),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_merged_entries_vote_as_all_of_them(seed, k, metric):
    rng = np.random.default_rng(seed)
    table = a_table(rng, int(rng.integers(3, 40)))
    queries = rng.normal(size=(7, WIDTH)).astype("float32")
    how = {"k": k, "temperature": 0.3, "metric": metric, "n_tags": 3}
    before = vote(table, queries, **how)
    n = len(table)
    table.shrink(*merging.merged(table))
    after = vote(table, queries, **how)
    assert table.entries.array()["weight"].sum() == n
    assert len(table) <= 18  # 6 keys with 3 tags
    if k in (None, 100):  # otherwise equal distances are cut off somewhere
        np.testing.assert_allclose(after.p_knn, before.p_knn, atol=1e-9)
    np.testing.assert_allclose(after.nearest, before.nearest, atol=1e-12)


def test_an_entry_of_weight_three_is_three_of_the_k():
    found = Neighbors(
        np.array([[0.1, 0.2, 0.3]]),
        np.array([[7, 8, 9]]),
        np.array([[0, 1, 2]]),
        np.array([[3, 2, 1]]),
    )
    for k, expected in {1: [1], 2: [2, 0], 4: [3, 1, 0], 9: [3, 2, 1]}.items():
        assert found.truncate(k).weights.tolist() == [expected]


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 1))
def test_those_who_stay_stand_for_the_others(seed, share):
    rng = np.random.default_rng(seed)
    table = a_table(rng, 60)
    redundant = rng.random(60) < 0.7
    keep, weights = merging.thinned(table, redundant, share)
    kept = ~table.removed
    assert (keep[kept & ~redundant]).all()
    assert not keep[~kept].any()
    for tag in range(3):
        same = kept & (table.tags.array() == tag)
        assert weights[same].sum() == same.sum()
        thin = int((same & redundant).sum())
        assert (keep & same & redundant).sum() <= np.ceil(share * thin)


def test_no_weight_is_too_large_for_its_field():
    table = EntryTable()
    n = 70_000
    keys = np.ones((n, WIDTH), "float32")
    table.add(keys, np.arange(n), np.zeros(n, int), np.zeros(n, int))
    table.shrink(*merging.merged(table))
    weights = table.entries.array()["weight"].astype(int)
    assert weights.max() == 65_535
    assert weights.sum() == n


def test_the_own_example_takes_no_place_among_the_k():
    """However heavy it is: it is left out before the k are counted."""
    rng = np.random.default_rng(0)
    table = EntryTable()
    keys = rng.normal(size=(600, WIDTH)).astype("float32")
    table.add(keys, np.arange(600), np.zeros(600, int), rng.integers(0, 3, 600))
    table.shrink(np.ones(600, bool), rng.integers(1, 20, 600))
    assert retriever(table, n_tags=3, index="flat").measure_fidelity().share == 1.0


def test_keys_that_do_not_fit_into_float16_are_refused():
    table = EntryTable()
    table.add(np.full((1, WIDTH), 1e6, "float32"), np.zeros(1), np.zeros(1), [0])
    with pytest.raises(KnnNerError, match="KNN-E031"):
        table.shrink(np.ones(1, bool), np.ones(1), dtype="float16")
    assert table.keys.dtype == np.float32


def test_codes_are_saved_without_what_was_forgotten_at_the_beginning(
    monkeypatch, tmp_path
):
    """FAISS's quick codes die of an empty piece."""
    monkeypatch.setattr(blocks, "_PIECE", 100)
    rng = np.random.default_rng(0)
    table = EntryTable()
    keys = rng.normal(size=(500, 16)).astype("float32")
    table.add(keys, np.arange(500), np.zeros(500, int), np.zeros(500, int))
    search(table, keys[:3], 2, index="PQ8x4fs")
    table.remove(range(150))
    saved_index.save(table, tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store.index.faiss"]


def test_keys_that_are_too_large_for_rounding_stay_apart():
    table = EntryTable()
    keys = np.array([[1e6] * 4, [2e6] * 4, [1e6] * 4], "float32")
    table.add(keys, np.arange(3), np.zeros(3, int), np.zeros(3, int))
    keep, weights = merging.merged(table)
    assert keep.tolist() == [True, True, False]
    assert weights.tolist() == [2, 1, 0]


@pytest.fixture
def repeated():
    """A store in which every sentence stands three times."""
    nlp = cnn_pipeline()
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp) * 3, show_progress=False)
    return nlp


def test_merging_changes_no_entity_and_no_score(repeated, tmp_path):
    knn = repeated.get_pipe("knn_ner")
    configure(knn, k=1000)
    before, n = [view(repeated(text)) for text in TEXTS], len(knn.datastore.store)
    compressing.merge(knn)
    assert len(knn.datastore.store) <= n / 3
    repeated.to_disk(tmp_path)
    for nlp in (repeated, spacy.load(tmp_path)):
        for text, expected in zip(TEXTS, before, strict=True):
            found = view(nlp(text))
            assert [entity[:3] for entity in found] == [e[:3] for e in expected]
            scores = [[entity[3] for entity in doc] for doc in (found, expected)]
            np.testing.assert_allclose(*scores, atol=1e-6)


def test_pruning_keeps_the_balance(repeated):
    knn = repeated.get_pipe("knn_ner")
    n = len(knn.datastore.store)
    compressing.prune(knn, 0.5)
    entries = knn.datastore.store.entries.array()
    assert len(entries) < n
    assert entries["weight"].sum() == n
    assert sum(e.share for e in neighbors(knn, repeated(TEXTS[0]), 0, n=1000)) == (
        pytest.approx(1.0)
    )
    for share in (0.0, 1.5):
        with pytest.raises(KnnNerError, match="KNN-E072"):
            compressing.prune(knn, share)


def test_keys_can_be_kept_in_half_the_room(repeated):
    knn = repeated.get_pipe("knn_ner")
    compressing.convert_keys(knn, "float16")
    assert knn.datastore.store.keys.dtype == np.float16
    assert knn.settings.keys.dtype == knn.datastore.dtype == "float16"
    repeated(TEXTS[0])


def test_nothing_is_made_of_an_empty_store():
    with pytest.raises(KnnNerError, match=r"KNN-E051.*Call build first"):
        compressing.merge(cnn_pipeline().get_pipe("knn_ner"))


def test_codes_fit_the_width():
    assert small_codes(1000, 384) == "PCA64,PQ64x4fs"
    assert small_codes(1000, 32) == "PQ32x4fs"
    assert small_codes(4_000_000, 768) == "PCA64,IVF2000,PQ64x4fs"


def test_what_was_lost_is_measured_on_the_original(repeated):
    """Without entries of one label, the tags that they changed are not the same."""
    knn = repeated.get_pipe("knn_ner")
    configure(knn, weight=1.0, k=3)
    compressed = CompressionReport(knn, annotated_docs(repeated))
    store = knn.datastore.store
    weights = store.entries.array()["weight"]
    store.shrink(store.tags.array() == 0, weights)
    found = compressed.measure("no entities")
    first = compressed.steps[0]
    assert (first.fidelity, first.f1) == (1.0, 1.0)
    assert found.f1 == 0.0
    assert found.fidelity < 1.0
    assert found.changed == first.changed
    with pytest.raises(KnnNerError, match=r"KNN-E073.*F1 is 100.00.*--max-loss"):
        compressed.check(0.1, 0.0)
    with pytest.raises(KnnNerError, match=r"KNN-E073.*fidelity.*--min-fidelity"):
        compressed.check(100.0, 0.95)


def test_compress_saves_what_is_within_the_bounds(repeated, tmp_path, capsys):
    from util import run, run_json

    from spacy_knn_ner.corpora.docbin import write_docs

    repeated.to_disk(tmp_path / "model")
    write_docs(annotated_docs(repeated), tmp_path / "dev.spacy")
    arguments = "compress", tmp_path / "model", tmp_path / "dev.spacy"
    options = "--index", "exact", "--dtype", "float16"
    found = run_json(*arguments, tmp_path / "small", *options)
    steps = [step["step"] for step in found["steps"]]
    assert steps == ["original", "merge", "float16", "exact"]
    last = found["steps"][-1]
    assert last["entries"] < found["steps"][0]["entries"]
    assert last["on_disk"] < found["steps"][0]["on_disk"] / 4
    assert spacy.load(tmp_path / "small")(TEXTS[0]).ents
    lossy = *arguments, tmp_path / "lossy", *options, "--min-fidelity", "1.1"
    assert "KNN-E073" in run(*lossy, code=1)[1]
    assert not (tmp_path / "lossy").exists()
