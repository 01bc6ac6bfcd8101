"""The radius of corrections: how far apart the same words are with an encoder."""

import numpy as np

from ..datastore import distances as metrics
from ..datastore.datastore import STORE, Datastore
from .phrase_index import PhraseIndex

_PAIRS = 2000
_FEWEST = 100  # pairs that tell anything
_SHARE = 0.99


def find_radius(
    datastore: Datastore, phrases: dict[str, PhraseIndex], metric: str
) -> float | None:
    """Find the distance within which 99 % of the pairs of the same word are, in
    different examples of the store.

    Encoders differ several times in it. A use of a word that is farther than nearly all
    others is most probably another word.

    datastore (Datastore): With a store.
    phrases (dict[str, PhraseIndex]): Of its parts.
    metric (str): One of `distances.METRICS`.
    RETURNS (float | None): In units of the metric; None if the store has fewer than 100
        such pairs.
    """
    if not len(datastore.store):
        return None
    phrases[STORE].update(datastore.examples)
    rows = phrases[STORE].same_words(_PAIRS)
    if len(rows) < _FEWEST:
        return None
    keys = datastore.store.keys
    found = metrics.paired(keys.take(rows[:, 0]), keys.take(rows[:, 1:]), metric)
    return float(np.quantile(found, _SHARE))
