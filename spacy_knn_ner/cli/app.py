"""The verbs under one name: `spacy knn`, and `spacy-knn` by itself."""

import typer

from .convert import convert

app = typer.Typer(
    name="knn",
    help="Named entity recognition with nearest neighbors (kNN-NER).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (convert,):
    app.command(verb.__name__)(verb)
