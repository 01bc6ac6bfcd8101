"""Retrieval: the keys of tokens → the votes of their neighbors in the store."""

import logging
import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..datastore.all_votes import count_all
from ..datastore.datastore import Datastore
from ..datastore.distances import distinct
from ..datastore.distribution import neighbor_distribution
from ..datastore.entries import EntryTable
from ..datastore.index.fidelity import (
    TARGET,
    Fidelity,
    FidelityProbe,
    Voting,
    calibrate,
    set_default_search,
)
from ..errors import Notes, Warnings, note, warning
from ..settings import Settings
from ..tags import TagSet
from ..types import TokenBatch, Votes

logger = logging.getLogger("spacy_knn_ner")


class Retriever(Protocol):
    """Finds the votes for tokens."""

    def __len__(self) -> int:
        """Number of entries that can vote."""
        ...

    def votes(self, batch: TokenBatch, mask: np.ndarray) -> Votes:
        """Find the votes for some tokens.

        batch (TokenBatch): The tokens.
        mask (ndarray): Which of them are looked up, shape (n_tokens,), bool.
        RETURNS (Votes): Per token, over the batch's tags; the others have none.
        """
        ...


@dataclass(frozen=True)
class StoreRetriever:
    """Looks tokens up in the store, with one search for the whole batch.

    datastore (Datastore): With the store.
    settings (Settings): `k`, `temperature` and `metric`.
    """

    datastore: Datastore
    settings: Settings

    @property
    def table(self) -> EntryTable:
        """The store's entries."""
        return self.datastore.store

    def __len__(self) -> int:
        return len(self.table)

    def votes(self, batch: TokenBatch, mask: np.ndarray) -> Votes:
        """See `Retriever.votes`."""
        keys = batch.keys.of_tokens(mask)
        if not len(keys) or not len(self):
            return Votes.empty(*batch.p_base.shape)
        return votes_per_token(
            self.key_votes(keys.vectors), keys.tokens, batch, self.datastore.tag_set
        )

    def key_votes(self, vectors: np.ndarray) -> Votes:
        """Compute p_kNN of keys, equation 3.

        vectors (ndarray): Shape (n, width), float32, finite, no row of zeros.
        RETURNS (Votes): Per key, over the store's tags.
        """
        settings, n_tags = self.settings, len(self.datastore.tag_set)
        if settings.k is None:
            counted = count_all(
                self.table, vectors, [settings.temperature], settings.metric, n_tags
            )
            return Votes(counted.distributions()[0], counted.nearest)
        self._calibrate_once()
        first, back = distinct(vectors)
        found = self.table.search(vectors[first], settings.k, metric=settings.metric)
        voting = found.truncate(settings.k)
        p = neighbor_distribution(voting, settings.temperature, n_tags)
        nearest = found.distances.min(axis=1, initial=np.inf)
        return Votes(p[back], nearest[back])

    # --- the index -------------------------------------------------------------

    def _calibrate_once(self) -> None:
        """Calibrate an approximate index, if that has not been done."""
        index = self.table.make_index(self.settings.metric)
        if not index.exact and self.table.fidelity is None:
            logger.info(note(Notes.I004, kind=index.info()["kind"]))
            self.prepare()

    def prepare(self) -> Fidelity | None:
        """Make the index; an approximate one searches the longer, until it is faithful.

        RETURNS (Fidelity | None): Of an approximate index; None of an exact one, and
            where nothing is searched.
        """
        voting = self._voting()
        if voting is None:
            return None
        with self.table.lock:
            index = self.table.make_index(voting.metric)
            if index.exact:
                return None
            set_default_search(index)
            found = calibrate(index, FidelityProbe(self.table, voting))
            self.table.fidelity = found
            return found

    def measure_fidelity(self) -> Fidelity | None:
        """Measure the fidelity of the index again.

        RETURNS (Fidelity | None): None where nothing is searched.
        """
        voting = self._voting()
        if voting is None:
            return None
        self._calibrate_once()
        with self.table.lock:
            index = self.table.make_index(voting.metric)
            refine_factor, search_param = index.refine_factor, index.search_param
            set_default_search(index)
            probe = FidelityProbe(self.table, voting)
            index.refine_factor = refine_factor
            if search_param is not None:
                index.search_param = search_param
            return probe.measure()

    def _voting(self) -> Voting | None:
        settings = self.settings
        if settings.k is None or not len(self):
            return None
        n_tags = len(self.datastore.tag_set)
        return Voting(settings.k, settings.temperature, settings.metric, n_tags)


def votes_per_token(
    votes: Votes, tokens: np.ndarray, batch: TokenBatch, known: TagSet
) -> Votes:
    """Average the votes of a token's keys (word pieces).

    votes (Votes): Per key, over the datastore's tags.
    tokens (ndarray): The token of each key, shape (n_keys,), ascending.
    batch (TokenBatch): The tokens.
    known (TagSet): The datastore's tags.
    RETURNS (Votes): Per token, over the batch's tags. Tokens without a key have no
        neighbors.
    """
    p, nearest = np.zeros(batch.p_base.shape), np.full(len(batch), np.inf)
    if len(tokens):
        starts = np.flatnonzero(np.diff(tokens, prepend=-1))
        counts = np.diff(np.append(starts, len(tokens)))
        rows, columns = tokens[starts], known.columns_in(batch.tag_set)
        means = np.add.reduceat(votes.p_knn, starts) / counts[:, None]
        p[rows[:, None], columns] = means
        nearest[rows] = np.add.reduceat(votes.nearest, starts) / counts
    return Votes(p, nearest)


def warn_if_unfaithful(table: EntryTable, name: str) -> None:
    """Warn of an approximate index that misses too much.

    table (EntryTable): With an index.
    name (str): The component, for messages.
    """
    found = table.fidelity
    if found is not None and found.share is not None and found.share < TARGET:
        kind = table.index.info()["kind"] if table.index is not None else ""
        message = warning(Warnings.W004, kind=kind, name=name, share=found.share)
        warnings.warn(message, stacklevel=3)
