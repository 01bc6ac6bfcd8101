"""Which encoder made these vectors? A hash that a datastore keeps."""

import hashlib
import json
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
    for i, node in enumerate(model.walk()):
        for param in sorted(node.param_names):
            if node.has_param(param):
                _hash_array(digest, f"{i}.{param}", to_numpy(node.get_param(param)))
        for shim in node.shims:
            _hash_shim(digest, i, shim)
        for attr, value in sorted(node.attrs.items()):
            if serialize_attr.dispatch(type(value)) is not _DEFAULT:
                # Only tokenizers have a serializer of their own.
                digest.update(serialize_attr(value, value, attr, node))
        if node.name == "static_vectors":
            _hash_array(digest, f"{i}.vectors", to_numpy(nlp.vocab.vectors.data))
    return digest.hexdigest()


_DEFAULT = serialize_attr.dispatch(object)


def _hash_shim(digest: Any, i: int, shim: Any) -> None:
    module = getattr(shim, "_model", None)
    if module is not None and hasattr(module, "state_dict"):
        for name, tensor in sorted(module.state_dict().items()):
            # Whole numbers there are positions that some versions save and
            # others do not.
            if tensor.is_floating_point():
                array = tensor.detach().float().cpu().numpy()
                _hash_array(digest, f"{i}.{name}", array)
    tokenizer = getattr(getattr(shim, "_hfmodel", None), "tokenizer", None)
    if tokenizer is not None:
        digest.update(_tokenizer_text(tokenizer).encode("utf8"))


def _tokenizer_text(tokenizer: Any) -> str:
    if not tokenizer.is_fast:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # These two are left by whoever tokenized last.
    state.update(truncation=None, padding=None)
    return json.dumps(state, sort_keys=True)


def _hash_array(digest: Any, name: str, array: np.ndarray) -> None:
    digest.update(f"{name} {array.shape} {array.dtype}".encode())
    digest.update(np.ascontiguousarray(array).data)
