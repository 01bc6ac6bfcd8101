"""What can go wrong with a store that processes share: none of it loses or mixes
anything."""

import copy
import threading
import time

import numpy as np
import postgres
import pytest
from datastores import ADA, PARTY, contents, filled, keys_of, text_of
from shared_stores import another, published, seen

from spacy_knn_ner.corrections.phrase_index import PhraseIndex
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.postgres.place import Postgres
from spacy_knn_ner.datastore.qdrant.home import QdrantHome
from spacy_knn_ner.datastore.qdrant.place import Qdrant
from spacy_knn_ner.datastore.qdrant.points import Points, condition
from spacy_knn_ner.errors import KnnNerError


@pytest.fixture
def db(url):
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def test_tables_of_others_stay(url, db):
    names = "about", "store", "corrections", "examples", "removed", "changes"
    try:
        for name in names:
            db.execute(f"CREATE TABLE public.{name} (value text)")
            db.execute(f"INSERT INTO public.{name} VALUES ('mine')")
        place = Postgres(url, postgres.new_name())
        with pytest.raises(KnnNerError, match="KNN-E120"):
            place.open()
        store, ids = filled()
        shared = place.put(store)
        shared.forget(ids[:1])
        place.put(store)  # keys of another kind, too
        place.put(_of_width(3))
        for name in names:
            assert db.execute(f"SELECT value FROM public.{name}").fetchall() == [
                ("mine",)
            ]
    finally:
        for name in names:
            db.execute(f"DROP TABLE public.{name}")


def test_a_schema_that_is_there_is_filled(url, db):
    name = postgres.new_name()
    db.execute(f"CREATE SCHEMA {name}")
    with pytest.raises(KnnNerError, match="KNN-E120"):
        Postgres(url, name).open()
    store, _ = filled()
    assert seen(Postgres(url, name).put(store)) == contents(store)


def test_pgvector_in_another_schema(url, db):
    db.execute("CREATE DATABASE elsewhere")
    import psycopg
    from psycopg.conninfo import make_conninfo

    other = make_conninfo(url, dbname="elsewhere")
    with psycopg.connect(other, autocommit=True) as there:
        there.execute("CREATE SCHEMA extensions")
        there.execute("CREATE EXTENSION vector SCHEMA extensions")
    store, _ = filled()
    shared = Postgres(other, index="hnsw").put(store)
    shared.home.make_index(shared, "cosine")
    assert seen(another(shared)) == contents(store)
    shared.home.server.close()


@pytest.mark.parametrize(
    "name", ["", "a b", "a.b", "1a", "-a", "é", "\ud800", "a" * 64]
)
@pytest.mark.parametrize("kind", [Postgres, Qdrant])
def test_a_name_that_cannot_be_one(kind, name):
    with pytest.raises(KnnNerError, match="KNN-E128"):
        kind(name=name)


@pytest.mark.parametrize("name", [5, None])
@pytest.mark.parametrize("kind", [Postgres, Qdrant])
def test_a_name_that_is_none(kind, name):
    with pytest.raises(KnnNerError, match="KNN-E128"):
        kind(name=name)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://me:secret@host", "KNN-E119"),
        ("http://[::1", "KNN-E126"),
        ("/proc/nothing", "KNN-E126"),
    ],
)
def test_an_address_that_cannot_be_one(url, code):
    store, _ = filled()
    with pytest.raises(KnnNerError) as caught:
        Qdrant(url).put(store)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


# --- processes that are slower than others thought ------------------------------------


# In PostgreSQL, a lock ends with its connection.
@pytest.mark.parametrize("engine", ["qdrant", "qdrant_edge"], indirect=True)
def test_a_writer_that_was_thought_dead(engine, monkeypatch):
    """It goes on writing after others have taken its lock, and changed the store."""
    store, ids = filled()
    shared = published(engine, store)
    monkeypatch.setattr("spacy_knn_ner.datastore.qdrant.about.LEASE", 0.0)
    slow, quick = another(shared), another(shared)
    with pytest.raises(KnnNerError, match="KNN-E127"), slow.transaction():
        slow.home.point._renewed_at = np.inf  # it does not notice
        slow.forget(ids[:1])
        slow.add([PARTY], [keys_of(PARTY, 4)], part="store")
        for one in (quick, store):
            one.forget(ids[1:2])
            one.add([ADA], [keys_of(ADA, 9)], part="corrections")
        slow.forget(ids[1:2])
        slow.add([ADA], [keys_of(ADA, 8)], part="corrections")
        slow.relabel("person", "human")
    for one in (quick, slow, shared, another(shared)):
        assert seen(one) == contents(store)
    for one in (quick, store):
        one.forget(ids[:1])
    for one in (quick, slow, shared, another(shared)):
        assert seen(one) == contents(store)


