"""Retrieval-augmented named entity recognition for spaCy (kNN-NER).

Importing the package is cheap: names are imported when they are used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "KnnNer": "components.knn_ner",
    "NerTagger": "components.ner_tagger",
    "Datastore": "datastore.datastore",
    "Explanation": "inference.explanation",
    "IndexFactory": "datastore.index.base",
    "Interpolation": "inference.interpolation",
    "KnnNerError": "errors",
    "KnnNerWarning": "errors",
    "StoredKeys": "datastore.index.base",
    "VectorIndex": "datastore.index.base",
    "Votes": "types",
    "document_contexts": "retrieval.documents",
    "read_corpus": "corpora.formats",
    "render": "rendering.entities",
    "save_pipeline": "components.memory.pipelines",
    "set_view": "reading.view",
    "registry": "registry",
}

__all__ = [*sorted(_NAMES), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_NAMES[name]}", __name__)
    return module if name == "registry" else getattr(module, name)


def __dir__() -> list[str]:
    return list(__all__)
