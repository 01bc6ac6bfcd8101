"""A datastore in PostgreSQL or Qdrant: the same as one in this process, and shared with
others.

The PostgreSQL server is a real one, of a package; Qdrant is that of its client, and its
engine without the server, in this process."""

import copy
import random
import threading
from dataclasses import replace

import numpy as np
import postgres
import pytest
from datastores import ADA, PARTY, WIDTH, contents, filled, keys_of, text_of
from shared_stores import another, published, seen

from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.postgres.place import Postgres
from spacy_knn_ner.datastore.qdrant.home import QdrantHome
from spacy_knn_ner.datastore.qdrant.place import Qdrant
from spacy_knn_ner.datastore.shared.moving import local_copy, publish
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.inference.retriever import StoreRetriever
from spacy_knn_ner.settings import Settings
from spacy_knn_ner.types import TokenKeys


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_published_is_what_there_was(engine, dtype):
    store, _ = filled(dtype)
    shared = published(engine, store)
    for one in (shared, another(shared)):
        assert seen(one) == contents(store)
        assert (one.dtype, one.fingerprint) == (store.dtype, store.fingerprint)


def test_a_copy_is_local_and_the_same(engine):
    store, ids = filled()
    shared = published(engine, store)
    shared.forget(ids[-1:])
    store.forget(ids[-1:])
    local = local_copy(shared)
    assert contents(local) == contents(store)
    assert local.add([ADA], [keys_of(ADA)], part="store") == [max(ids) + 1]


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_neighbors_are_those_of_a_local_store(engine, metric, dtype):
    store = Datastore(dtype=dtype)
    words = text_of(" ".join(f"w{i}" for i in range(60)), [(0, 1, "person")])
    keys = keys_of(words, seed=3)
    keys.vectors[7] = keys.vectors[3]  # equal distances
    store.add([words], [keys], part="store")
    shared = published(engine, store)
    queries = np.random.default_rng(5).normal(size=(9, WIDTH)).astype("float32")
    for k in (1, 5, 80):
        expected = store.store.search(queries, k, metric=metric)
        found = shared.store.search(queries, k, metric=metric)
        for column in ("rows", "tags", "weights", "distances"):
            np.testing.assert_array_equal(
                getattr(found, column), getattr(expected, column)
            )


def test_neighbors_in_a_tight_cluster_of_half_precision(engine):
    numbers = np.random.default_rng(0)
    vectors = numbers.normal(size=256) + 0.02 * numbers.normal(size=(300, 256))
    store = Datastore(dtype="float16")
    keys = TokenKeys(vectors.astype("float32"), np.arange(300), 300)
    store.add([text_of("w " * 300)], [keys], part="store")
    queries = keys.vectors[:50] + 0.01
    expected = store.store.search(queries, 8, metric="cosine")
    found = published(engine, store).store.search(queries, 8, metric="cosine")
    np.testing.assert_array_equal(found.rows, expected.rows)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("engine", ["postgres", "qdrant_edge"], indirect=True)
def test_an_hnsw_index_is_used_and_its_distances_are_exact(
    request, engine, metric, dtype
):
    local = clustered(dtype)
    shared = engine(index="hnsw").put(local)
    if isinstance(shared.home, QdrantHome):
        _, client = request.getfixturevalue("edge")
        indexed = client.optimize()
    queries = local.store.keys.array()[:50].astype("float32")
    expected = local.store.search(queries, 5, metric=metric)
    before = shared.store.search(queries, 5, metric=metric)  # the server has none yet
    np.testing.assert_array_equal(before.rows, expected.rows)
    shared.home.make_index(shared, metric)
    shared.home.make_index(shared, metric)  # there is one
    if isinstance(shared.home, QdrantHome):
        assert client.optimize() > indexed + 20 * len(local.store)  # bytes of links
    settings = Settings(metric=metric, k=5)
    with shared.home.reading(shared):
        found = StoreRetriever(shared, settings).prepare()
    assert found.share >= 0.95
    shared.home.keep(shared, None)
    near = shared.store.search(queries, 5, metric=metric)
    alike = near.rows == expected.rows
    assert alike.mean() > 0.95
    np.testing.assert_array_equal(near.distances[alike], expected.distances[alike])
    # Another process knows how long to search; a removed entry is not found.
    other = another(shared)
    assert other.store.index_info() == shared.store.index_info()
    first = int(shared.store.entries.array()["example_id"][0])
    shared.forget([first])
    with other.home.reading(other):
        near = other.store.search(queries, 5, metric=metric)
        ids = other.store.entries.array()["example_id"]
        assert (near.rows >= 0).all()
        assert first not in ids[near.rows]


# 16 numbers are few for one bit each.
@pytest.mark.parametrize(("quantization", "least"), [("scalar", 0.9), ("binary", 0.1)])
@pytest.mark.parametrize("engine", ["qdrant_edge"], indirect=True)
def test_a_quantized_index_has_exact_distances(request, engine, quantization, least):
    local, (_, client) = clustered("float32"), request.getfixturevalue("edge")
    shared = engine(index="hnsw", quantization=quantization).put(local)
    shared.home.make_index(shared, "cosine")
    client.optimize()
    queries = local.store.keys.array()[:50]
    expected = local.store.search(queries, 5, metric="cosine")
    near = shared.store.search(queries, 5, metric="cosine")
    alike = near.rows == expected.rows
    assert alike.mean() > least
    np.testing.assert_array_equal(near.distances[alike], expected.distances[alike])