# In PostgreSQL, it is one transaction.
@pytest.mark.parametrize("engine", ["qdrant", "qdrant_edge"], indirect=True)
@pytest.mark.parametrize("step", ["examples", "point"])
def test_creation_that_was_interrupted(engine, monkeypatch, step):
    place = engine()
    with monkeypatch.context() as patched:
        name = "create" if step == "examples" else "upsert"
        patched.setattr(
            *((Points, name) if step == "examples" else (place.server.client, name)),
            _dies,
        )
        with pytest.raises(SystemExit):
            place.put(filled()[0])
    with pytest.raises(KnnNerError, match="KNN-E120"):
        place.open()
    monkeypatch.setattr("spacy_knn_ner.datastore.qdrant.about.ABANDONED", 0.1)
    store, _ = filled()
    assert seen(place.put(store)) == contents(store)


def test_two_processes_create_the_same_store(engine):
    name, store = postgres.new_name(), filled()[0]
    places, errors = [engine(name) for _ in range(4)], []

    def put(place):
        try:
            place.put(store)
        except KnnNerError as error:
            errors.append(error)

    threads = [threading.Thread(target=put, args=[place]) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert seen(engine(name).open()) == contents(store)


def test_a_correction_waits_for_a_store_that_is_replaced(engine):
    """Without each waiting for the other."""
    place = engine()
    shared, new = place.put(filled()[0]), _of_width(3)
    adder, errors = another(shared), []

    def add():
        try:
            adder.add([ADA], [keys_of(ADA, 9)], part="corrections")
        except KnnNerError as error:
            errors.append(error.code)

    thread = threading.Thread(target=add)
    with shared.transaction():
        thread.start()
        time.sleep(0.5)
        shared.examples.clear()
        for table in shared.tables.values():
            table.start_empty(new.dtype)
        text = text_of("w x y")
        shared.add([text], [keys_of(text, width=3)], part="store")
    thread.join()
    assert errors == ["KNN-E034"]  # keys of another width: it sees the new store
    assert len(another(shared).examples) == 1


# --- other stores of the same name ----------------------------------------------------


def test_a_store_that_was_dropped_and_built_again(engine):
    place = engine()
    shared = place.put(filled()[0])
    _drop(shared)
    other = Datastore()
    other.add([PARTY], [keys_of(PARTY, 4)], part="store")
    place.put(other)
    assert seen(shared) == contents(other)


def test_a_backup_that_was_restored(engine):
    place = engine()
    store, _ = filled()
    shared = place.put(store)
    behind = copy.deepcopy(shared)
    for one in (behind, shared):
        assert seen(one) == contents(store)
    shared.add([ADA], [keys_of(ADA, 9)], part="corrections")
    # As if the server had an older state: what the other process has read is newer.
    behind.home.version += 5
    assert seen(behind) == seen(shared)


def _drop(shared):
    server = shared.home.server
    if isinstance(shared.home, QdrantHome):
        for found in server.client.get_collections().collections:
            if found.name.startswith(f"{server.name}."):
                server.client.delete_collection(found.name)
    else:
        server.db.execute(f"DROP SCHEMA {server.name} CASCADE")


# In PostgreSQL, a replacement waits for the batch.
@pytest.mark.parametrize("engine", ["qdrant", "qdrant_edge"], indirect=True)
def test_a_batch_goes_on_with_the_keys_that_were_replaced(engine):
    place = engine()
    store, _ = filled()
    shared = place.put(store)
    reader = another(shared)
    queries = store.store.keys.array()[:3].astype("float32")
    with reader.home.reading(reader):
        place.put(_of_width(3)).add(
            [text_of("z")], [keys_of(text_of("z"), width=3)], part="corrections"
        )
        found = reader.store.search(queries, 2, metric="cosine")
    expected = store.store.search(queries, 2, metric="cosine")
    np.testing.assert_array_equal(found.rows, expected.rows)


def _of_width(width):
    store, text = Datastore(), text_of("x y z")
    store.add([text], [keys_of(text, width=width)], part="store")
    return store


# --- copies, and changes that are refused ---------------------------------------------


def test_a_copy_of_a_store_that_others_have_changed(engine):
    store, _ = filled()
    shared = published(engine, store)
    new = text_of("Rex barked", [(0, 1, "dog")])
    for one in (another(shared), store):
        one.add([new], [keys_of(new, 4)], part="corrections")
    assert seen(copy.deepcopy(shared)) == contents(store)


def test_a_refused_change_is_not_read_again(engine):
    store, _ = filled()
    shared = published(engine, store)
    with shared.home.reading(shared):
        before = shared.n_rereads
    for change in (
        lambda: shared.forget([10**6]),
        lambda: shared.relabel("nothing", "other"),
        lambda: shared.add([ADA], [keys_of(ADA, width=3)], part="corrections"),
    ):
        with pytest.raises(KnnNerError):
            change()
    assert seen(shared) == contents(store)
    assert shared.n_rereads == before


def test_a_calibrated_index_survives_a_change_that_fails(engine):
    store, ids = filled()
    shared = published(engine, store, index="hnsw")
    with shared.home.reading(shared):
        index = shared.store.make_index("cosine")
        index.search_param, index.refine_factor = 77, 5
    from spacy_knn_ner.datastore.disk import saved_index

    with shared.transaction():
        shared.home.saved_index = saved_index.describe(shared.store, {})
    for one in (shared, another(shared)):
        with pytest.raises(ZeroDivisionError), one.transaction():
            one.forget(ids[:1])
            raise ZeroDivisionError
        with one.home.reading(one):
            index = one.store.make_index("cosine")
        assert (index.search_param, index.refine_factor) == (77, 5)


def _dies(*_, **__):
    raise SystemExit


def test_texts_are_read_some_hundred_at_once(url, monkeypatch):
    words = text_of("a b c")
    store = Datastore()
    store.add([words] * 600, [keys_of(words)] * 600, part="store")
    shared, statements = Postgres(url, postgres.new_name()).put(store), []
    execute = type(shared.home.server.db).execute

    def counted(*values, **how):
        statements.append(values)
        return execute(*values, **how)

    monkeypatch.setattr(type(shared.home.server.db), "execute", counted)
    with shared.home.reading(shared):
        PhraseIndex(shared.store, of_corrections=False).update(shared.examples)
        assert len(statements) < 20
        statements.clear()
        queries = store.store.keys.array()[:40].astype("float32")
        shared.store.search(queries, len(store.store), metric="euclidean")
        assert len(statements) < 5


def test_some_examples_in_the_order_of_their_ids(engine):
    store, ids = filled()
    shared = published(engine, store)
    wanted = [ids[1], 10**6, ids[0], ids[1]]
    for one in (store, shared):
        found = [*one.examples.each(wanted)]
        assert [e and e.example_id for e in found] == [ids[1], None, ids[0], ids[1]]
    assert [*shared.examples.each([])] == []


def test_a_damaged_store_is_noticed(engine):
    store, ids = filled()
    shared = published(engine, store)
    shared.verify()
    if isinstance(shared.home, QdrantHome):
        _drop_example(shared, ids[0])
    else:
        shared.home.server.db.execute("DELETE FROM examples WHERE example_id = 1")
    with pytest.raises(KnnNerError, match="KNN-E133"):
        another(shared).verify()


def _drop_example(shared, example_id):
    from qdrant_client import models

    where = condition("example_id", match=models.MatchValue(value=example_id))
    shared.home.change.examples.delete(models.Filter(must=[where]))


@pytest.mark.parametrize("engine", ["qdrant", "qdrant_edge"], indirect=True)
def test_a_writer_that_is_slow_before_it_writes(engine, monkeypatch):
    """Others take its lock over while it deletes what was interrupted."""
    store, ids = filled()
    shared = published(engine, store)
    monkeypatch.setattr("spacy_knn_ner.datastore.qdrant.about.LEASE", 0.0)
    slow, quick = another(shared), another(shared)
    with pytest.raises(ZeroDivisionError), quick.transaction():
        quick.forget(ids[:1])  # is interrupted, so that there is something to delete
        raise ZeroDivisionError
    take_back = Points.take_back

    def late(points, *values):
        monkeypatch.setattr(Points, "take_back", take_back)
        for one in (quick, store):
            one.forget(ids[1:2])
            one.add([ADA], [keys_of(ADA, 9)], part="corrections")
        take_back(points, *values)

    monkeypatch.setattr(Points, "take_back", late)
    with pytest.raises(KnnNerError, match="KNN-E127"):
        slow.add([PARTY], [keys_of(PARTY, 4)], part="store")
    for one in (quick, slow, shared, another(shared)):
        assert seen(one) == contents(store)


def test_what_was_found_out_survives_a_replacement_that_fails(engine):
    place = engine()
    shared = place.put(filled()[0])
    shared.home.keep(shared, 0.5)
    with pytest.raises(ZeroDivisionError), shared.transaction():
        shared.home.correction_radius = None
        raise ZeroDivisionError
    shared.add([ADA], [keys_of(ADA, 9)], part="corrections")
    assert another(shared).home.correction_radius == 0.5
