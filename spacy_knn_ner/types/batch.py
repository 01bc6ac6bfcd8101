"""The tokens of a batch: their keys, and what the components in front say of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..tags import TagSet


@dataclass(frozen=True)
class TokenKeys:
    """The key vectors of one Doc.

    vectors (ndarray): Shape (n_keys, width), float32, finite, none of them zero.
    tokens (ndarray): The token of each key, shape (n_keys,), ascending. Not every
        token has a key (whitespace has none), and with one key per word piece a
        token has several.
    n_tokens (int): Number of tokens, with keys or without.
    """

    vectors: np.ndarray
    tokens: np.ndarray
    n_tokens: int

    def __len__(self) -> int:
        return len(self.tokens)

    def of_tokens(self, mask: np.ndarray) -> "TokenKeys":
        """Select the keys of some tokens.

        mask (ndarray): Shape (n_tokens,), bool.
        """
        chosen = mask[self.tokens]
        if chosen.all():
            return self
        return TokenKeys(self.vectors[chosen], self.tokens[chosen], self.n_tokens)


@dataclass(frozen=True)
class TokenBatch:
    """The tokens of some Docs, one Doc after the other.

    tag_set (TagSet): The tagger's tags, followed by those that only the datastore
        knows.
    lengths (list[int]): Tokens per Doc.
    words (list[str]): The words.
    p_base (ndarray): The distribution of the components in front, shape (n_tokens,
        n_tags), float64; 0 for tags the tagger lacks, rows of zeros where there is
        no distribution.
    keys (TokenKeys): The keys; tokens are counted through all Docs.
    """

    tag_set: TagSet
    lengths: list[int]
    words: list[str]
    p_base: np.ndarray
    keys: TokenKeys

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.p_base)

    def of_tokens(self, mask: np.ndarray) -> "TokenBatch":
        """Keep the keys of some tokens only.

        mask (ndarray): Shape (n_tokens,), bool.
        """
        return replace(self, keys=self.keys.of_tokens(mask))

    def with_labels(self, labels: Iterable[str]) -> "TokenBatch":
        """Add labels that no component in front predicts.

        labels (Iterable[str]): Those that are there already stay where they are.
        """
        tag_set = self.tag_set.union(labels)
        p_base = np.zeros((len(self), len(tag_set)))
        p_base[:, : self.p_base.shape[1]] = self.p_base
        return replace(self, tag_set=tag_set, p_base=p_base)

    @property
    def has_key(self) -> np.ndarray:
        """Which tokens have a key, shape (n_tokens,), bool. The others have no
        neighbors: there is nothing to look up."""
        mask = np.zeros(len(self), dtype=bool)
        mask[self.keys.tokens] = True
        return mask

    def per_doc(self, rows: np.ndarray) -> list[np.ndarray]:
        """Split the rows of all tokens by Doc."""
        return np.split(rows, np.cumsum(self.lengths)[:-1]) if self.lengths else []
