"""The neighbors of a whole corpus: found once, voting with many settings."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from spacy.tokens import Doc
from tqdm import tqdm

from ..datastore import kernel
from ..datastore.datastore import STORE
from ..errors import Errors, KnnNerError
from ..pipeline.hearing import Heard
from ..pipeline.knn_ner import KnnNer
from ..pipeline.labelled import labelled_text
from ..pipeline.mixing import Queries, per_token
from ..ty import LabelledText, Neighbors, Votes

# Keys searched at once: enough for the index, and few enough to show progress.
_AT_ONCE = 2048
_AHEAD = 64  # looked at beyond k, where some do not count

# A number per query and one per row of the tier; where they are equal, the entry
# does not vote.
Groups = tuple[np.ndarray, np.ndarray]


def find_neighbors(
    knn: KnnNer,
    queries: Queries,
    tier: str,
    k: int,
    *,
    groups: Groups | None = None,
    show_progress: bool = False,
) -> Neighbors:
    """The k nearest entries of every key of a corpus.

    knn (KnnNer): Its metric and index are used.
    queries (Queries): The corpus.
    tier (str): `"store"` or `"corrections"`.
    k (int): How many; fewer come back from a smaller tier.
    groups (Groups | None): Who does not vote on whom, see `own_documents`.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (Neighbors): Of the keys, nearest first.
    """
    entries = knn.datastore.tiers[tier]
    parts = []
    vectors = queries.keys.vectors
    for rows in _progress(len(vectors), "Searching", show_progress):
        index = knn.settings.tier_index(tier)
        search = partial(entries.search, metric=knn.metric, index=index)
        if groups is None:
            parts.append(search(vectors[rows], k))
        else:
            own = groups[0][rows], groups[1]
            parts.append(_of_others(search, vectors[rows], k, own))
    if not parts:
        none = np.zeros((0, min(k, len(entries.entries))), dtype=np.int64)
        return Neighbors(none.astype(np.float64), none, none, none)
    return Neighbors.joined(parts)


def _of_others(
    search: Callable[[np.ndarray, int], Neighbors],
    vectors: np.ndarray,
    k: int,
    groups: Groups,
) -> Neighbors:
    """The k nearest that do not belong to oneself: whose own are in the way looks
    further."""
    reach, every = k + _AHEAD, len(groups[1])
    todo, result = np.arange(len(vectors)), None
    while True:
        found = search(vectors[todo], reach)
        own = groups[1][found.rows] == groups[0][todo][:, None]
        others = found.without(own, k)
        result = others if result is None else result.replaced(todo, others)
        todo = todo[(np.isfinite(found.distances) & ~own).sum(axis=1) < k]
        if not len(todo) or reach >= every:
            return result
        reach = min(4 * reach, every)


def votes(
    knn: KnnNer, queries: Queries, found: Neighbors, k: int, temperature: float
) -> Votes:
    """What the first k of the neighbors say about every token.

    knn (KnnNer): Whose tags they have.
    queries (Queries): The corpus.
    found (Neighbors): At least k of them.
    k (int), temperature (float): As in `knn_ner`.
    RETURNS (Votes): Per token.
    """
    p = kernel.found_distribution(found.first(k), temperature, len(knn.tag_set))
    nearest = found.distances.min(axis=1, initial=np.inf)
    return per_token(Votes(p, nearest), queries, knn.tag_set)


def every_entry_votes(
    knn: KnnNer,
    queries: Queries,
    temperatures: Sequence[float],
    *,
    tier: str = STORE,
    groups: Groups | None = None,
    show_progress: bool = False,
) -> list[Votes]:
    """What all entries say about every token (k = null), in one pass over the tier
    for all temperatures.

    knn, queries, tier, groups, show_progress: As for `find_neighbors`.
    temperatures (Sequence[float]): Every T that is wanted.
    RETURNS (list[Votes]): Per token, for each temperature.
    """
    entries, n_tags = knn.datastore.tiers[tier], len(knn.tag_set)
    vectors = queries.keys.vectors
    p = np.zeros((len(temperatures), len(vectors), n_tags))
    nearest = np.full(len(vectors), np.inf)
    for rows in _progress(len(vectors), "All entries", show_progress):
        some = None if groups is None else (groups[0][rows], groups[1])
        counted = entries.count_all(
            vectors[rows], temperatures, knn.metric, n_tags, groups=some
        )
        p[:, rows], nearest[rows] = counted.distributions(), counted.nearest
    return [per_token(Votes(one, nearest), queries, knn.tag_set) for one in p]


def _progress(n: int, title: str, show: bool) -> Iterable[slice]:
    starts = range(0, n, _AT_ONCE)
    shown = tqdm(starts, desc=title, unit="batch", disable=not show, leave=False)
    return (slice(start, start + _AT_ONCE) for start in shown)


# --- leave one out -----------------------------------------------------------


def own_documents(
    knn: KnnNer, docs: Sequence[Doc], queries: Queries, *, all_known: bool = True
) -> Groups:
    """Lets no document vote on itself, where a store is asked about its own text.

    A document is what `doc.user_data["document"]` names; a Doc without a name is
    one of its own. Of Docs that are equal in every way each gets its turn.

    knn (KnnNer): Whose store was built from the Docs.
    docs (Sequence[Doc]): The Docs.
    queries (Queries): The encoded Docs.
    all_known (bool): They must all be in the store, with their annotation; otherwise
        words are enough, and everybody votes on those that are not. Default: True.
    RETURNS (Groups): For `find_neighbors` and `every_entry_votes`.
    RAISES (KnnNerError): If a Doc is not in the store.
    """
    names: dict[str | int, int] = {}
    group_of: dict[int, int] = {}
    turns: dict[Any, list[int]] = {}  # by what an example says
    of_words: dict[Any, list[int]] = {}
    for example in knn.datastore.examples:
        if example.tier == STORE:
            name = example.labelled.document or example.example_id
            group = names.setdefault(name, len(names))
            group_of[example.example_id] = group
            text = example.labelled
            turns.setdefault(_identity(text), []).append(group)
            of_words.setdefault(tuple(text.words), []).append(group)
    texts = [labelled_text(doc, knn.name) for doc in docs]
    of_doc = np.full(len(docs), -1)
    for i, text in enumerate(texts):
        same = turns.get(_identity(text))
        if same:
            group = same.pop(0)
            of_words[tuple(text.words)].remove(group)
            of_doc[i] = group
        elif all_known:
            raise KnnNerError(Errors.E062, name=knn.name, text=docs[i].text[:60])
    for i in np.flatnonzero(of_doc < 0).tolist():  # annotated otherwise then, perhaps
        same = of_words.get(tuple(texts[i].words))
        if same:
            of_doc[i] = same.pop(0)
    of_token = np.repeat(of_doc, queries.lengths)
    entries = knn.datastore.tiers[STORE].entries.array()
    ids, places = np.unique(entries["example_id"], return_inverse=True)
    of_id = np.array([group_of.get(int(i), -1) for i in ids], dtype=np.int64)
    of_row = of_id[places]
    return of_token[queries.keys.tokens], np.where(of_row < 0, len(names), of_row)


def of_others(heard: Heard, queries: Queries, groups: Groups) -> Heard:
    """What is said by other documents than a token's own.

    heard (Heard): Who speaks to the tokens.
    queries (Queries): The tokens.
    groups (Groups): See `own_documents`.
    RETURNS (Heard): The corrections, and of the store only what others have.
    """
    of_key, of_row = groups
    own = np.zeros(len(heard.tokens), dtype=bool)
    stored = heard.stored
    keys = np.searchsorted(queries.keys.tokens, heard.tokens[stored])
    own[stored] = of_key[keys] == of_row[heard.rows[stored]]
    return heard.only(~own)


def store_votes(
    knn: KnnNer,
    queries: Queries,
    groups: Groups | None,
    *,
    show_progress: bool = False,
) -> Votes:
    """What the store says, with the component's settings.

    knn (KnnNer): With a store.
    queries (Queries): The encoded Docs.
    groups (Groups | None): Who does not vote on whom, see `own_documents`.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (Votes): Per token.
    """
    if groups is None:
        return knn.votes(queries)
    if knn.k is None:
        (found,) = every_entry_votes(
            knn,
            queries,
            [knn.temperature],
            groups=groups,
            show_progress=show_progress,
        )
        return found
    near = find_neighbors(
        knn, queries, STORE, knn.k, groups=groups, show_progress=show_progress
    )
    return votes(knn, queries, near, knn.k, knn.temperature)


def _identity(text: LabelledText) -> Any:
    return text.document, tuple(text.words), tuple(text.entities), tuple(text.missing)
