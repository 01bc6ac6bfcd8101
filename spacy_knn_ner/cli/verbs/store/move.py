"""`spacy knn move`"""

from pathlib import Path
from typing import Annotated

import typer

from ...stores import FILES, ReplaceOpt, StoreNameOpt, store_block
from ...terminal import (
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
)


@clear_errors
def move(
    model: ModelArg,
    output: Annotated[Path, typer.Argument(help="Folder for the pipeline.")],
    store: Annotated[
        str,
        typer.Option(
            help="postgresql://host/database, with pgvector; qdrant://host:6333; or "
            "files: a copy in the folder."
        ),
    ],
    store_name: StoreNameOpt = "knn_ner",
    index: Annotated[
        str | None, typer.Option(help="Of a shared store: auto, exact, hnsw.")
    ] = None,
    replace: ReplaceOpt = False,
    name: NameOpt = "knn_ner",
    as_json: JsonOpt = False,
) -> None:
    """Put the store of a pipeline, with its corrections, into a database, or back into
    files. It stays where it was, too.

    Example: spacy knn move model shared-model --store postgresql://host/database
    """
    from ....components.memory import sharing
    from ....components.memory.pipelines import save_pipeline

    nlp = load_pipeline(model)
    knn = find_component(nlp, name)
    sharing.move(knn, store_block(store, store_name, index), replaces=replace)
    save_pipeline(nlp, output)
    sizes = {part: len(table) for part, table in knn.datastore.tables.items()}
    if as_json:
        print_json({"output": str(output), "place": store, **sizes})
    else:
        place = "its own files" if store == FILES else f"{store} ({store_name})"
        typer.echo(
            f"{output}: {sizes['store']:,} entries and {sizes['corrections']:,} of "
            f"corrections, in {place}"
        )
