"""The cost of lookups: words per second with knn_ner / without.

python benchmarks/pipeline.py models/conll2003/default/0/tuned \
    corpus/conll2003/test.spacy --output pipeline.json
"""

import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.reading.annotations import annotated_text, make_doc
from spacy_knn_ner.registry import index_block

WEIGHT = 0.3
SIZES = (10_000, 50_000)
INDEXES = ("flat", "exact", "auto")
MODES = ("lossless", "all")
HEADER = ("entries", "index", "mode", "scores", "made", "fidelity", "ratio", "spread")


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Docs to run it on.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    n_docs: Annotated[int, typer.Option(help="How many Docs.")] = 500,
    rounds: Annotated[int, typer.Option(help="With and without, taking turns.")] = 3,
    batch_size: Annotated[int, typer.Option(help="Docs per batch.")] = 128,
    quick: Annotated[bool, typer.Option(help="The whole store, scores on.")] = False,
) -> None:
    """Measure every size of the store, index and gate; medians of ratios."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    knn.set_settings(interpolation={"weight": WEIGHT}, k=32, temperature=0.05)
    texts = [annotated_text(doc, "bench") for doc in read_docs(corpus, nlp.vocab)]
    texts = texts[:: max(1, len(texts) // n_docs)][:n_docs]  # of every kind
    words = sum(len(text.words) for text in texts)
    whole = knn.datastore.store
    sizes = (len(whole),) if quick else (*SIZES, len(whole))
    rows = []
    for size, index in itertools.product(sizes, INDEXES):
        knn.datastore.store = first_entries(whole, size)
        knn.set_settings(index=index_block(index))
        made = knn.make_index()
        for mode, scores in itertools.product(MODES, (True, False)):
            if mode == "all" and (index == "auto" or not scores):
                continue
            if quick and (mode == "all" or not scores):
                continue
            knn.set_settings(lookup={"mode": mode, "score_entities": scores})
            ratios, rate = compare(nlp, texts, batch_size, rounds)
            fidelity = made.get("fidelity") or {}
            rows.append(
                {
                    "entries": size,
                    "index": index,
                    "mode": mode,
                    "scores": scores,
                    "made": made["kind"],
                    "fidelity": fidelity.get("share", 1.0),
                    "ratio": statistics.median(ratios),
                    "spread": [min(ratios), max(ratios)],
                    "words_per_s_without": rate,
                }
            )
            msg.info(str(rows[-1]))
    about = {
        "words": words,
        "weight": WEIGHT,
        "batch_size": batch_size,
        "threads": torch.get_num_threads(),
        "rounds": rounds,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, {**about, "rows": rows})
    table = [[shown(row[name]) for name in HEADER] for row in rows]
    msg.table(table, header=HEADER, divider=True)


def compare(
    nlp: Language, texts: Sequence[Any], batch_size: int, rounds: int
) -> tuple[list[float], float]:
    """Time without knn_ner / time with it, per round; words per second without."""
    words = sum(len(text.words) for text in texts)
    ratios, rates = [], []
    seconds(nlp, texts[:batch_size], batch_size)  # everything is loaded from here on
    for _ in range(rounds):
        without = seconds(nlp, texts, batch_size, disable=["knn_ner"])
        ratios.append(without / seconds(nlp, texts, batch_size))
        rates.append(words / without)
    return ratios, statistics.median(rates)


def seconds(
    nlp: Language, texts: Sequence[Any], batch_size: int, disable: Sequence[str] = ()
) -> float:
    """How long a pipeline takes."""
    docs: list[Doc] = [make_doc(nlp, text) for text in texts]
    started = time.perf_counter()
    for _ in nlp.pipe(docs, batch_size=batch_size, disable=list(disable)):
        pass
    return time.perf_counter() - started


def first_entries(table: EntryTable, n: int) -> EntryTable:
    """A smaller store."""
    keys = np.array(table.keys.array()[:n])
    entries, tags = (
        np.array(column.array()[:n]) for column in (table.entries, table.tags)
    )
    return EntryTable.of_arrays(keys, entries, tags)


def shown(value: Any) -> str:
    """A cell."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return "–".join(shown(part) for part in value)
    return "null" if value is None else str(value)


if __name__ == "__main__":
    typer.run(main)
