"""Vectors: what an encoder left on a Doc → a key per token, or per word piece."""

import unicodedata
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.backends import get_array_ops

from ..errors import Errors, KnnNerError, Warnings, warning
from ..settings import KeySettings
from ..types import TokenKeys
from . import tagger_output

LEFT_ON_DOCS = ("ner_tagger", "transformer", "tensor")  # sources on a Doc


@dataclass(frozen=True)
class Pieces:
    """Vectors of word pieces, and those of each token.

    vectors (ndarray): Shape (n_pieces, width).
    rows (ndarray): Piece numbers, token after token.
    lengths (ndarray): Pieces per token, shape (n_tokens,).
    """

    vectors: np.ndarray
    rows: np.ndarray
    lengths: np.ndarray


def read_keys(doc: Doc, settings: KeySettings, name: str) -> TokenKeys:
    """Read the key vectors that a component has left on a Doc. Whitespace tokens have
    none.

    doc (Doc): The Doc, after its encoder.
    settings (KeySettings): Which vectors.
    name (str): The component, for messages.
    RETURNS (TokenKeys): At most one key per token, or with `"pieces"` several.
    RAISES (KnnNerError): If there is no encoder output, or a vector with NaN or
        infinity in it.
    """
    source = _source(doc, settings)
    if len(doc) == 0 or source is None:
        if all(token.is_space for token in doc):
            return empty_keys(len(doc))
        raise KnnNerError(
            Errors.E041, name=name, length=len(doc), source=settings.source
        )
    if source != "transformer":
        return keys_of(doc, _token_vectors(doc, source), settings, source)
    pieces = _transformer_pieces(doc._.trf_data, settings.layer)
    if len(pieces.lengths) != len(doc):
        raise KnnNerError(
            Errors.E045, name=name, expected=len(pieces.lengths), found=len(doc)
        )
    vectors, tokens = _pool(pieces, settings.pooling)
    return _usable(doc, np.asarray(vectors, dtype=np.float32), tokens)


def _source(doc: Doc, settings: KeySettings) -> str | None:
    """Where this Doc's vectors are; None if it has none there."""
    wanted = LEFT_ON_DOCS if settings.source == "auto" else (settings.source,)
    return next((source for source in wanted if _has(doc, source)), None)


def has_vectors(doc: Doc) -> bool:
    """Check whether a component has left vectors on a Doc."""
    return any(_has(doc, source) for source in LEFT_ON_DOCS)


def keys_of(
    doc: Doc, vectors: np.ndarray, settings: KeySettings, source: str
) -> TokenKeys:
    """Make keys of vectors per token.

    doc (Doc): The Doc.
    vectors (ndarray): Shape (n_tokens, width).
    settings (KeySettings): Those of word pieces are not valid here.
    source (str): Where the vectors come from, for messages.
    RETURNS (TokenKeys): At most one key per token.
    RAISES (KnnNerError): For another pooling or layer than the default.
    """
    if settings.pooling != "mean":
        raise KnnNerError(
            Errors.E047, pooling=settings.pooling, source=f"keys.source={source!r}"
        )
    if settings.layer != -1:
        raise KnnNerError(
            Errors.E046, layer=settings.layer, available="one vector per token"
        )
    vectors = np.asarray(vectors, dtype=np.float32)
    return _usable(doc, vectors, np.arange(len(doc)))


def _has(doc: Doc, source: str) -> bool:
    if source == "ner_tagger":
        value = tagger_output.read(doc)
        return value is not None and value["vectors"] is not None
    if source == "transformer":
        data = doc._.trf_data if Doc.has_extension("trf_data") else None
        return data is not None and _has_output(data)
    return doc.tensor.shape[0] == len(doc) and doc.tensor.size > 0


def _has_output(data: Any) -> bool:
    if hasattr(data, "all_outputs"):  # spacy-curated-transformers
        return len(data.all_outputs) > 0
    return "last_hidden_state" in data.model_output


def _token_vectors(doc: Doc, source: str) -> np.ndarray:
    value = tagger_output.read(doc)
    if source == "ner_tagger" and value is not None and value["vectors"] is not None:
        return value["vectors"]
    return to_numpy(doc.tensor)


