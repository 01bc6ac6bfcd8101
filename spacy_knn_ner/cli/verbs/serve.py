"""`spacy knn serve`"""

import os
from pathlib import Path
from typing import Annotated

import typer

from ...errors import Errors, KnnNerError
from ..terminal import (
    GpuOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
)


@clear_errors
def serve(
    model: ModelArg,
    host: Annotated[
        str,
        typer.Option(
            help="Where to listen; others can reach 0.0.0.0, with the token that is "
            "printed."
        ),
    ] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name of this machine in addresses of the page."),
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port of the page.", min=0, max=65535)
    ] = 5000,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Save the pipeline there. Default: where it was loaded from."
        ),
    ] = None,
    api: Annotated[
        bool, typer.Option("--api", help="The API alone, without the page.")
    ] = False,
    source: Annotated[
        str, typer.Option(help="Source of what is added; for `forget`.")
    ] = "serve",
    name: NameOpt = "knn_ner",
    gpu: GpuOpt = -1,
) -> None:
    """Show entities, explain and correct them, in a browser; and as an API, which
    /openapi.json describes.

    With KNN_NER_TOKEN set, requests need that token. Programs send it in a header:
    Authorization: Bearer TOKEN.

    Example: spacy knn serve model
    """
    try:
        import uvicorn

        from ...serve.access import TOKEN, Access
        from ...serve.app import create_app
    except ImportError as error:
        raise KnnNerError(
            Errors.E084, feature="serve", package=error.name, extra="serve"
        ) from error
    from ...serve.session import Session

    access = Access.at(host, allowed_host or ())
    nlp = load_pipeline(model, gpu)
    knn = find_component(nlp, name)
    if not knn.memory.place.is_shared:
        knn.datastore.verify()
    session = Session(nlp, knn, output=output, source=source)
    app = create_app(session, access, has_page=not api)
    config = uvicorn.Config(
        app, host=access.address, port=port, log_level="warning", server_header=False
    )
    listening = config.bind_socket()
    listening.listen()  # from here on, clients wait until it answers
    shown = f"[{access.address}]" if ":" in access.address else access.address
    address = f"http://{shown}:{listening.getsockname()[1]}"
    if access.token is not None and not os.environ.get(TOKEN):
        shown = f" with the token {access.token}"
        address += shown if api else f"/?token={access.token}"
    typer.echo(f"{model} is at {address} (press Ctrl+C to stop)")
    try:
        uvicorn.Server(config).run([listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
        if session.unsaved:
            typer.echo(f"⚠ {session.unsaved} changes were not saved.", err=True)
