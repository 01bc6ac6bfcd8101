"""Word pieces: how many of them an encoder makes of a word."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from spacy.lang.lex_attrs import LEX_ATTRS
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

_CACHED = 200_000  # words


class PieceCounter:
    """Counts the word pieces of words, each by itself, as any of the transformer
    packages makes them: with a space in front or without, whichever are more. An
    encoder without word pieces reads tokens.

    separator (str): A word between texts: the tokenizer's own; a full stop where
        texts cannot have one.
    limit (int | None): Word pieces that it can read at once, special ones included.
    special (int): Those that it adds to each text.
    """

    def __init__(self, encoder: Model, counts: dict[str, int] | None = None) -> None:
        """encoder (Model): Docs → vectors.
        counts (dict[str, int] | None): What was counted before; is added to.
        """
        self._encoder = encoder
        self._counts = {} if counts is None else counts

    @property
    def _loaded(self) -> Any:
        """The tokenizer and the model of spacy-transformers."""
        for node in self._encoder.walk():
            for shim in node.shims:
                loaded = getattr(shim, "_hfmodel", None)
                if getattr(loaded, "tokenizer", None) is not None:
                    return loaded
        return None

    @property
    def _tokenizer(self) -> Any:
        return getattr(self._loaded, "tokenizer", None)

    @property
    def _piece_encoder(self) -> Model | None:
        """Of spacy-curated-transformers."""
        has_one = self._encoder.has_ref("piece_encoder")
        return self._encoder.get_ref("piece_encoder") if has_one else None

    @property
    def separator(self) -> str:
        tokenizer = self._tokenizer
        own = tokenizer and (tokenizer.sep_token or tokenizer.eos_token)
        return own or "."

    @property
    def limit(self) -> int | None:
        if self._tokenizer is not None:
            positions = n_positions(self._loaded.transformer)
            return min(self._tokenizer.model_max_length, positions)
        windows = [n.attrs["window"] for n in self._encoder.walk() if _has_windows(n)]
        return min(windows, default=None)

    @property
    def special(self) -> int:
        if self._tokenizer is not None:
            return self._tokenizer.num_special_tokens_to_add()
        return 2 if self._piece_encoder is not None else 0

    def count(self, words: Sequence[str]) -> np.ndarray:
        """Count the word pieces of words.

        words (Sequence[str]): The words.
        RETURNS (ndarray): Shape (n_words,), int64.
        """
        known = {word: self._counts.get(word) for word in words}
        new = sorted(word for word, n in known.items() if n is None)
        if new:
            counted = dict(zip(new, self._count(new), strict=True))
            known.update(counted)
            if len(self._counts) > _CACHED:
                self._counts.clear()
            self._counts.update(counted)
        return np.array([known[word] for word in words], dtype=np.int64)

    def _count(self, words: list[str]) -> list[int]:
        if self._tokenizer is not None:
            texts = [*words, *(f" {word}" for word in words)]
            ids = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
            return _more([len(pieces) for pieces in ids])
        piece_encoder = self._piece_encoder
        if piece_encoder is None:
            return [1] * len(words)
        # With a word in front; and with attributes such as the lower-case form.
        vocab, text = Vocab(lex_attr_getters=LEX_ATTRS), ["a", *words]
        spaced = [Doc(vocab, text, [space] * len(text)) for space in (False, True)]
        found = piece_encoder.predict(spaced)
        # Without the special ones and that word.
        return _more([int(n) for pieces in found for n in pieces.lengths[2:-1]])


def _more(counts: list[int]) -> list[int]:
    """The greater of both counts of each word; those of all words stand one after the
    other."""
    n = len(counts) // 2
    return list(map(max, counts[:n], counts[n:]))


def n_positions(model: Any) -> int:
    """Count the positions that a model has vectors for."""
    n = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(n, int) or n < 1:  # positions are relative
        return sys.maxsize
    embeddings = getattr(model, "embeddings", None)
    vectors = getattr(embeddings, "position_embeddings", None)
    padding = getattr(vectors, "padding_idx", None)
    # RoBERTa counts on from the number of its padding piece.
    return n if padding is None else n - padding - 1


def _has_windows(node: Model) -> bool:
    return node.name == "with_strided_spans"
