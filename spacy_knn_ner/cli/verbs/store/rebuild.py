"""`spacy knn rebuild`"""

from typing import Annotated

import typer

from ...edited import edited
from ...terminal import (
    BatchOpt,
    GpuOpt,
    JsonOpt,
    NameOpt,
    clear_errors,
    print_json,
    shows_progress,
)


@clear_errors
def rebuild(
    model: Annotated[str, typer.Argument(help="A folder with a pipeline.")],
    batch_size: BatchOpt = 64,
    gpu_id: GpuOpt = -1,
    name: NameOpt = "knn_ner",
    as_json: JsonOpt = False,
) -> None:
    """Make all keys of a saved pipeline again from its examples, after its encoder has
    changed.

    Example: spacy knn rebuild model
    """
    with edited(model, name, gpu_id) as knn:
        n = knn.rebuild(batch_size=batch_size, show_progress=shows_progress(as_json))
        sizes = {part: len(table) for part, table in knn.datastore.tables.items()}
    if as_json:
        print_json({"examples": n, **sizes})
    else:
        typer.echo(
            f"{model}: {sizes['store']:,} entries and {sizes['corrections']:,} of "
            f"corrections, from {n:,} examples"
        )
