"""The time until a correction takes effect, and the cost of many of them.

Words/s with 0, 5, 500 and 10,000 corrections are divided by those of the same pipeline
without `knn_ner`, which takes turns with it.

python benchmarks/adding.py models/conll2003/default/0/tuned \
    corpus/conll2003/test.spacy corpus/{wnut17,ncbi}/train.spacy \
    corpus/{wnut17,ncbi}/dev.spacy --rounds 9 --output adding.json

With `--one-span` of every Doc only the first entity is taught, and nothing else is
annotated, as people correct.
"""

import statistics
import time
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from pipeline import seconds
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.reading.annotations import annotated_text

SIZES = (0, 5, 500, 10_000)


def main(
    model: Annotated[str, typer.Argument(help="A pipeline, with or without knn_ner.")],
    corpus: Annotated[Path, typer.Argument(help="Docs to run it on.")],
    corrections: Annotated[list[Path], typer.Argument(help="Docs to be added.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    n_docs: Annotated[int, typer.Option(help="How many Docs to run it on.")] = 500,
    rounds: Annotated[int, typer.Option(help="With and without.")] = 5,
    one_span: Annotated[bool, typer.Option(help="Of every Doc to be added.")] = False,
) -> None:
    """Medians."""
    nlp = spacy.load(model)
    if not nlp.has_pipe("knn_ner"):
        nlp.add_pipe("knn_ner")
    knn: Any = nlp.get_pipe("knn_ner")
    texts = [annotated_text(doc, "bench") for doc in read_docs(corpus, nlp.vocab)]
    texts = texts[:: max(1, len(texts) // n_docs)][:n_docs]
    docs = chain(*(read_docs(path, nlp.vocab) for path in corrections))
    given: list[Any] = [doc.ents[0] if one_span else doc for doc in docs if doc.ents]
    seconds(nlp, texts, 128)  # everything is loaded from here on
    found: dict[str, Any] = {
        "entries": len(knn.datastore.store),
        "ms": _latencies(nlp, given[:50]),
    }
    msg.info(str(found))
    plain = spacy.load(model, exclude=["knn_ner"])
    seconds(plain, texts, 128)
    added = 0
    for n in SIZES:
        for batch in util.minibatch(given[added:n], size=256):
            knn.teach(list(batch))
        added = min(n, len(given))
        seconds(nlp, texts, 128)
        ratios = [
            seconds(plain, texts, 128) / seconds(nlp, texts, 128) for _ in range(rounds)
        ]
        found[str(added)] = {
            "entries": len(knn.datastore.corrections),
            "ratio": statistics.median(ratios),
            "spread": [min(ratios), max(ratios)],
        }
        msg.info(f"{added} corrections: {found[str(added)]}")
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def _latencies(nlp: Language, given: list[Any]) -> dict[str, float]:
    """Milliseconds to predict, to add, and to predict again; medians."""
    knn: Any = nlp.get_pipe("knn_ner")
    latencies = []
    for item in given:
        text = (item if isinstance(item, Doc) else item.doc).text
        times = [time.perf_counter()]
        nlp(text)
        times.append(time.perf_counter())
        added = knn.teach(item)
        times.append(time.perf_counter())
        nlp(text)
        times.append(time.perf_counter())
        latencies.append([b - a for a, b in pairwise(times)])
        knn.forget(added)
    columns = zip(*latencies, strict=True)
    names = ("before", "to_add", "after")
    return {n: 1e3 * statistics.median(c) for n, c in zip(names, columns, strict=True)}


if __name__ == "__main__":
    typer.run(main)
