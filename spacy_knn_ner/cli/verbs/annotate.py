"""`spacy knn annotate`"""

from pathlib import Path
from typing import Annotated

import typer

from ..terminal import (
    GpuOpt,
    JsonOpt,
    ModelArg,
    RayOpt,
    WorkersOpt,
    clear_errors,
    load_pipeline,
    print_json,
    shows_progress,
)


@clear_errors
def annotate(
    model: ModelArg,
    texts: Annotated[
        Path,
        typer.Argument(
            help='One text a line; .jsonl: "text" of each object; .spacy: sentences.'
        ),
    ],
    output: Annotated[Path, typer.Argument(help="Folder for part-000000.jsonl, ….")],
    shard_size: Annotated[int, typer.Option(help="Texts per file.", min=1)] = 1000,
    ray: RayOpt = None,
    workers: WorkersOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Find the entities of many texts. After an interruption the same command goes on
    with the files that are missing.

    Example: spacy knn annotate model texts.txt annotated --ray local
    """
    from ...cluster.annotating import annotate as annotate_texts
    from ...corpora.texts import read_texts

    nlp = load_pipeline(model, gpu_id if ray is None else -1)
    written = annotate_texts(
        nlp,
        read_texts(texts),
        output,
        shard_size=shard_size,
        address=ray,
        workers=workers,
        on_gpu=gpu_id >= 0,
        show_progress=shows_progress(as_json),
    )
    if as_json:
        print_json({"output": str(output), "written": written})
    else:
        typer.echo(f"{output}: {written:,} files written")
