"""`spacy knn forget`"""

from typing import Annotated

import typer

from ...edited import edited
from ...terminal import JsonOpt, NameOpt, clear_errors, print_json


@clear_errors
def forget(
    model: Annotated[str, typer.Argument(help="A folder with a pipeline.")],
    example_ids: Annotated[
        list[int] | None, typer.Argument(help="Ids, as `add` and `explain` print them.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Only examples with this source.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="Only examples with this in their text.")
    ] = None,
    name: NameOpt = "knn_ner",
    as_json: JsonOpt = False,
) -> None:
    """Remove examples from a saved pipeline, whether they were built in or added:
    those for which all that is given holds. They are removed from its files too.

    Example: spacy knn forget model --text "Ada Lovelace"
    """
    # Of a shared store, others may remove examples too.
    with edited(model, name) as knn, knn.memory.lock, knn.datastore.transaction():
        before = len(knn.datastore.examples)
        entries = knn.forget(example_ids or None, source=source, text=text)
        examples = before - len(knn.datastore.examples)
    if as_json:
        print_json({"examples": examples, "entries": entries})
    else:
        typer.echo(f"{model}: forgot {examples:,} examples, {entries:,} entries")
