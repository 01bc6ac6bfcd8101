"""The domain of corrections: texts that are more like them than the store's own texts.

Of each token the distance to the nearest correction is compared with that to the
nearest of some entries of the store. A text belongs to the corrections' domain if the
mean of log(first / second) is lower than in all but a given share of the store's texts.
"""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from ...datastore.distances import from_search_distance, to_search_space
from ...datastore.entries import EntryTable
from ...types import TokenBatch

_ENTRIES = 16_384  # of the store that distances are measured to
_EXAMPLES = 1_000  # of the store that the corrections' domain is told from
_TOKENS = 64  # of each of these, at most
_AT_ONCE = 1_024
_LEAST = 1e-3  # of the mean distance of corrections: added, for a logarithm of 0
_SLACK = 1e-3  # equal texts may differ in their last digits


@dataclass(frozen=True)
class Sample:
    """A part of a store.

    keys (ndarray): Of some entries, in search space, shape (n, width).
    examples (ndarray): The example of each, shape (n,).
    metric (str): Of distances.
    texts (ndarray): Keys of some examples, in search space.
    of (ndarray): The example of each of these, shape (n_texts,).
    """

    keys: np.ndarray
    examples: np.ndarray
    metric: str
    texts: np.ndarray
    of: np.ndarray

    @classmethod
    def draw(cls, store: EntryTable, metric: str) -> "Sample":
        """Draw from a store, always the same.

        store (EntryTable): Not empty.
        metric (str): One of `METRICS`.
        """
        rng, rows = np.random.default_rng(0), np.flatnonzero(~store.removed)
        examples = store.entries.array()["example_id"]
        some = np.sort(rng.choice(rows, min(_ENTRIES, len(rows)), replace=False))
        ids = np.unique(examples[rows])
        chosen = rng.choice(ids, min(_EXAMPLES, len(ids)), replace=False)
        of_texts = rows[np.isin(examples[rows], chosen)]
        # The first ones of each: they come one after the other.
        _, first = np.unique(examples[of_texts], return_index=True)
        first = np.sort(first)
        starts = np.repeat(first, np.diff(np.append(first, len(of_texts))))
        of_texts = of_texts[np.arange(len(of_texts)) - starts < _TOKENS]
        keys, texts = store.keys.take(some), store.keys.take(of_texts)
        return cls(
            to_search_space(keys, metric),
            examples[some],
            metric,
            to_search_space(texts, metric),
            examples[of_texts],
        )

    def distances(
        self, vectors: np.ndarray, own: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the distance of the nearest of the entries.

        vectors (ndarray): In search space, shape (n, width).
        own (ndarray | None): The example of each vector, whose entries do not count.
        RETURNS (ndarray): Shape (n,); inf if none counts.
        """
        own_of = None if own is None else (own, self.examples)
        return nearest(vectors, self.keys, self.metric, own_of)

    @cached_property
    def of_texts(self) -> np.ndarray:
        """The distances of the keys of the texts to entries of other examples."""
        return self.distances(self.texts, self.of)


def nearest(
    vectors: np.ndarray,
    keys: np.ndarray,
    metric: str,
    left_out: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Compute the distance of the nearest key.

    vectors (ndarray), keys (ndarray): In search space, shape (n, width), (m, width).
    metric (str): One of `METRICS`.
    left_out (tuple[ndarray, ndarray] | None): A number per vector and one per key;
        pairs with the same do not count. Default: all count.
    RETURNS (ndarray): Shape (n,); inf if none counts.
    """
    found = np.full(len(vectors), np.inf)
    norms = np.einsum("nw,nw->n", keys, keys)
    for start in range(0, len(vectors), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        some = vectors[rows]
        squared = norms - 2.0 * (some @ keys.T)
        if left_out is not None:
            of_vectors, of_keys = left_out
            same = of_vectors[rows, None] == of_keys
            squared = np.where(same, np.inf, squared)
        found[rows] = squared.min(axis=1) + np.einsum("nw,nw->n", some, some)
    return from_search_distance(found, metric)


_SAMPLES: WeakKeyDictionary[EntryTable, tuple[tuple, Sample]] = WeakKeyDictionary()


def sample_of(store: EntryTable, metric: str) -> Sample:
    """Draw a sample of a store, once for each state of it.

    store (EntryTable), metric (str): As for `Sample.draw`.
    """
    state = store.rows.version, store.n_rows, len(store), metric
    kept = _SAMPLES.get(store)
    if kept is None or kept[0] != state:
        kept = _SAMPLES[store] = state, Sample.draw(store, metric)
    return kept[1]


@dataclass(frozen=True)
class Domain:
    """The domain of corrections.

    taught (ndarray): Keys of the corrections, in search space, shape (n, width).
    least (float): Added to distances.
    ratios (ndarray): Of the store's texts in the sample, in ascending order.
    """

    taught: np.ndarray
    least: float
    ratios: np.ndarray

    @classmethod
    def of(cls, corrections: EntryTable, sample: Sample) -> "Domain":
        """Compare the store's texts with corrections.

        corrections (EntryTable): Not empty.
        sample (Sample): Of the store.
        """
        rows = np.flatnonzero(~corrections.removed)
        taught = to_search_space(corrections.keys.take(rows), sample.metric)
        to_taught = nearest(sample.texts, taught, sample.metric)
        least = float(_LEAST * to_taught.mean())
        _, of = np.unique(sample.of, return_inverse=True)
        ratios = _ratios(to_taught + least, sample.of_texts + least, of)
        return cls(taught, least, np.sort(ratios))


_DOMAINS: WeakKeyDictionary[EntryTable, tuple[tuple, Domain]] = WeakKeyDictionary()


def domain_of(corrections: EntryTable, sample: Sample) -> Domain:
    """Find the domain of corrections, once for each state of them.

    corrections (EntryTable), sample (Sample): As for `Domain.of`.
    """
    state = corrections.rows.version, corrections.n_rows, len(corrections), sample
    kept = _DOMAINS.get(corrections)
    if kept is None or kept[0][:-1] != state[:-1] or kept[0][-1] is not sample:
        kept = _DOMAINS[corrections] = state, Domain.of(corrections, sample)
    return kept[1]


def in_domain(
    store: EntryTable,
    corrections: EntryTable,
    batch: TokenBatch,
    metric: str,
    share: float,
) -> np.ndarray:
    """Find the texts that belong to the corrections' domain.

    store, corrections (EntryTable): Neither is empty.
    batch (TokenBatch): The texts.
    metric (str): One of `METRICS`.
    share (float): Of the store's texts that may be taken for it, 0 to 1.
    RETURNS (ndarray): Of each token, whether its text does; shape (n_tokens,), bool.
    """
    sample = sample_of(store, metric)
    domain = domain_of(corrections, sample)
    threshold = np.quantile(domain.ratios, share, method="lower")
    keys = batch.keys
    vectors = to_search_space(keys.vectors, metric)
    of_token = np.repeat(np.arange(len(batch.lengths)), batch.lengths)
    to_taught = domain.least + nearest(vectors, domain.taught, metric)
    to_store = domain.least + sample.distances(vectors)
    of = of_token[keys.tokens]
    ratios = _ratios(to_taught, to_store, of, len(batch.lengths))
    return (ratios < threshold - _SLACK)[of_token]


def _ratios(
    to_taught: np.ndarray, to_store: np.ndarray, of: np.ndarray, n_texts: int = 0
) -> np.ndarray:
    """The mean of log(to_taught / to_store) of each text; inf without keys."""
    ratios = np.log(to_taught) - np.log(to_store)
    sums = np.bincount(of, weights=ratios, minlength=n_texts)
    counts = np.bincount(of, minlength=n_texts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
