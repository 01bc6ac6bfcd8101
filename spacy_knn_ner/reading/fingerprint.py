"""The fingerprint: everything upstream that shapes a vector, stored with its keys.

That is the encoder's weights and tokenizer, its config (windows, attributes), layer and
pooling, and the components before it that may change what it reads. Names and positions
of components do not matter.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from spacy.language import Language
from thinc.api import Model, get_array_module, serialize_attr

from ..ml.contexts.layer import WITH_CONTEXTS, views_of
from ..settings import KeySettings
from .find_encoder import Encoder, components_before, find_encoder
from .vectors import to_numpy

Fingerprint = dict[str, Any]

# Parts of a config that do not change vectors: where weights come from (they are
# hashed), how they are trained, and whether hidden layers are kept.
_NOT_SHAPING = {
    "name",
    "grad_factor",
    "grad_scaler_config",
    "upstream",
    "output_hidden_states",
    "all_layer_outputs",
    "scorer",
    "overwrite",
}
# What components may assign without changing what an encoder reads.
_ENTITIES = ("doc.ents", "token.ent_", "doc.spans", "span.", "doc._.ner_tagger")
# What differs between stored and current fingerprints, for messages.
_PARTS = {
    "layer": "keys.layer",
    "pooling": "keys.pooling",
    "projection": "keys.projection",
    "weights": "weights",
    "view": "view of the encoder",
    "config": "config of the encoder, or components before it",
}


def fingerprint(nlp: Language, name: str, settings: KeySettings) -> Fingerprint:
    """Compute the fingerprint of the keys that a pipeline makes.

    nlp (Language): The pipeline.
    name (str): The component that reads the vectors.
    settings (KeySettings): How it reads them.
    RETURNS (Fingerprint): Settings, the name of the encoder, the view that it reads
        (None: it has no contexts), and SHA-256 hashes of its `weights` and `config`;
        None where no component is known to leave vectors.
    """
    encoder = find_encoder(nlp, name, settings.source)
    views = [] if encoder.model is None else views_of(encoder.model)
    return {
        "layer": settings.layer,
        "pooling": settings.pooling,
        "encoder": encoder.name,
        "weights": _hash_weights(nlp, encoder),
        "view": ", ".join(views) or None,
        "config": None if encoder.name is None else _hash_config(nlp, encoder.name),
    }


def difference(stored: Fingerprint, current: Fingerprint) -> str:
    """Describe what differs; empty if the vectors can be compared.

    stored (Fingerprint): Of the datastore. An older one lacks some parts, which are not
        compared.
    current (Fingerprint): Of the pipeline.
    """
    changed = []
    for part, title in _PARTS.items():
        if part in stored and stored[part] != current[part]:
            short = (str(value)[:12] for value in (stored[part], current[part]))
            changed.append("{} {} → {}".format(title, *short))
    return ", ".join(changed)


# --- config ------------------------------------------------------------------


def _hash_config(nlp: Language, encoder: str) -> str:
    """A SHA-256 over the config of the encoder, and of components before it that may
    change what it reads, with their weights."""
    config = nlp.get_pipe_config(encoder)
    block = config["model"]
    if "tok2vec" in block:  # of ner_tagger and ner: their other parts shape nothing
        block = block["tok2vec"]
    parts: list[Any] = [_shaping(block)]
    for name, component in components_before(nlp, encoder):
        assigns = nlp.get_pipe_meta(name).assigns
        if assigns and all(field.startswith(_ENTITIES) for field in assigns):
            continue
        if list(assigns) == ["doc._.contexts"]:
            # Not where or how: each example is stored with those that were found.
            parts.append(assigns)
            continue
        model = getattr(component, "model", None)
        weights = hash_model(model, nlp) if isinstance(model, Model) else None
        parts.append([_shaping(nlp.get_pipe_config(name)), weights])
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _shaping(block: Any) -> Any:
    """A config block without what does not change vectors."""
    if isinstance(block, dict):
        kept = {k: v for k, v in block.items() if k not in _NOT_SHAPING}
        if block.get("@architectures") == WITH_CONTEXTS:
            kept.pop("view", None)  # a part of its own
        return {key: _shaping(value) for key, value in kept.items()}
    return block


# --- weights -------------------------------------------------------------------


def _hash_weights(nlp: Language, encoder: Encoder) -> str | None:
    if encoder.source == "vectors":
        digest = hashlib.sha256()
        _hash_vectors(digest, nlp)
        return digest.hexdigest()
    return None if encoder.model is None else hash_model(encoder.model, nlp)


def _hash_vectors(digest: Any, nlp: Language) -> None:
    vectors = nlp.vocab.vectors
    digest.update(np.ascontiguousarray(to_numpy(vectors.data)).data)
    digest.update(repr(sorted(vectors.key2row.items())).encode())


def hash_model(model: Model, nlp: Language) -> str:
    """Compute a SHA-256 over the weights and tokenizers of a model.

    Tensors are taken in the order of the layers and sorted by name in each, so that the
    hash survives saving, copying and a change of device.

    model (Model): The model.
    nlp (Language): The pipeline, for its static vectors.
    """
    digest = hashlib.sha256()
    for name, tensor in _tensors(model):
        array = _as_numpy(tensor)
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
            _hash_vectors(digest, nlp)
    return digest.hexdigest()


_DEFAULT = serialize_attr.dispatch(object)


def training_state(model: Model) -> tuple[Any, ...]:
    """Compute a value that changes when the model is trained, or reads another view,
    without hashing it.

    Of torch tensors the counters of changes are read, which needs no transfer from a
    GPU: an update of spaCy's zeroes the gradients in place. Of the tensors of Thinc's
    own layers, which have no counters, some values are read, all of them at once.

    model (Model): The model.
    """
    counters: list[Any] = [*views_of(model)]
    samples: list[Any] = []
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                flat: Any = cast(Any, node.get_param(name)).reshape(-1)
                samples.append(flat[:: max(1, len(flat) // 4)])
        for shim in node.shims:
            module = getattr(shim, "_model", None)
            for p in () if module is None else module.parameters():
                of_grad = None if p.grad is None else p.grad._version
                counters.append((p.data_ptr(), p._version, of_grad))
    values = b""
    if samples:
        values = to_numpy(get_array_module(samples[0]).concatenate(samples)).tobytes()
    return id(model), tuple(counters), values


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


def _as_numpy(tensor: Any) -> np.ndarray:
    if hasattr(tensor, "detach"):
        return tensor.detach().float().cpu().numpy()
    return to_numpy(tensor)


def _tokenizer_text(tokenizer: Any) -> str:
    if not tokenizer.is_fast:
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    # These two depend on the text that was tokenized last.
    state.update(truncation=None, padding=None)
    return json.dumps(state, sort_keys=True)
