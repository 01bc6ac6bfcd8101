"""Which view of a sentence a pipeline reads: with contexts or without."""

from collections.abc import Iterator
from typing import Any

from spacy.language import Language
from thinc.api import Model

from ..errors import Errors, KnnNerError
from ..ml.contexts import layer


def set_view(nlp: Language, view: str) -> None:
    """Choose the view that a pipeline reads, also when it is saved and loaded. It is in
    the fingerprint: a store has keys of one view.

    nlp (Language): A pipeline whose encoder reads contexts.
    view (str): `"plain"`, `"context"` or `"auto"`.
    RAISES (KnnNerError): For another view, or an encoder that reads no contexts.
    """
    n_layers = 0
    for name, component in nlp.components:
        model = getattr(component, "model", None)
        if isinstance(model, Model):
            n_layers += layer.set_view(model, view)
        for block in _blocks(nlp.get_pipe_config(name)):
            block["view"] = view
    if not n_layers:
        raise KnnNerError(Errors.E104, view=view)


def _blocks(value: Any) -> Iterator[dict[str, Any]]:
    """The blocks of a config that make a layer with contexts."""
    if isinstance(value, dict):
        if value.get("@architectures") == layer.WITH_CONTEXTS:
            yield value
        for part in value.values():
            yield from _blocks(part)