def _transformer_pieces(data: Any, layer: int) -> Pieces:
    """The pieces in either package's output; the one place that knows their types."""
    if hasattr(data, "all_outputs"):  # spacy-curated-transformers
        ragged = _layer(data.all_outputs, layer, only_last=data.last_layer_only)
        lengths = to_numpy(ragged.lengths)
        vectors = to_numpy(ragged.dataXd)
        return Pieces(vectors, np.arange(len(vectors)), lengths)
    output = data.model_output
    if layer == -1:
        states = output["last_hidden_state"]
    else:
        hidden = output.get("hidden_states") or ()
        states = _layer(hidden, layer, only_last=not len(hidden))
    vectors = to_numpy(states)
    return Pieces(
        # Rows count through all windows of the Doc, padding included.
        vectors.reshape(-1, vectors.shape[-1]),
        to_numpy(data.align.dataXd).ravel(),
        to_numpy(data.align.lengths),
    )


def keep_hidden_layers(model: Any) -> None:
    """Make a transformer of spacy-transformers leave all of its layers on Docs; saved
    with its weights.

    model (Model): Of a pipeline's `transformer`; of another kind it stays as it is.
    """
    for node in model.walk():
        for shim in node.shims:
            config: Any = getattr(getattr(shim, "_model", None), "config", None)
            if hasattr(config, "output_hidden_states"):
                config.output_hidden_states = True


def _layer(layers: Any, layer: int, *, only_last: bool) -> Any:
    if layer == -1 and len(layers):
        return layers[-1]
    if only_last or not -len(layers) <= layer < len(layers):
        available = "only the last" if only_last else f"{len(layers)} (with embeddings)"
        raise KnnNerError(Errors.E046, layer=layer, available=available)
    return layers[layer]


def _pool(pieces: Pieces, pooling: str) -> tuple[np.ndarray, np.ndarray]:
    """Vectors, and the token each belongs to; tokens without pieces have none."""
    ends = np.cumsum(pieces.lengths)
    tokens = np.flatnonzero(pieces.lengths)
    starts = (ends - pieces.lengths)[tokens]
    if pooling == "first":
        return pieces.vectors[pieces.rows[starts]], tokens
    if pooling == "last":
        return pieces.vectors[pieces.rows[ends[tokens] - 1]], tokens
    vectors = pieces.vectors[pieces.rows]
    if pooling == "pieces":
        return vectors, np.repeat(np.arange(len(pieces.lengths)), pieces.lengths)
    if len(tokens) == 0:
        return vectors[:0], tokens
    sums = np.add.reduceat(vectors, starts, axis=0)
    return sums / pieces.lengths[tokens, None].astype(np.float32), tokens


def _usable(doc: Doc, vectors: np.ndarray, tokens: np.ndarray) -> TokenKeys:
    """Without whitespace tokens and zero vectors, whose distances mean nothing."""
    is_space = doc.to_array("IS_SPACE").astype(bool)
    keep = ~is_space[tokens]
    vectors, tokens = vectors[keep], tokens[keep]
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        i = int(tokens[~finite][0])
        raise KnnNerError(Errors.E042, token=doc[i].text, i=i)
    nonzero = vectors.any(axis=1)
    keys = TokenKeys(vectors[nonzero], tokens[nonzero].astype(np.int64), len(doc))
    is_space[keys.tokens] = True  # what is left has no vector
    without_vector = np.flatnonzero(~is_space).tolist()
    lost = [doc[i].text for i in without_vector if _is_visible(doc[i].text)]
    if lost:
        message = warning(Warnings.W001, n=len(lost), total=len(doc), token=lost[0])
        warnings.warn(message, stacklevel=2)
    return keys


def _is_visible(text: str) -> bool:
    """Whether a tokenizer should have made a word piece of it, which it does not of
    marks, controls and separators alone, such as a lone variation selector."""
    return any(unicodedata.category(character)[0] not in "MCZ" for character in text)


def concatenate_keys(keys: list[TokenKeys]) -> TokenKeys:
    """Concatenate the keys of several Docs.

    keys (list[TokenKeys]): Per Doc.
    RETURNS (TokenKeys): Tokens are counted through all Docs.
    """
    offsets = np.cumsum([0, *(key.n_tokens for key in keys)])[:-1]
    pairs = [pair for pair in zip(keys, offsets, strict=True) if len(pair[0])]
    n_tokens = sum(key.n_tokens for key in keys)
    if not pairs:
        return empty_keys(n_tokens)
    vectors = np.concatenate([key.vectors for key, _ in pairs])
    tokens = np.concatenate([key.tokens + offset for key, offset in pairs])
    return TokenKeys(vectors, tokens, n_tokens)


def empty_keys(n_tokens: int) -> TokenKeys:
    """Make the keys of a Doc that has none."""
    return TokenKeys(np.zeros((0, 0), np.float32), np.zeros(0, np.int64), n_tokens)


def to_numpy(array: Any) -> np.ndarray:
    """Convert a numpy or cupy array to numpy; numpy ones are not copied."""
    return get_array_ops(array).to_numpy(array)
