"""The verbs under one name: `spacy knn`, and `spacy-knn` by itself."""

import typer

from .verbs.annotate import annotate
from .verbs.audit import audit
from .verbs.contexts import contexts
from .verbs.convert import convert
from .verbs.evaluate import evaluate
from .verbs.explain import explain
from .verbs.serve import serve
from .verbs.store.add import add
from .verbs.store.build import build
from .verbs.store.compress import compress
from .verbs.store.forget import forget
from .verbs.store.info import info
from .verbs.store.move import move
from .verbs.store.rebuild import rebuild
from .verbs.tune import tune
from .verbs.vectors import vectors

app = typer.Typer(
    name="knn",
    help="Retrieval-augmented named entity recognition (kNN-NER).",
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
    move,
    serve,
    annotate,
    audit,
    vectors,
)
for verb in VERBS:
    app.command(verb.__name__)(verb)
app.add_typer(contexts, name="contexts")
