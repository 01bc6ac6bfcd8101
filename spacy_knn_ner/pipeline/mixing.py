"""A batch of Docs as arrays: what is asked, what the tiers say, and the mixture."""

from dataclasses import dataclass, replace

import numpy as np
from spacy.tokens import Doc

from ..datastore import kernel
from ..errors import Errors, KnnNerError
from ..tags import TagSet
from ..ty import TokenKeys, Votes
from . import handover
from .settings import Settings


@dataclass(frozen=True)
class Queries:
    """The tokens of some Docs, one after the other.

    tag_set (TagSet): The tagger's tags, and behind them those that only the
        datastore knows.
    lengths (list[int]): Tokens per Doc.
    p_ner (ndarray): Shape (n_tokens, n_tags); 0 for tags the tagger lacks.
    keys (TokenKeys): Their keys; tokens are counted through all Docs.
    """

    tag_set: TagSet
    lengths: list[int]
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

    def split(self, rows: np.ndarray) -> list[np.ndarray]:
        """Rows of all tokens → rows per Doc."""
        return np.split(rows, np.cumsum(self.lengths)[:-1]) if self.lengths else []


def read_p_ner(docs: list[Doc], known: TagSet, name: str) -> tuple[TagSet, np.ndarray]:
    """p_NER of all tokens, from the hand-overs.

    docs (list[Doc]): The Docs.
    known (TagSet): The datastore's tags.
    name (str): The component that asks, for messages.
    RETURNS (tuple[TagSet, ndarray]): The columns, and p_NER of shape (n_tokens,
        n_tags), float64.
    RAISES (KnnNerError): If a Doc has no hand-over, or one in another scheme.
    """
    found = [(doc, handover.read(doc)) for doc in docs if len(doc)]
    tag_set = TagSet(known.scheme)
    for doc, value in found:
        if value is None:
            raise KnnNerError(Errors.E043, name=name, length=len(doc))
        if known.labels and value["scheme"] != known.scheme:
            raise KnnNerError(Errors.E035, stored=known.scheme, given=value["scheme"])
        if len(value["probabilities"]) != len(doc):
            raise KnnNerError(
                Errors.E045,
                name=name,
                expected=len(value["probabilities"]),
                found=len(doc),
            )
        tag_set = TagSet(value["scheme"], tag_set.labels)
        tag_set = tag_set.union(TagSet.from_tags(tag_set.scheme, value["tags"]).labels)
    tag_set = tag_set.union(known.labels)
    p_ner = np.zeros((sum(len(doc) for doc in docs), len(tag_set)))
    row = 0
    for doc, value in found:
        assert value is not None
        columns = [tag_set.ids[tag] for tag in value["tags"]]
        p_ner[row : row + len(doc), columns] = value["probabilities"]
        row += len(doc)
    return tag_set, p_ner


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
    store, corrections (Votes): Per token.
    settings (Settings): `weight`, `correction_weight`, `radius`.
    RETURNS (ndarray): Shape (n_tokens, n_tags). Without corrections it is the
        paper's p_final to the letter.
    """
    p = kernel.interpolate(p_ner, store.p_knn, settings.weight)
    trust = kernel.trust(
        corrections.nearest, settings.correction_weight, settings.radius
    )
    return kernel.interpolate(p, corrections.p_knn, trust)


def span_scores(
    spans: list[tuple[int, int]], ids: np.ndarray, p: np.ndarray
) -> np.ndarray:
    """A span's score: the mean of p over its tokens' decoded tags.

    spans (list[tuple[int, int]]): First token and the token after the last.
    ids (ndarray): The decoded tags, shape (n_tokens,).
    p (ndarray): Shape (n_tokens, n_tags).
    RETURNS (ndarray): Shape (n_spans,).
    """
    of_tag = p[np.arange(len(ids)), ids]
    return np.array([of_tag[start:end].mean() for start, end in spans])
