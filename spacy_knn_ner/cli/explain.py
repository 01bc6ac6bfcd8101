"""`spacy knn explain`"""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from wasabi import color

from ..errors import Errors, KnnNerError
from .terminal import (
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
)

_WORDS = 6  # shown to either side of a neighbor's token
_TITLES = {
    "base": "in front",
    "store": "neighbors",
    "corrections": "corrections",
    "final": "together",
}


@clear_errors
def explain(
    model: ModelArg,
    text: Annotated[str, typer.Argument(help="A text to look at.")],
    word: Annotated[
        str | None,
        typer.Option(help="Explain tokens with this text. Default: the entities'."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Neighbors per token.", min=1)] = 5,
    name: NameOpt = "knn_ner",
    as_json: JsonOpt = False,
) -> None:
    """Show the entities of a text, and how their tokens came by their tags: what the
    tagger, the neighbors and the corrections say, and which of them voted.

    Example: spacy knn explain model "Ada Lovelace lived in London"
    """
    nlp = load_pipeline(model)
    knn = find_component(nlp, name)
    doc = nlp(text)
    found: dict[str, Any] = {"text": text}
    entities = knn.explain(doc, n=n)
    found["entities"] = [asdict(entity) for entity in entities]
    if word is not None:
        tokens = [token.i for token in doc if token.text == word]
        if not tokens:
            raise KnnNerError(Errors.E070, word=word, words=[t.text for t in doc])
        explained = knn.explain_tokens(doc, tokens, n=n)
        found["tokens"] = [asdict(token) for token in explained]
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    for entity in found["entities"]:
        span = color(entity["text"], bold=True)
        score = entity["score"]
        how = "set by a ruler" if score is None else f"score {score:.2f}"
        if not entity["found"]:
            how = "not found, because of neighbors"
        elif entity["changed"]:
            how += ", found because of neighbors"
        if entity["unknown"]:
            how += ", unknown: nothing like it was seen"
        typer.echo(f"{span}  {entity['label']}  {how}")
    if not found["entities"]:
        typer.echo("No entities.")
    tokens = found.get("tokens")
    if tokens is None:
        tokens = [token for entity in found["entities"] for token in entity["tokens"]]
    for token in {token["i"]: token for token in tokens}.values():
        typer.echo(f"\n{color(token['text'], bold=True)}  {token['tag']}")
        for title in ("base", "store", "corrections", "final"):
            if token[title]:
                best = token[title].items()
                p = [f"{tag} {value:.2f}" for tag, value in best if value >= 0.005]
                weight = f"  (weight {token['trust']:.2f})"
                shown = weight if title == "corrections" else ""
                typer.echo(f"  {_TITLES[title]:<12} {', '.join(p)}{shown}")
        for neighbor in token["neighbors"]:
            typer.echo(f"    {neighbor_line(neighbor)}")


def neighbor_line(neighbor: dict[str, Any]) -> str:
    """A neighbor on one line, with a few words around it.

    neighbor (dict): An `Evidence` as a dict.
    """
    at = neighbor["token"]
    words = list(neighbor["words"])
    words[at] = color(f"[{words[at]}]", bold=True)
    pairs = list(zip(words, neighbor["spaces"], strict=True))
    part = pairs[max(0, at - _WORDS) : at + _WORDS + 1]
    around = "".join(word + " " * space for word, space in part)
    tier = "  same words" if neighbor["same_words"] else ""
    if neighbor["tier"] == "corrections":
        tier = "  correction"
    return (
        f"{neighbor['tag']:<16} distance {neighbor['distance']:.3f}  "
        f"vote {neighbor['share']:4.0%}{tier}  {around}"
    )
