"""The verbs under one name: `spacy knn`, and `spacy-knn` by itself."""

import typer

from .build import build
from .compress import compress
from .convert import convert
from .evaluate import evaluate
from .explain import explain
from .info import info
from .tune import tune

app = typer.Typer(
    name="knn",
    help="Named entity recognition with nearest neighbors (kNN-NER).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for verb in (convert, build, tune, compress, evaluate, info, explain):
    app.command(verb.__name__)(verb)
