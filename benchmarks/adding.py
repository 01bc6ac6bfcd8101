"""The time until a correction takes effect, and the cost of many of them.

python benchmarks/adding.py models/conll2003/default/0/tuned \
    corpus/conll2003/test.spacy corpus/{wnut17,ncbi}/train.spacy \
    corpus/{wnut17,ncbi}/dev.spacy --rounds 9 --output adding.json
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
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.reading.annotations import annotated_text

SIZES = (100, 10_000)


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Docs to run it on.")],
    corrections: Annotated[list[Path], typer.Argument(help="Docs to be added.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    n_docs: Annotated[int, typer.Option(help="How many Docs to run it on.")] = 500,
    rounds: Annotated[int, typer.Option(help="With and without.")] = 5,
) -> None:
    """Medians."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    texts = [annotated_text(doc, "bench") for doc in read_docs(corpus, nlp.vocab)]
    texts = texts[:: max(1, len(texts) // n_docs)][:n_docs]
    given = list(chain(*(read_docs(path, nlp.vocab) for path in corrections)))
    seconds(nlp, texts, 128)  # everything is loaded from here on
    latencies = []
    for doc in given[:50]:
        times = [time.perf_counter()]
        nlp(doc.text)
        times.append(time.perf_counter())
        ids = knn.add([doc])
        times.append(time.perf_counter())
        nlp(doc.text)
        times.append(time.perf_counter())
        latencies.append([b - a for a, b in pairwise(times)])
        knn.forget(ids)
    before, add, after = (
        1e3 * statistics.median(x) for x in zip(*latencies, strict=True)
    )
    found: dict[str, Any] = {
        "entries": len(knn.datastore.store),
        "ms_before": before,
        "ms_to_add": add,
        "ms_after": after,
    }
    msg.info(str(found))
    plain = spacy.load(model)
    seconds(plain, texts, 128)
    added = 0
    for n in SIZES:
        for batch in util.minibatch(given[added:n], size=256):
            knn.add(batch)
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
        msg.info(str(found[str(added)]))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


if __name__ == "__main__":
    typer.run(main)
