"""What verbs share: clear errors, tables, JSON, and loading a pipeline."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any, TypeVar, cast

import typer
from spacy.language import Language
from wasabi import msg

from ..errors import Errors, KnnNerError

F = TypeVar("F", bound=Callable[..., Any])

# Arguments and options of several verbs.
ModelArg = Annotated[str, typer.Argument(help="A pipeline: a folder or a package.")]
DevArg = Annotated[Path, typer.Argument(help="Development data, never test data.")]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
NameOpt = Annotated[str, typer.Option(help="Name of the component.")]
GpuOpt = Annotated[int, typer.Option("--gpu-id", "-g", help="GPU id, or -1.")]
CacheOpt = Annotated[
    Path | None, typer.Option(help="Folder that keeps what the encoder computed.")
]
ViewOpt = Annotated[
    str | None,
    typer.Option(help="plain, context or auto, if the encoder reads contexts."),
]
RayOpt = Annotated[
    str | None,
    typer.Option(
        help="Use a Ray cluster: local for this machine's cores, auto, or an address "
        "such as ray://head:10001."
    ),
]
WorkersOpt = Annotated[
    int | None,
    typer.Option(help="Processes of the cluster. Default: one per core.", min=1),
]
BatchOpt = Annotated[int, typer.Option(help="Docs encoded at once.", min=1)]


def clear_errors(verb: F) -> F:
    """Print an error that the user can fix on one line, and exit with code 1."""

    @wraps(verb)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            verb(*args, **kwargs)
        except BrokenPipeError:
            raise  # the reader of the output has closed it
        except (KnnNerError, OSError) as error:
            # spaCy's errors about missing pipelines are OSErrors.
            typer.echo(f"✘ {error}", err=True)
            raise typer.Exit(1) from None

    return cast(F, run)


def shows_progress(as_json: bool) -> bool:
    """Tell whether progress bars have a reader: a terminal, without JSON in it."""
    return sys.stderr.isatty() and not as_json


def print_json(value: Any) -> None:
    """Print JSON, for programs."""
    sys.stdout.write(
        json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    )


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf8")


def write_page(path: Path, make: Callable[[], str]) -> None:
    """Write a page; print a warning where plots cannot be drawn."""
    try:
        page = make()
    except KnnNerError as error:
        typer.echo(f"⚠ No {path.name}: {error}", err=True)
        return
    path.write_text(page, encoding="utf8")


def print_table(
    rows: Iterable[Sequence[Any]], header: Sequence[str], n_left: int = 1
) -> None:
    """Print a table; the first columns are aligned to the left, numbers to the
    right."""
    aligns = ["l" if i < n_left else "r" for i in range(len(header))]
    msg.table(
        [tuple(map(str, row)) for row in rows],
        header=header,
        divider=True,
        aligns=aligns,
    )


def load_pipeline(model: str, gpu: int = -1, view: str | None = None) -> Language:
    """Load a pipeline, on a GPU if an id is given; with another view of sentences.

    RAISES (KnnNerError): If there is no such GPU, or a function of its config is in no
        installed package.
    """
    import spacy
    from catalogue import RegistryError

    from ..reading.view import set_view

    if gpu >= 0:
        try:
            spacy.require_gpu(gpu)
        except ValueError as error:
            raise KnnNerError(Errors.E068, gpu=gpu, reason=error) from error
    try:
        nlp = spacy.load(model)
    except RegistryError as error:
        reason = shorten(str(error), 200, placeholder="…")
        raise KnnNerError(Errors.E145, model=model, reason=reason) from error
    if view is not None:
        set_view(nlp, view)
    return nlp


def find_component(nlp: Language, name: str) -> Any:
    """Find the `knn_ner` of a pipeline.

    RAISES (KnnNerError): If it has none of this name.
    """
    from ..components.knn_ner import KnnNer

    component = nlp.get_pipe(name) if name in nlp.component_names else None
    if not isinstance(component, KnnNer):
        raise KnnNerError(Errors.E060, name=name, found=nlp.component_names)
    return component
