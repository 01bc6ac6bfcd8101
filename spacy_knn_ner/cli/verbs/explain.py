"""`spacy knn explain`"""

from dataclasses import asdict, replace
from typing import Annotated

import typer
from wasabi import color

from ...errors import Errors, KnnNerError
from ..terminal import (
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
)


@clear_errors
def explain(
    model: ModelArg,
    text: Annotated[str, typer.Argument(help="The text.")],
    word: Annotated[
        str | None,
        typer.Option(help="Explain tokens with this text. Default: the entities'."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Neighbors per token.", min=1)] = 5,
    name: NameOpt = "knn_ner",
    as_json: JsonOpt = False,
) -> None:
    """Show the entities of a text, and how their tokens came by their tags: the
    distributions of tagger, neighbors and corrections, and which neighbors voted.

    Example: spacy knn explain model "Ada Lovelace lived in London"
    """
    nlp = load_pipeline(model)
    knn = find_component(nlp, name)
    doc = nlp(text)
    explanation = knn.explain(doc, n=n)
    if word is not None:
        chosen = [token for token in doc if token.text == word]
        if not chosen:
            raise KnnNerError(Errors.E070, word=word, words=[t.text for t in doc])
        tokens = [knn.explain(token, n=n).tokens[0] for token in chosen]
        explanation = replace(explanation, tokens=tokens)
    if as_json:
        print_json({"text": text, **asdict(explanation)})
    else:
        typer.echo(explanation.to_text(lambda shown: color(shown, bold=True)))
