"""Small datastores with random keys, and what is in them."""

import sqlite3
from contextlib import contextmanager
from unittest import mock

import numpy as np

from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.types import AnnotatedText, TokenKeys

WIDTH = 4


def text_of(words, entities=(), missing=()):
    words = words.split()
    spaces = [True] * len(words)
    return AnnotatedText(words, spaces, list(entities), list(missing))


def keys_of(text, seed=0, width=WIDTH):
    n = len(text.words)
    vectors = np.random.default_rng(seed).normal(size=(n, width)).astype("float32")
    return TokenKeys(vectors, np.arange(n), n)


ADA = text_of("Ada lived in London", [(0, 1, "person"), (3, 4, "location")])
PARTY = text_of("Guests came")


def filled(dtype="float32"):
    store = Datastore(dtype=dtype, fingerprint={"sha256": "abc"})
    ids = store.add([ADA, PARTY], [keys_of(ADA, 0), keys_of(PARTY, 1)], part="store")
    ids += store.add([PARTY], [keys_of(PARTY, 2)], part="corrections")
    return store, ids


def contents(store):
    """Everything a reader can see."""
    return {
        "examples": [
            (example.example_id, example.part, example.annotated)
            for example in store.examples
        ],
        "entries": {
            name: [
                (int(e["example_id"]), int(e["token"]), store.tag_set.tags[tag])
                for e, tag, removed in zip(
                    table.entries.array(),
                    table.tags.array(),
                    table.removed,
                    strict=True,
                )
                if not removed
            ]
            for name, table in store.tables.items()
        },
        "keys": {
            name: table.keys.array()[~table.removed].tolist()
            for name, table in store.tables.items()
        },
        "fingerprint": store.fingerprint,
        "dtype": store.dtype,
    }


@contextmanager
def full_disk(store):
    """Nothing that is changed can be committed."""
    with store.examples.transaction():
        pass  # it is a database of its own now
    with mock.patch.object(store.examples, "_db", FullDisk(store.examples._db)):
        yield


class FullDisk:
    """A connection to SQLite on a full disk."""

    def __init__(self, real):
        self.real = real

    def __getattr__(self, name):
        return getattr(self.real, name)

    def commit(self):
        raise sqlite3.OperationalError("database or disk is full")
