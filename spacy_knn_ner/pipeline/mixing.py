"""A batch of Docs as arrays: what is asked, what the tiers say, and the mixture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from spacy.tokens import Doc

from ..datastore import kernel
from ..errors import Errors, KnnNerError
from ..tags import TagSet
from ..ty import TokenKeys, Votes
from . import handover
from .entities import annotated_entities
from .settings import Settings


@dataclass(frozen=True)
class Queries:
    """The tokens of some Docs, one after the other.

    tag_set (TagSet): The tagger's tags, and behind them those that only the
        datastore knows.
    lengths (list[int]): Tokens per Doc.
    words (list[str]): Their words in lower case.
    p_ner (ndarray): Shape (n_tokens, n_tags); 0 for tags the tagger lacks; rows of
        zeros where there is none.
    keys (TokenKeys): Their keys; tokens are counted through all Docs.
    """

    tag_set: TagSet
    lengths: list[int]
    words: list[str]
    p_ner: np.ndarray
    keys: TokenKeys

    def of(self, asked: np.ndarray) -> "Queries":
        """The same with the keys of some tokens only.

        asked (ndarray): Shape (n_tokens,), bool.
        """
        chosen = asked[self.keys.tokens]
        if chosen.all():
            return self
        keys = TokenKeys(
            self.keys.vectors[chosen], self.keys.tokens[chosen], self.keys.n_tokens
        )
        return replace(self, keys=keys)

    def with_labels(self, labels: Iterable[str]) -> "Queries":
        """The same with further labels, which nobody in front predicts.

        labels (Iterable[str]): Those that are there already stay where they are.
        """
        tag_set = self.tag_set.union(labels)
        p_ner = np.zeros((len(self.p_ner), len(tag_set)))
        p_ner[:, : self.p_ner.shape[1]] = self.p_ner
        return replace(self, tag_set=tag_set, p_ner=p_ner)

    def split(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows of all tokens → rows per Doc."""
        return np.split(rows, np.cumsum(self.lengths)[:-1]) if self.lengths else []


def read_p_ner(
    docs: list[Doc],
    known: TagSet,
    confidence: float,
    name: str,
    *,
    outside: bool = True,
    again: bool = False,
) -> tuple[TagSet, np.ndarray]:
    """What the components in front say of all tokens, as p_NER.

    An `ner_tagger` hands its distribution over. Of other components there is
    `doc.ents`: an entity's tags, and `O` outside of entities, get `confidence`, and the
    other tags the rest in equal parts. Tokens that nobody has judged get a row of
    zeros, which is no distribution.

    docs (list[Doc]): The Docs.
    known (TagSet): The datastore's tags.
    confidence (float): Above; 0 to 1.
    name (str): The component that asks, for messages.
    outside (bool): Whether the `O` of `doc.ents` is a judgment; rulers make none.
        Default: True.
    again (bool): See `handover.read_base`. Default: False.
    RETURNS (tuple[TagSet, ndarray]): The columns, and p_NER of shape (n_tokens,
        n_tags), float64.
    RAISES (KnnNerError): If a hand-over is in another scheme, or for other tokens.
    """
    values = [handover.read_base(doc, again=again) for doc in docs]
    schemes = {value["scheme"] for value in values if value is not None}
    for scheme in sorted(schemes - {known.scheme} if known.labels else ()):
        raise KnnNerError(Errors.E035, stored=known.scheme, given=scheme)
    tag_set = TagSet(min(schemes, default=known.scheme))
    for doc, value in zip(docs, values, strict=True):
        if value is None:
            tag_set = tag_set.union(sorted({ent.label_ for ent in doc.ents}))
        elif len(value["probabilities"]) != len(doc):
            expected = len(value["probabilities"])
            raise KnnNerError(Errors.E045, name=name, expected=expected, found=len(doc))
        else:
            tags = value["tags"]
            tag_set = tag_set.union(TagSet.from_tags(tag_set.scheme, tags).labels)
    tag_set = tag_set.union(known.labels)
    parts = [np.zeros((0, len(tag_set)))]
    for doc, value in zip(docs, values, strict=True):
        if value is None:
            parts.append(_of_entities(doc, tag_set, confidence, outside))
        else:
            p = np.zeros((len(doc), len(tag_set)))
            p[:, [tag_set.ids[tag] for tag in value["tags"]]] = value["probabilities"]
            parts.append(p)
    return tag_set, np.concatenate(parts)


def _of_entities(
    doc: Doc, tag_set: TagSet, confidence: float, outside: bool
) -> np.ndarray:
    """A distribution for who sets entities without one."""
    entities, unjudged = annotated_entities(doc)
    ids = tag_set.encode(len(doc), entities)
    others = (1.0 - confidence) / max(1, len(tag_set) - 1)
    p = np.full((len(doc), len(tag_set)), others)
    p[np.arange(len(doc)), ids] = confidence
    p[unjudged] = 0.0
    if not outside:
        p[ids == 0] = 0.0
    return p


