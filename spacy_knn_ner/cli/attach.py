"""Loaded by spaCy's command line (entry point `spacy_cli`): adds `spacy knn`."""

from spacy.cli._util import app as spacy_app

from .app import app

spacy_app.add_typer(app, name="knn")
