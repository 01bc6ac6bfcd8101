"""Where a store is kept, as an option."""

from typing import Annotated, Any

import typer

FILES = "files"
_QDRANT = {"qdrant://": "http://", "qdrant+https://": "https://"}

StoreOpt = Annotated[
    str | None,
    typer.Option(
        help="Where processes share the store: postgresql://host/database, with "
        "pgvector, or qdrant://host:6333 (qdrant+https:// with TLS)."
    ),
]
StoreNameOpt = Annotated[str, typer.Option(help="Name of a shared store.")]
ReplaceOpt = Annotated[
    bool,
    typer.Option("--replace", help="Also if there is a shared store of this name."),
]


def store_block(store: str, name: str, index: str | None) -> dict[str, Any]:
    """Make the config block of a store.

    store (str): `"files"`, or a URL.
    name (str): Of a shared one.
    index (str | None): Of a shared one, `"auto"`, `"exact"` or `"hnsw"`. Default: its
        own.
    """
    if store == FILES:
        return {"@knn_stores": "spacy_knn_ner.Files.v1"}
    kind, url = "Postgres", store
    for scheme, other in _QDRANT.items():
        if store.startswith(scheme):
            kind, url = "Qdrant", other + store.removeprefix(scheme)
    block = {"@knn_stores": f"spacy_knn_ner.{kind}.v1", "url": url, "name": name}
    return block if index is None else {**block, "index": index}
