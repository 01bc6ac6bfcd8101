"""`spacy knn explain`"""

import math
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
    """Show the entities of a text, and for each token of theirs what the tagger says
    and which neighbors voted.

    Example: spacy knn explain model "Ada Lovelace lived in London"
    """
    nlp = load_pipeline(model)
    knn = find_component(nlp, name)
    doc = nlp(text)
    if word is None:
        tokens = [token for token in doc if token.ent_type_]
    else:
        tokens = [token for token in doc if token.text == word]
    if word is not None and not tokens:
        raise KnnNerError(Errors.E070, word=word, words=[t.text for t in doc])
    group = doc.spans[name]  # with scores, and untouched by what comes behind
    found = {
        "text": text,
        "entities": [
            {"start": e.start, "end": e.end, "label": e.label_, "score": _known(score)}
            for e, score in zip(group, group.attrs["scores"], strict=True)
        ],
        "tokens": [
            {
                "i": token.i,
                "text": token.text,
                "tag": _tag(token),
                "tagger": _best(doc, token.i),
                "neighbors": [asdict(e) for e in knn.neighbors(doc, token.i, n=n)],
            }
            for token in tokens
        ],
    }
    if as_json:
        print_json(found)
    else:
        _show(doc, found)


def _known(score: float) -> float | None:
    """A score, unless the gate passed over the entity."""
    return None if math.isnan(score) else float(score)


def _tag(token: Any) -> str:
    return f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O"


def _best(doc: Any, i: int, n: int = 3) -> dict[str, float]:
    """The tagger's most probable tags."""
    from ..pipeline import handover

    value = handover.read(doc)
    if value is None:
        return {}
    p = value["probabilities"][i]
    return {value["tags"][j]: float(p[j]) for j in p.argsort()[::-1][:n]}


def _show(doc: Any, found: dict[str, Any]) -> None:
    for e in found["entities"]:
        span = color(doc[e["start"] : e["end"]].text, bold=True)
        score = "–" if e["score"] is None else f"{e['score']:.2f}"
        typer.echo(f"{span}  {e['label']}  score {score}")
    if not found["entities"]:
        typer.echo("No entities.")
    for token in found["tokens"]:
        p = ", ".join(f"{tag} {value:.2f}" for tag, value in token["tagger"].items())
        typer.echo(f"\n{color(token['text'], bold=True)}  tagger: {p}")
        for neighbor in token["neighbors"]:
            typer.echo(f"  {neighbor_line(neighbor)}")


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
    tier = "  correction" if neighbor["tier"] == "corrections" else ""
    return (
        f"{neighbor['tag']:<16} distance {neighbor['distance']:.3f}  "
        f"vote {neighbor['share']:4.0%}{tier}  {around}"
    )
