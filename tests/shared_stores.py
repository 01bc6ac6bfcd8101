"""Stores in databases, as several processes see them."""

import copy

from datastores import contents

from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.shared.moving import opened


def published(engine, datastore, name=None, index="exact"):
    return engine(name, index=index).put(datastore)


def another(shared):
    """As another process sees it."""
    home, other = shared.home, Datastore()
    type(home)(copy.deepcopy(home.server), home.index).attach(other)
    return opened(other)


def seen(shared):
    with shared.home.reading(shared):
        return contents(shared)
