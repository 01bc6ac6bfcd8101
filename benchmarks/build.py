"""What does filling a store cost, beside the encoder's own work?

python benchmarks/build.py models/conll2003/default/0/tuned corpus/conll2003/dev.spacy \
    --output build.json
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy import util
from spacy.tokens import Doc
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.reading.annotations import annotated_text

BATCH = 64  # as `build` does by default


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with knn_ner.")],
    corpus: Annotated[Path, typer.Argument(help="Docs to fill the store with.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    n_docs: Annotated[int, typer.Option(help="How many Docs.")] = 1500,
    rounds: Annotated[int, typer.Option(help="Of both, taking turns.")] = 3,
) -> None:
    """Medians of ratios within a round."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    docs = read_docs(corpus, nlp.vocab)
    docs = docs[:: max(1, len(docs) // n_docs)][:n_docs]
    encode(knn, docs[:BATCH])  # everything is there from here on
    ratios, rates = [], []
    for _ in range(rounds):
        alone = encode(knn, docs)
        built = build(knn, docs)
        ratios.append(alone / built)
        rates.append(len(knn.datastore.store) / built)
    found = {
        "keys": len(knn.datastore.store),
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "keys_per_s": statistics.median(rates),
    }
    msg.info(str(found))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def encode(knn: Any, docs: list[Doc]) -> float:
    """Seconds that the components in front take."""
    started = time.perf_counter()
    for batch in util.minibatch(docs, size=BATCH):
        knn.memory.encoder.docs([annotated_text(doc, knn.name) for doc in batch])
    return time.perf_counter() - started


def build(knn: Any, docs: list[Doc]) -> float:
    """Seconds that a build takes, with its cache, its index and saving it."""
    folder = Path(tempfile.mkdtemp())
    started = time.perf_counter()
    knn.build(docs, batch_size=BATCH, show_progress=False, cache=folder / "cache")
    knn.to_disk(folder / "saved")
    elapsed = time.perf_counter() - started
    shutil.rmtree(folder)
    return elapsed


if __name__ == "__main__":
    typer.run(main)
