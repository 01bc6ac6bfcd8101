"""spaCy registries of ours: `knn_indexes`, `knn_interpolations`, `knn_stores`,
`knn_engines` and `knn_rerankers`.

A third party registers a function with a decorator, or with an entry point of the group
of that name, such as `spacy_knn_indexes`:

    from spacy_knn_ner import registry

    @registry.knn_indexes("my_package.MyIndex.v1")
    def my_index(n_trees: int) -> IndexFactory: ...
"""

from typing import Any

import catalogue
from spacy.util import registry

_NAMES = (
    "knn_indexes",
    "knn_interpolations",
    "knn_stores",
    "knn_engines",
    "knn_rerankers",
)
for _name in _NAMES:
    if not hasattr(registry, _name):
        setattr(registry, _name, catalogue.create("spacy", _name, entry_points=True))

knn_indexes = registry.knn_indexes  # type: ignore[attr-defined]
knn_interpolations = registry.knn_interpolations  # type: ignore[attr-defined]
knn_stores = registry.knn_stores  # type: ignore[attr-defined]
knn_engines = registry.knn_engines  # type: ignore[attr-defined]
knn_rerankers = registry.knn_rerankers  # type: ignore[attr-defined]

# Names for command lines.
_INDEXES = {
    "exact": "spacy_knn_ner.Exact.v1",
    "flat": "spacy_knn_ner.Flat.v1",
    "torch": "spacy_knn_ner.Torch.v1",
    "auto": "spacy_knn_ner.Auto.v1",
}


def index_block(name: str) -> dict[str, Any]:
    """Make the config block of an index from its short name.

    name (str): `"exact"`, `"flat"`, `"torch"`, `"auto"`, a registered name, or a
        string for FAISS's index factory.
    """
    if name in _INDEXES:
        return {"@knn_indexes": _INDEXES[name]}
    if name in knn_indexes:
        return {"@knn_indexes": name}
    return {"@knn_indexes": "spacy_knn_ner.Faiss.v1", "factory": name}


def resolve(block: dict[str, Any]) -> Any:
    """Call the registered function that a config block names.

    block (dict[str, Any]): With a key such as `"@knn_indexes"`.
    """
    return registry.resolve({"block": block})["block"]