def clustered(dtype):
    """400 examples of ten tokens, of which some are other than their neighbors."""
    numbers = np.random.default_rng(0)
    store, centers = Datastore(dtype=dtype), numbers.normal(size=(20, 16))
    texts, keys = [], []
    for _ in range(400):
        kinds = numbers.integers(0, 20, 10)
        spans = [(i, i + 1, "AB"[k % 2]) for i, k in enumerate(kinds) if k % 3]
        noise = numbers.normal(size=(10, 16)) * 0.8
        vectors = (centers[kinds] + noise).astype("float32")
        texts.append(text_of("w " * 10, spans))
        keys.append(TokenKeys(vectors, np.arange(10), 10))
    store.add(texts, keys, part="store")
    return store


CHANGES = {
    "add": lambda store, ids: store.add([ADA], [keys_of(ADA, 9)], part="corrections"),
    "add a label": lambda store, ids: store.add(
        [text_of("Rex barked", [(0, 1, "dog")])],
        [keys_of(text_of("Rex barked"), 4)],
        part="corrections",
        source="Eve",
    ),
    "forget": lambda store, ids: store.forget(ids[:1]),
    "forget a correction": lambda store, ids: store.forget(ids[-1:]),
    "relabel": lambda store, ids: store.relabel("person", "human"),
    "merge labels": lambda store, ids: store.relabel("location", "person"),
    "consolidate": lambda store, ids: store.consolidate(),
    "less annotation": lambda store, ids: _annotated_less(store, ids[-1]),
    "restore": lambda store, ids: _restored(store, ids[-1]),
}


def _annotated_less(store, i):
    text = store.example(i).annotated
    entities = [entity for entity in text.entities if entity[0] > 0]
    store.replace_annotation(i, replace(text, entities=entities, missing=[0]))


def _restored(store, i):
    example = store.example(i)
    store.forget([i])
    store.restore(example, keys_of(example.annotated, 2))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_that_of_a_local_store_and_others_see_it(engine, name):
    store, ids = filled()
    shared = published(engine, store)
    other = another(shared)
    CHANGES[name](store, ids)
    CHANGES[name](shared, ids)
    # Rows have other numbers where a store was renumbered; their order is the same.
    assert seen(shared) == contents(store)
    assert seen(other) == contents(store)
    assert seen(another(shared)) == contents(store)


def test_any_sequence_of_changes_by_two_processes(engine):
    store, ids = filled()
    both = [published(engine, store)]
    both.append(another(both[0]))
    numbers = random.Random(0)
    for step in range(60):
        shared = numbers.choice(both)
        name = numbers.choice([*CHANGES, "add", "add a label", "add"])
        ids = [example.example_id for example in store.examples]
        results = []
        for one in (store, shared):
            try:
                results.append(CHANGES[name](one, ids))
            except (KnnNerError, IndexError) as error:
                results.append(type(error))
        assert results[0] == results[1], (step, name)
        for one in both:
            assert seen(one) == contents(store), (step, name)


def test_a_change_that_fails_changes_nothing(engine):
    store, _ = filled()
    shared = published(engine, store)
    with pytest.raises(ZeroDivisionError), shared.transaction():
        shared.add([ADA], [keys_of(ADA, 9)], part="corrections")
        with shared.transaction():
            shared.relabel("person", "human")
        raise ZeroDivisionError
    assert seen(shared) == seen(another(shared)) == contents(store)


def test_an_inner_change_that_fails_is_taken_back_alone(engine):
    store, _ = filled()
    shared = published(engine, store)
    with shared.transaction():
        shared.relabel("person", "human")
        with pytest.raises(KnnNerError):
            shared.add([ADA], [keys_of(ADA, 9, width=3)], part="corrections")
    store.relabel("person", "human")
    assert seen(shared) == seen(another(shared)) == contents(store)


def test_a_reader_sees_one_state(engine):
    """Though another process changes it meanwhile."""
    store, _ = filled()
    shared = published(engine, store)
    other = another(shared)
    with other.home.reading(other):
        shared.relabel("person", "human")
        shared.forget([1])
        assert contents(other) == contents(store)
        found = other.store.search(keys_of(ADA, 0).vectors, 1, metric="cosine")
        assert found.distances.max() < 1e-6
    assert seen(other) == seen(shared)


