"""`spacy knn audit`"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import color

from ...corpora.docbin import read_docs
from ..terminal import (
    CacheOpt,
    GpuOpt,
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
    shows_progress,
)


@clear_errors
def audit(
    model: ModelArg,
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs, a .spacy file.")],
    n: Annotated[int, typer.Option("-n", help="At most so many; 0: all.", min=0)] = 20,
    name: NameOpt = "knn_ner",
    cache: CacheOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Find annotation errors: where the nearest neighbors, without those of the same
    document, contradict the annotation, most likely first.

    Example: spacy knn audit model train.spacy
    """
    from ...evaluation.audit import audit as find

    nlp = load_pipeline(model, gpu_id)
    knn = find_component(nlp, name)
    docs = read_docs(corpus, nlp.vocab)
    found = find(
        knn, docs, n=n or None, cache=cache, show_progress=shows_progress(as_json)
    )
    if as_json:
        print_json([asdict(issue) for issue in found])
        return
    for number, issue in enumerate(found, start=1):
        _show(number, issue)
    if not found:
        typer.echo("The neighbors agree with the whole annotation.")


def _show(number: int, issue: Any) -> None:
    typer.echo(f"{number}. Doc {issue.doc}, score {issue.score:.2f}")
    words = [
        color(word, bold=True) if issue.start <= i < issue.end else word
        for i, word in enumerate(issue.words)
    ]
    typer.echo(f"   {_text(words, issue.spaces)}")
    for title in ("annotated", "expected"):
        typer.echo(f"   {title:<10} {_entities(issue, getattr(issue, title))}")
    for neighbor in issue.evidence:
        typer.echo(f"     {neighbor.to_text(lambda word: color(word, bold=True))}")
    typer.echo("")


def _text(words: list[str], spaces: list[bool]) -> str:
    pairs = zip(words, spaces, strict=True)
    return "".join(word + " " * space for word, space in pairs)


def _entities(issue: Any, entities: list[Any]) -> str:
    shown = [
        f"{_text(issue.words[start:end], issue.spaces[start:end]).strip()} ({label})"
        for start, end, label in entities
    ]
    return ", ".join(shown) or "no entity"