def per_token(votes: Votes, queries: Queries, known: TagSet) -> Votes:
    """The votes of keys → those of tokens: the mean over a token's word pieces.

    votes (Votes): Per key, over the datastore's tags.
    queries (Queries): Whose keys asked.
    known (TagSet): The datastore's tags.
    RETURNS (Votes): Per token, over the queries' tags. Tokens without a key have
        no neighbors.
    """
    n_tokens = len(queries.p_ner)
    p = np.zeros(queries.p_ner.shape)
    nearest = np.full(n_tokens, np.inf)
    tokens = queries.keys.tokens
    if len(tokens):
        starts = np.flatnonzero(np.diff(tokens, prepend=-1))
        counts = np.diff(np.append(starts, len(tokens)))
        rows, columns = tokens[starts], [queries.tag_set.ids[tag] for tag in known.tags]
        means = np.add.reduceat(votes.p_knn, starts) / counts[:, None]
        p[rows[:, None], columns] = means
        nearest[rows] = np.add.reduceat(votes.nearest, starts) / counts
    return Votes(p, nearest)


def p_final(
    p_ner: np.ndarray, store: Votes, corrections: Votes, settings: Settings
) -> np.ndarray:
    """Equation 4 with the store's votes, then the corrections on top.

    p_ner (ndarray): Shape (n_tokens, n_tags).
    store (Votes): Per token.
    corrections (Votes): Per token; `nearest` is a share of the radius.
    settings (Settings): `weight`, `correction_weight`.
    RETURNS (ndarray): Shape (n_tokens, n_tags). Without corrections it is the
        paper's p_final to the letter.
    """
    p = kernel.interpolate(p_ner, store.p_knn, settings.weight)
    p[~p.any(axis=1), 0] = 1.0  # nobody says anything: O
    trust = kernel.trust(corrections.nearest, settings.correction_weight)
    return kernel.interpolate(p, corrections.p_knn, trust)


def nearest_of(queries: Queries, store: Votes, corrections: Votes) -> np.ndarray:
    """The distance of the nearest entry that speaks to each token.

    queries (Queries): The tokens.
    store, corrections (Votes): Per token; see `p_final`.
    RETURNS (ndarray): Shape (n_tokens,); inf if none does, 0 for whitespace.
    """
    nearest = store.nearest
    if corrections.distances is not None:
        nearest = np.minimum(nearest, corrections.distances)
    blank = np.array([word.isspace() for word in queries.words], dtype=bool)
    return np.where(blank, 0.0, nearest)


def silent(queries: Queries) -> Votes:
    """The votes of nobody."""
    n_tokens, n_tags = queries.p_ner.shape
    return Votes(np.zeros((n_tokens, n_tags)), np.full(n_tokens, np.inf))


# What the corrections say, if these were the tags without them, shape (n_tokens,).
Hear = Callable[[np.ndarray], Votes]


def mixture(
    queries: Queries, store: Votes, hear: Hear, settings: Settings
) -> np.ndarray:
    """p_final, where the store's votes are known for all tokens.

    queries (Queries): The tokens.
    store (Votes): Per token.
    hear (Hear): What the corrections say.
    settings (Settings): Those of the mixture, and `decoding`.
    RETURNS (ndarray): Shape (n_tokens, n_tags).
    """
    without = p_final(queries.p_ner, store, silent(queries), settings)
    ids = queries.tag_set.decode(without, settings.decoding, queries.lengths)
    return p_final(queries.p_ner, store, hear(ids), settings)


def span_scores(
    spans: list[tuple[int, int]],
    ids: np.ndarray,
    p: np.ndarray,
    temperature: float = 1.0,
) -> np.ndarray:
    """A span's score: the mean of p over its tokens' decoded tags; see `scaled`.

    spans (list[tuple[int, int]]): First token and the token after the last.
    ids (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): Shape (n_tokens, n_tags).
    temperature (float): `score_temperature`. Default: 1.
    RETURNS (ndarray): Shape (n_spans,).
    """
    of_tag = scaled(p, temperature)[np.arange(len(ids)), ids]
    return np.array([of_tag[start:end].mean() for start, end in spans])


def scaled(p: np.ndarray, temperature: float) -> np.ndarray:
    """p^(1/T), normalised: temperature scaling (Guo et al. 2017) of a distribution.

    p (ndarray): Shape (n_tokens, n_tags).
    temperature (float): T > 0; above 1 nothing is as sure as before, and what is most
        probable stays so.
    RETURNS (ndarray): Shape (n_tokens, n_tags).
    """
    if temperature == 1:
        return p
    return kernel.normalized(p ** (1.0 / temperature))


def span_nearest(spans: list[tuple[int, int]], nearest: np.ndarray) -> np.ndarray:
    """How far a span is from what was seen: as far as the farthest of its tokens.

    spans (list[tuple[int, int]]): As for `span_scores`.
    nearest (ndarray): Per token, shape (n_tokens,).
    RETURNS (ndarray): Shape (n_spans,).
    """
    return np.array([nearest[start:end].max() for start, end in spans])