def test_the_first_correction_of_an_empty_store(engine):
    shared = engine().attached()
    assert len(shared) == 0 and seen(shared)["examples"] == []
    other = another(shared)
    store = Datastore()
    for one in (store, shared):
        one.add([ADA], [keys_of(ADA)], part="corrections")
    assert seen(shared) == seen(other) == contents(store)
    for one in (store, other):
        one.add([PARTY], [keys_of(PARTY)], part="store")
    assert seen(shared) == seen(other) == contents(store)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_store_of_another_kind_in_its_place(engine, dtype):
    """Which others see, with keys of another width and no projection."""
    store, _ = filled()
    store.projection = np.eye(WIDTH, dtype="float32")
    name = postgres.new_name()
    shared = published(engine, store, name)
    other = another(shared)
    np.testing.assert_array_equal(other.projection, store.projection)
    new = Datastore(dtype=dtype)
    new.add([ADA], [keys_of(ADA, width=3)], part="corrections")
    published(engine, new, name)
    for one in (shared, other):
        assert seen(one) == contents(new)
        assert one.projection is None
    for one in (new, other):
        one.consolidate()
    assert seen(shared) == seen(other) == contents(new)
    assert other.add([PARTY], [keys_of(PARTY, width=3)], part="corrections") == [4]
    assert seen(shared) == seen(other)  # and no id was used again
    assert shared.projection is None


def test_a_store_that_was_changed_meanwhile_is_not_replaced(engine):
    shared = published(engine, filled()[0])
    other = another(shared)
    other.forget([1])
    with pytest.raises(KnnNerError, match="KNN-E052"):
        publish(filled()[0], another(shared), shared)
    assert seen(shared) == seen(other)


def test_copies_have_connections_of_their_own(engine):
    shared = published(engine, filled()[0])
    with shared.home.reading(shared):
        copied = copy.deepcopy(shared)
    shared.forget([1])
    assert seen(copied) == seen(shared)
    assert copied.store.search(keys_of(ADA).vectors, 1, metric="cosine").rows.size
    copied.forget([2])
    assert seen(copied) == seen(shared)


def test_what_the_server_refuses_is_not_its_absence(url):
    shared = Postgres(url, postgres.new_name()).put(filled()[0])
    shared.home.server.db.execute("DROP TABLE removed")
    with pytest.raises(KnnNerError, match="KNN-E122"):
        shared.forget([1])


def test_threads_of_many_connections_lose_nothing(engine):
    shared = published(engine, filled()[0])
    before = len(shared.examples)

    def add_and_forget(one):
        for i in range(10):
            ids = one.add([ADA, PARTY], [keys_of(ADA), keys_of(PARTY)], part="store")
            one.forget(ids[i % 2 :])

    threads = [
        threading.Thread(target=add_and_forget, args=(another(shared),))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen(shared) == seen(another(shared))
    assert len(shared.examples) == before + 4 * 5


def test_words_that_a_database_finds_odd(engine):
    odd = text_of("a\0b c\\0d %s ? it's “x”", [(0, 1, "per'son\0")])
    store = Datastore()
    shared = published(engine, store)
    for one in (store, shared):
        one.add([odd], [keys_of(odd)], part="corrections", source="Zoë %s ?")
    assert contents(shared) == contents(store)
    for text in ("%s", "?", "\\0", "'s"):
        found = [one.examples.ids(contains=text) for one in (store, shared)]
        assert found[0] == found[1]
    assert shared.examples.ids(source="Zoë %s ?") == [1]


def test_what_cannot_be_used(url):
    for make, code in (
        (lambda: Postgres(url, "nothing_there"), "KNN-E120"),
        (lambda: Postgres("postgresql://127.0.0.1:1/x"), "KNN-E118"),
        (lambda: Postgres("no url"), "KNN-E118"),
        (lambda: Postgres("postgresql://me:secret@host/x"), "KNN-E119"),
        (lambda: Postgres(url, index="flat"), "KNN-E121"),
        (lambda: Qdrant(":memory:", "nothing_there"), "KNN-E120"),
        (lambda: Qdrant("http://127.0.0.1:1"), "KNN-E125"),
        (lambda: Qdrant(":memory:", quantization="some"), "KNN-E121"),
    ):
        with pytest.raises(KnnNerError) as caught:
            make().open()
        assert caught.value.code == code
        assert "secret" not in str(caught.value)


def test_a_change_that_was_interrupted_is_taken_back_by_the_next_one(monkeypatch):
    """In Qdrant, where each point is written by itself."""
    store, ids = filled()
    shared = Qdrant(":memory:", postgres.new_name()).put(store)
    monkeypatch.setattr("spacy_knn_ner.datastore.qdrant.about.LEASE", 0.2)
    dies, reader = another(shared), another(shared)
    monkeypatch.setattr(type(dies.home.point), "replace", _dies)
    monkeypatch.setattr(type(dies.home), "rollback", _dies)
    with pytest.raises(SystemExit):
        dies.relabel("person", "human")
    with pytest.raises(SystemExit):
        another(shared).add([ADA], [keys_of(ADA, 9)], part="corrections")
    with pytest.raises(SystemExit):
        another(shared).forget(ids)
    monkeypatch.undo()
    assert seen(reader) == seen(another(shared)) == contents(store)
    for one in (store, shared):
        one.add([PARTY], [keys_of(PARTY, 4)], part="corrections")
    assert seen(reader) == seen(another(shared)) == contents(store)


def _dies(*_):
    raise SystemExit
