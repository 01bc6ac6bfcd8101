"""`spacy knn add`"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ....corpora.docbin import read_docs
from ....errors import Errors, KnnNerError
from ...edited import edited
from ...terminal import JsonOpt, NameOpt, clear_errors, print_json

_FEW = 10  # corrections that are shown one by one


@clear_errors
def add(
    model: Annotated[str, typer.Argument(help="A folder with a pipeline.")],
    corpus: Annotated[
        Path | None, typer.Argument(help="Annotated Docs, a .spacy file.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Or one text.")] = None,
    span: Annotated[
        list[str] | None,
        typer.Option(
            help="An entity in the text: 'words=label'; 'words=' is no entity. All "
            "occurrences of the words, or, if they are given several times, one each "
            "time. Other tokens stay without annotation."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Where this comes from; for `forget`.")
    ] = None,
    name: NameOpt = "knn_ner",
    as_json: JsonOpt = False,
) -> None:
    """Add corrections to a saved pipeline. They take effect when it is loaded.

    Example: spacy knn add model --text "We read Frankenstein" --span Frankenstein=book
    """
    if (corpus is None) == (text is None) or (text is None) != (not span):
        raise KnnNerError(Errors.E079)
    with edited(model, name) as knn:
        if corpus is not None:
            docs = read_docs(corpus, knn.vocab)
        else:
            docs = [annotated(knn.nlp.make_doc(text), span or [])]
        added = knn.add(docs, source=source)
        size = len(knn.datastore.corrections)
    if as_json:
        outcomes = [asdict(outcome) for outcome in added.outcomes]
        found = {"example_ids": added.ids, "corrections": size}
        print_json({**found, "outcomes": outcomes})
    else:
        _show(model, added, size)


def _show(model: str, added: Any, size: int) -> None:
    """What became of the corrections; of many, those that are not found."""
    ids = added.ids
    shown = ", ".join(map(str, ids[:10])) + (", …" if len(ids) > 10 else "")
    typer.echo(f"{model}: added {shown}; {size:,} correction entries in total")
    if len(ids) <= _FEW:
        typer.echo(added.text)
        return
    spans = [span for outcome in added.outcomes for span in outcome.spans]
    missed = [span for span in spans if not span.found]
    typer.echo(f"{len(spans) - len(missed):,} of {len(spans):,} spans are found now.")
    for span in missed[:_FEW]:
        typer.echo(span.line)


def annotated(doc: Any, spans: list[str]) -> Any:
    """Annotate some entities of a Doc; other tokens stay without annotation.

    doc (Doc): Without entities.
    spans (list[str]): `words=label`, or `words=` for no entity.
    RETURNS (Doc): A copy.
    RAISES (KnnNerError): For words that are no whole tokens of it.
    """
    from ....reading.given import by_words, partly

    for each in spans:
        if "=" not in each:
            raise KnnNerError(Errors.E058, given=each)
    parts = (each.rpartition("=") for each in spans)
    given = [(words, label) for words, _, label in parts]
    return partly(doc, list(by_words(doc, given)))
