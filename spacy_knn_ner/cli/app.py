"""The verbs under one name: `spacy knn`, and `spacy-knn` by itself."""

import typer

from .add import add
from .audit import audit
from .build import build
from .compress import compress
from .convert import convert
from .evaluate import evaluate
from .explain import explain
from .forget import forget
from .info import info
from .rebuild import rebuild
from .serve import serve
from .tune import tune

app = typer.Typer(
    name="knn",
    help="Named entity recognition with nearest neighbors (kNN-NER).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
VERBS = (
    convert,
    build,
    tune,
    compress,
    evaluate,
    info,
    explain,
    add,
    forget,
    rebuild,
    serve,
    audit,
)
for verb in VERBS:
    app.command(verb.__name__)(verb)
