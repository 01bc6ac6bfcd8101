"""Measure how the time per entity grows with the entities of one Doc.

python benchmarks/many_entities.py --output many_entities.json
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from wasabi import msg

from spacy_knn_ner.rendering.entities import render

SIZES = (100, 1000, 10_000)


@Language.component("benchmark_entities")
def every_capital(doc: Doc) -> Doc:
    """Find entities as a tagger would."""
    doc.set_ents(
        [Span(doc, t.i, t.i + 1, "PERSON") for t in doc if t.text[0].isupper()]
    )
    return doc


def pipeline() -> Language:
    """Entities of a component, and `knn_ner` with corrections of some words."""
    nlp = spacy.blank("en")
    nlp.add_pipe("benchmark_entities")
    knn: Any = nlp.add_pipe("knn_ner", config={"keys": {"source": "words"}})
    for i in range(50):
        knn.add((f"we met Name{i} there", {f"Name{i}": "PLACE"}))
    return nlp


def text_of(n: int) -> str:
    """A text of n entities, some of which are corrected."""
    return " ".join(f"Name{i % 500} was" for i in range(n))


def scores(doc: Doc) -> list[float | None]:
    """The score of each entity."""
    return [ent._.knn_score for ent in doc.ents]


def copied(doc: Doc) -> Doc:
    """As it comes from another process."""
    return Doc(doc.vocab).from_bytes(doc.to_bytes())


def added(knn: Any, doc: Doc) -> None:
    """Add all entities as one correction, and forget it."""
    knn.forget(knn.add([doc]))


def timed(step: Callable[[], Any]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
) -> None:
    """Time what is done with a Doc; above 1 it grows faster than its entities."""
    nlp = pipeline()
    knn: Any = nlp.get_pipe("knn_ner")
    seconds: dict[int, dict[str, float]] = {}
    for n in SIZES:
        text = text_of(n)
        nlp(text)  # words of the vocabulary
        doc = nlp(text)
        seconds[n] = {
            "predict": timed(partial(nlp, text)),
            "scores": timed(partial(scores, doc)),
            "explain": timed(partial(knn.explain, doc)),
            "page": timed(partial(render, doc, knn)),
            "bytes": timed(partial(copied, doc)),
            "add": timed(partial(added, knn, doc)),
        }
    first, last = SIZES[0], SIZES[-1]
    rows = [
        {
            "step": step,
            **{f"{n} entities, ms each": 1000 * seconds[n][step] / n for n in SIZES},
            "last / first": (seconds[last][step] * first)
            / (seconds[first][step] * last),
        }
        for step in seconds[first]
    ]
    srsly.write_json(output, rows)
    values = [[*row.values()] for row in rows]
    shown = [[step, *(f"{value:.3f}" for value in others)] for step, *others in values]
    msg.table(shown, header=tuple(rows[0]))


if __name__ == "__main__":
    typer.run(main)
