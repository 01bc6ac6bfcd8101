"""`spacy knn audit`"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from wasabi import color

from ..corpora.docbin import read_docs
from .explain import neighbor_line
from .terminal import (
    CacheOpt,
    GpuOpt,
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
)


@clear_errors
def audit(
    model: ModelArg,
    corpus: Annotated[Path, typer.Argument(help="Labelled Docs, a .spacy file.")],
    n: Annotated[int, typer.Option("-n", help="How many places; 0: all.", min=0)] = 20,
    name: NameOpt = "knn_ner",
    cache: CacheOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Find errors in annotation: places where the nearest neighbors, without those of
    the same document, say something else than the annotator, most suspicious first.

    Example: spacy knn audit model train.spacy
    """
    from ..evaluation.audit import audit as find

    nlp = load_pipeline(model, gpu_id)
    knn = find_component(nlp, name)
    docs = read_docs(corpus, nlp.vocab)
    found = find(knn, docs, n=n or None, cache=cache, show_progress=not as_json)
    if as_json:
        print_json([asdict(suspicion) for suspicion in found])
        return
    for number, suspicion in enumerate(found, start=1):
        _show(number, asdict(suspicion))
    if not found:
        typer.echo("The neighbors agree with all of it.")


def _show(number: int, found: dict[str, Any]) -> None:
    typer.echo(f"{number}. Doc {found['doc']}, score {found['score']:.2f}")
    typer.echo(f"   {_sentence(found)}")
    for title in ("annotated", "expected"):
        typer.echo(f"   {title:<10} {_entities(found, found[title])}")
    for neighbor in found["evidence"]:
        typer.echo(f"     {neighbor_line(neighbor)}")
    typer.echo("")


def _sentence(found: dict[str, Any]) -> str:
    words = [
        color(word, bold=True) if found["start"] <= i < found["end"] else word
        for i, word in enumerate(found["words"])
    ]
    pairs = zip(words, found["spaces"], strict=True)
    return "".join(word + " " * space for word, space in pairs)


def _entities(found: dict[str, Any], entities: list[Any]) -> str:
    shown = []
    for start, end, label in entities:
        pairs = zip(found["words"][start:end], found["spaces"][start:end], strict=True)
        text = "".join(word + " " * space for word, space in pairs).strip()
        shown.append(f"{text} ({label})")
    return ", ".join(shown) or "no entity"
