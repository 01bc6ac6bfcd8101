"""`spacy knn vectors`"""

from pathlib import Path
from typing import Annotated

import typer

from ...corpora.docbin import read_docs
from ..terminal import (
    GpuOpt,
    JsonOpt,
    NameOpt,
    clear_errors,
    load_pipeline,
    print_json,
    print_table,
    shows_progress,
)

_COLUMNS = ("silhouette", "within", "between")


@clear_errors
def vectors(
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs, a .spacy file.")],
    models: Annotated[
        list[str], typer.Argument(help="Pipelines with an encoder, to compare.")
    ],
    name: NameOpt = "knn_ner",
    picture: Annotated[
        Path | None, typer.Option(help="Also draw the tokens: an .svg or .png file.")
    ] = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Show how well the vectors of entity types are apart.

    The vectors are the keys of knn_ner, or those that it would have.

    Example: spacy knn vectors dev.spacy before stage-one/model-best model
    """
    from ...evaluation.geometry import entity_vectors, geometry, plane

    found, panels = {}, []
    for model in models:
        nlp = load_pipeline(model, gpu_id)
        docs = read_docs(corpus, nlp.vocab)
        typed = entity_vectors(
            nlp, docs, name=name, show_progress=shows_progress(as_json)
        )
        found[model] = geometry(typed)
        panels.append((model, plane(typed.vectors), typed.types))
    if picture is not None:
        from ...rendering.plots import scatter

        scatter(panels, picture)
    if as_json:
        print_json(found)
        return
    rows = [
        (model, row["tokens"], *(_number(row[x]) for x in _COLUMNS))
        for model, row in found.items()
    ]
    print_table(rows, ("vectors", "tokens", *_COLUMNS), n_left=1)
    if picture is not None:
        typer.echo(f"Drawn in {picture}.")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
