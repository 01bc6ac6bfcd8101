"""Where a store is kept, as an option."""

from typing import Annotated, Any

import typer

FILES = "files"

StoreOpt = Annotated[
    str | None,
    typer.Option(
        help="Where processes share the store: the URL of a PostgreSQL database with "
        "pgvector; user and password as libpq finds them."
    ),
]
StoreNameOpt = Annotated[str, typer.Option(help="Name of a shared store.")]


def store_block(store: str, name: str, index: str | None) -> dict[str, Any]:
    """Make the config block of a store.

    store (str): `"files"`, or a URL.
    name (str): Of a shared one.
    index (str | None): Of a shared one, `"exact"` or `"hnsw"`. Default: its own.
    """
    if store == FILES:
        return {"@knn_stores": "spacy_knn_ner.Files.v1"}
    block = {"@knn_stores": "spacy_knn_ner.Postgres.v1", "url": store, "name": name}
    return block if index is None else {**block, "index": index}
