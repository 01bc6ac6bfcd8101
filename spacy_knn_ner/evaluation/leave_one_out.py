"""Neighbors of a whole corpus: searched once, voting with many settings; and leaving
one's own document out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.tokens import Doc
from tqdm import tqdm

from ..components.knn_ner import KnnNer
from ..datastore.all_votes import count_all
from ..datastore.datastore import STORE
from ..datastore.distribution import neighbor_distribution
from ..errors import Errors, KnnNerError
from ..inference.retriever import votes_per_token
from ..reading.annotations import annotated_text
from ..reading.cache import encode
from ..types import AnnotatedText, Neighbors, TokenBatch, Votes

# Keys searched at once: enough for the index, and few enough to show progress.
_AT_ONCE = 2048
_AHEAD = 64  # searched beyond k, where some do not count

# A number per key and one per row of the store; where they are equal, the entry does
# not vote.
Groups = tuple[np.ndarray, np.ndarray]


def encode_corpus(knn: KnnNer, docs: Sequence[Doc], **options: Any) -> TokenBatch:
    """Encode a corpus for a component with a store.

    knn (KnnNer): The component.
    docs (Sequence[Doc]): The corpus.
    options (Any): `cache`, `batch_size` and `show_progress`; see `encode`.
    RETURNS (TokenBatch): Of all Docs.
    RAISES (KnnNerError): If the store is empty, or there are no tokens.
    """
    if not len(knn.datastore.store):
        raise KnnNerError(Errors.E051, name=knn.name)
    return encode(knn.reader, docs, **options)


def find_neighbors(
    knn: KnnNer,
    batch: TokenBatch,
    k: int,
    *,
    groups: Groups | None = None,
    show_progress: bool = False,
) -> Neighbors:
    """Find the k nearest entries of the store for every key of a corpus.

    knn (KnnNer): Its metric and index are used.
    batch (TokenBatch): The corpus.
    k (int): How many; fewer are returned from a smaller store.
    groups (Groups | None): Which entries do not vote, see `own_documents`.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (Neighbors): Of the keys, nearest first.
    """
    vectors, parts = batch.keys.vectors, []
    for rows in _progress(len(vectors), "Searching", show_progress):
        if groups is None:
            store = knn.datastore.store
            parts.append(store.search(vectors[rows], k, metric=knn.metric))
        else:
            own = groups[0][rows], groups[1]
            parts.append(_of_other_documents(knn, vectors[rows], k, own))
    if not parts:
        return Neighbors.empty(0, min(k, knn.datastore.store.n_rows))
    return Neighbors.concatenate(parts)


def _of_other_documents(
    knn: KnnNer, vectors: np.ndarray, k: int, groups: Groups
) -> Neighbors:
    """The k nearest of other documents: where too many are of the own document, the
    search goes farther."""
    store, reach, n_rows = knn.datastore.store, k + _AHEAD, len(groups[1])
    pending, result = np.arange(len(vectors)), None
    while True:
        found = store.search(vectors[pending], reach, metric=knn.metric)
        own = groups[1][found.rows] == groups[0][pending][:, None]
        others = found.excluding(own, k)
        result = others if result is None else result.replaced(pending, others)
        valid = np.isfinite(found.distances) & ~own
        pending = pending[valid.sum(axis=1) < k]
        if not len(pending) or reach >= n_rows:
            return result
        reach = min(4 * reach, n_rows)


def neighbor_votes(
    knn: KnnNer, batch: TokenBatch, found: Neighbors, k: int, temperature: float
) -> Votes:
    """Count the votes of the first k neighbors on every token.

    knn (KnnNer): With the store.
    batch (TokenBatch): The corpus.
    found (Neighbors): At least k of them.
    k (int), temperature (float): As in `knn_ner`.
    RETURNS (Votes): Per token.
    """
    tag_set = knn.datastore.tag_set
    p = neighbor_distribution(found.truncate(k), temperature, len(tag_set))
    nearest = found.distances.min(axis=1, initial=np.inf)
    return votes_per_token(Votes(p, nearest), batch.keys.tokens, batch, tag_set)


def all_entry_votes(
    knn: KnnNer,
    batch: TokenBatch,
    temperatures: Sequence[float],
    *,
    groups: Groups | None = None,
    show_progress: bool = False,
) -> list[Votes]:
    """Count the votes of all entries on every token (k = null), in one pass over the
    store for all temperatures.

    knn, batch, groups, show_progress: As for `find_neighbors`.
    temperatures (Sequence[float]): Every T that is wanted.
    RETURNS (list[Votes]): Per token, for each temperature.
    """
    tag_set, keys = knn.datastore.tag_set, batch.keys
    p = np.zeros((len(temperatures), len(keys), len(tag_set)))
    nearest = np.full(len(keys), np.inf)
    for rows in _progress(len(keys), "All entries", show_progress):
        some = None if groups is None else (groups[0][rows], groups[1])
        counted = count_all(
            knn.datastore.store,
            keys.vectors[rows],
            temperatures,
            knn.metric,
            len(tag_set),
            groups=some,
        )
        p[:, rows], nearest[rows] = counted.distributions(), counted.nearest
    per_key = (Votes(one, nearest) for one in p)
    return [votes_per_token(votes, keys.tokens, batch, tag_set) for votes in per_key]


def store_votes(
    knn: KnnNer,
    batch: TokenBatch,
    groups: Groups | None,
    *,
    show_progress: bool = False,
) -> Votes:
    """Count the store's votes on every token, with the component's settings.

    knn (KnnNer): With a store.
    batch (TokenBatch): The corpus.
    groups (Groups | None): Which entries do not vote, see `own_documents`.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (Votes): Per token.
    """
    if groups is None:
        return knn.retriever.votes(batch, np.ones(len(batch), dtype=bool))
    if knn.k is None:
        return all_entry_votes(
            knn, batch, [knn.temperature], groups=groups, show_progress=show_progress
        )[0]
    near = find_neighbors(knn, batch, knn.k, groups=groups, show_progress=show_progress)
    return neighbor_votes(knn, batch, near, knn.k, knn.temperature)


def _progress(n: int, title: str, show: bool) -> Iterable[slice]:
    starts = range(0, n, _AT_ONCE)
    bar = tqdm(starts, desc=title, unit="batch", disable=not show, leave=False)
    return (slice(start, start + _AT_ONCE) for start in bar)


# --- parts of a Predictor whose results are known ------------------------------


@dataclass(frozen=True)
class KnownVotes:
    """A `Retriever` of votes that were counted before.

    known (Votes): Per token of the corpus.
    """

    known: Votes

    def __len__(self) -> int:
        return len(self.known.nearest)

    def votes(self, batch: TokenBatch, mask: np.ndarray) -> Votes:
        """See `Retriever.votes`."""
        nearest = np.where(mask, self.known.nearest, np.inf)
        return Votes(np.where(mask[:, None], self.known.p_knn, 0.0), nearest)


# --- leave one out ---------------------------------------------------------------


def own_documents(
    knn: KnnNer, docs: Sequence[Doc], batch: TokenBatch, *, all_known: bool = True
) -> Groups:
    """Group keys and entries by document, so that no document votes on itself where a
    store is searched for its own text.

    A document is what `doc.user_data["document"]` names; a Doc without a name is
    a document of its own. Of Docs that are equal in every way each gets its turn.

    knn (KnnNer): Whose store was built from the Docs.
    docs (Sequence[Doc]): The Docs.
    batch (TokenBatch): The encoded Docs.
    all_known (bool): All must be in the store, with their annotation; otherwise equal
        words are enough, and every document votes on those that are not in it.
        Default: True.
    RETURNS (Groups): For `find_neighbors` and `all_entry_votes`.
    RAISES (KnnNerError): If a Doc is not in the store.
    """
    names: dict[str | int, int] = {}
    group_of: dict[int, int] = {}
    turns: dict[Any, list[int]] = {}  # by text and annotation
    of_words: dict[Any, list[int]] = {}
    for example in knn.datastore.examples:
        if example.part == STORE:
            name = example.annotated.document or example.example_id
            group = names.setdefault(name, len(names))
            group_of[example.example_id] = group
            text = example.annotated
            turns.setdefault(_identity(text), []).append(group)
            of_words.setdefault(tuple(text.words), []).append(group)
    texts = [annotated_text(doc, knn.name) for doc in docs]
    of_doc = np.full(len(docs), -1)
    for i, text in enumerate(texts):
        same = turns.get(_identity(text))
        if same:
            group = same.pop(0)
            of_words[tuple(text.words)].remove(group)
            of_doc[i] = group
        elif all_known:
            raise KnnNerError(Errors.E062, name=knn.name, text=docs[i].text[:60])
    for i in np.flatnonzero(of_doc < 0).tolist():  # perhaps annotated otherwise
        same = of_words.get(tuple(texts[i].words))
        if same:
            of_doc[i] = same.pop(0)
    of_token = np.repeat(of_doc, batch.lengths)
    entries = knn.datastore.store.entries.array()
    ids, positions = np.unique(entries["example_id"], return_inverse=True)
    of_id = np.array([group_of.get(int(i), -1) for i in ids], dtype=np.int64)
    of_row = of_id[positions]
    return of_token[batch.keys.tokens], np.where(of_row < 0, len(names), of_row)


def _identity(text: AnnotatedText) -> Any:
    return text.document, tuple(text.words), tuple(text.entities), tuple(text.missing)
