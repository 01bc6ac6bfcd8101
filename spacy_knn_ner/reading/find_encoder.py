"""Encoders: which part of a pipeline the vectors come from.

ner_tagger   the tagger's own encoder           left on the Doc
transformer  of either transformer package      left on the Doc
tensor       a tok2vec                          left on the Doc
ner          the own encoder of an `ner`        run once more
vectors      static vectors of the vocabulary   looked up
words        none: every word has the same key
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model

from .vectors import LEFT_ON_DOCS, to_numpy

_NER = ("ner", "beam_ner")  # factories


@dataclass(frozen=True)
class Encoder:
    """Where vectors come from.

    source (str): One of the above.
    name (str | None): The component, if it is one.
    model (Model | None): Its encoder.
    """

    source: str
    name: str | None = None
    model: Model | None = None

    @property
    def is_none(self) -> bool:
        """Whether there is none, and corrections act by words alone."""
        return self.source == "words"


def find_encoder(nlp: Language, name: str | None, source: str) -> Encoder:
    """Find the encoder in front of a component.

    nlp (Language): The pipeline. Disabled components count: they may have run in
        another process.
    name (str | None): The component that reads the vectors; None: one behind all.
    source (str): See `KeySettings`.
    RETURNS (Encoder): With `"auto"` the first of the above that there is; otherwise
        the given one, without a component where none is known to leave such vectors.
    """
    wanted = (*LEFT_ON_DOCS, "ner") if source == "auto" else (source,)
    for one in wanted:
        # The last one: a later component overwrites what an earlier one left.
        for other, component in reversed(components_before(nlp, name)):
            model = _model(nlp, other, component, one)
            if model is not None:
                return Encoder(one, other, model)
    if source != "auto":
        return Encoder(source)
    return Encoder("vectors" if nlp.vocab.vectors.data.size else "words")


def components_before(nlp: Language, name: str | None) -> list[tuple[str, Any]]:
    """List the components in front of another one; with None all of them."""
    names = [other for other, _ in nlp.components]
    return list(nlp.components)[: None if name is None else names.index(name)]


def _model(nlp: Language, name: str, component: Any, source: str) -> Model | None:
    meta = nlp.get_pipe_meta(name)
    model = getattr(component, "model", None)
    if not isinstance(model, Model) or source in ("vectors", "words"):
        return None
    if source == "ner_tagger":
        own = meta.factory == "ner_tagger" and not component.listens
        return model.get_ref("tok2vec") if own else None
    if source == "ner":
        return _own_encoder(model) if meta.factory in _NER else None
    assigned = {"transformer": "doc._.trf_data", "tensor": "doc.tensor"}[source]
    return model if assigned in meta.assigns else None


def _own_encoder(model: Model) -> Model | None:
    """The encoder of an `ner`, if it is its own: what is before the projection to the
    parser's hidden layer."""
    if not model.has_ref("tok2vec"):
        return None
    tok2vec = model.get_ref("tok2vec")
    if any(is_listener(node) for node in tok2vec.walk()):
        return None
    names = [layer.name for layer in tok2vec.layers]
    return tok2vec.layers[0] if names[1:2] == ["list2array"] else tok2vec


def is_listener(node: Model) -> bool:
    """Check whether a layer reads another component's output (of any spaCy package)."""
    return hasattr(node, "upstream_name") or "_upstream_name" in node.attrs


# --- vectors that are not left on Docs -----------------------------------------------


def token_vectors(docs: list[Doc], encoder: Encoder) -> Iterator[np.ndarray]:
    """Compute the vectors of Docs by an encoder whose output is not left on them.

    docs (list[Doc]): The Docs.
    encoder (Encoder): Of the source `"ner"`, `"vectors"` or `"words"`.
    YIELDS (ndarray): Of each Doc, shape (n_tokens, width).
    """
    if encoder.model is not None:
        vectors = encoder.model.predict(docs)
        if not isinstance(vectors, list):
            ends = np.cumsum([len(doc) for doc in docs])[:-1]
            vectors = np.split(to_numpy(vectors), ends)
        yield from map(to_numpy, vectors)
    elif encoder.source == "vectors":
        yield from map(_static, docs)
    else:
        yield from (np.ones((len(doc), 1)) for doc in docs)


def _static(doc: Doc) -> np.ndarray:
    """Static vectors of length 1, and a constant beside them, so that words without a
    vector have a key too: next to each other, and far from all that have one."""
    width = doc.vocab.vectors.shape[1]
    vectors = np.array([to_numpy(token.vector) for token in doc]).reshape(-1, width)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(norms > 0, norms, 1.0)
    return np.hstack([vectors, np.full((len(doc), 1), 0.01)])
