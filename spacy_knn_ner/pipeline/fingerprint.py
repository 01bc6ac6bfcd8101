"""Which encoder made these vectors? A hash that a datastore keeps."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from spacy.language import Language
from thinc.api import Model, serialize_attr

from .arrays import to_numpy
from .keys import KeySettings
from .ner_tagger import NerTagger

Fingerprint = dict[str, Any]


def fingerprint(nlp: Language, name: str, settings: KeySettings) -> Fingerprint:
    """What the keys of a pipeline are made with.

    nlp (Language): The pipeline.
    name (str): The component that reads the vectors.
    settings (KeySettings): How it reads them.
    RETURNS (Fingerprint): The settings; and of the encoder the name of its
        component and a SHA-256 over its weights and tokenizer. The two are None
        where no component of the pipeline is known to leave vectors.
    """
    component, model = find_encoder(nlp, name, settings.source)
    return {
        "layer": settings.layer,
        "pooling": settings.pooling,
        "component": component,
        "sha256": None if model is None else hash_model(model, nlp),
    }


def difference(stored: Fingerprint, given: Fingerprint) -> str:
    """What differs, in words; empty if the vectors can be compared.

    A component may have another name, or run in another pipeline.
    """
    words = {"layer": "keys.layer", "pooling": "keys.pooling", "sha256": "weights"}
    changed = []
    for field, word in words.items():
        was, now = stored[field], given[field]
        if was != now:
            short = (str(value)[:12] for value in (was, now))
            changed.append("{} {} → {}".format(word, *short))
    return ", ".join(changed)


def find_encoder(
    nlp: Language, name: str, source: str
) -> tuple[str | None, Model | None]:
    """The component before `name` whose vectors `source` reads, and its model.

    Disabled components count: they may have run in another process.
    """
    before = []
    for other, component in nlp.components:
        if other == name:
            break
        before.append((other, component))
    finders = {
        "ner_tagger": _own_encoder,
        "transformer": lambda n, c: _assigning(nlp, n, c, "doc._.trf_data"),
        "tensor": lambda n, c: _assigning(nlp, n, c, "doc.tensor"),
    }
    for find in finders.values() if source == "auto" else [finders[source]]:
        # The last one: a later component overwrites what an earlier one left.
        for other, component in reversed(before):
            model = find(other, component)
            if model is not None:
                return other, model
    return None, None


def _own_encoder(name: str, component: Any) -> Model | None:
    if isinstance(component, NerTagger) and not component.listens:
        return component.model.get_ref("tok2vec")
    return None


def _assigning(nlp: Language, name: str, component: Any, what: str) -> Model | None:
    if what in nlp.get_pipe_meta(name).assigns:
        return getattr(component, "model", None)
    return None


def hash_model(model: Model, nlp: Language) -> str:
    """A SHA-256 over everything in a model that shapes its vectors.

    Tensors are taken in the order of the layers and sorted by name in each, so
    that the hash survives saving, copying and a change of device.
    """
    digest = hashlib.sha256()
    for name, tensor in _tensors(model):
        array = _to_numpy(tensor)
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for node in model.walk():
        for shim in node.shims:
            tokenizer = getattr(getattr(shim, "_hfmodel", None), "tokenizer", None)
            if tokenizer is not None:
                digest.update(_tokenizer_text(tokenizer).encode("utf8"))
        for attr, value in sorted(node.attrs.items()):
            if serialize_attr.dispatch(type(value)) is not _DEFAULT:
                # Only tokenizers have a serializer of their own.
                digest.update(serialize_attr(value, value, attr, node))
        if node.name == "static_vectors":
            vectors = nlp.vocab.vectors
            digest.update(np.ascontiguousarray(to_numpy(vectors.data)).data)
            digest.update(repr(sorted(vectors.key2row.items())).encode())
    return digest.hexdigest()


_DEFAULT = serialize_attr.dispatch(object)


def probe_model(model: Model) -> bytes:
    """A few numbers out of every tensor: training moves them, and reading them is
    cheap enough for every batch, which hashing is not."""
    samples = []
    for _, tensor in _tensors(model):
        flat = tensor.reshape(-1)
        samples.append(_to_numpy(flat[:: max(1, len(flat) // 4)]))
    return b"".join(sample.tobytes() for sample in samples)


def _tensors(model: Model) -> Iterator[tuple[str, Any]]:
    """The weights, as numpy, cupy or torch has them."""
    for i, node in enumerate(model.walk()):
        for param in sorted(node.param_names):
            if node.has_param(param):
                yield f"{i}.{param}", node.get_param(param)
        for shim in node.shims:
            module = getattr(shim, "_model", None)
            state = {} if module is None else module.state_dict()
            for name, tensor in sorted(state.items()):
                # Whole numbers there are positions that some versions save and
                # others do not.
                if tensor.is_floating_point():
                    yield f"{i}.{name}", tensor


def _to_numpy(tensor: Any) -> np.ndarray:
    if hasattr(tensor, "detach"):
        return tensor.detach().float().cpu().numpy()
    return to_numpy(tensor)


def _tokenizer_text(tokenizer: Any) -> str:
    if not tokenizer.is_fast:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # These two are left by whoever tokenized last.
    state.update(truncation=None, padding=None)
    return json.dumps(state, sort_keys=True)
