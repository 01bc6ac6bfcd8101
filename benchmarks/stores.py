"""What a shared store costs: words per second with its knn_ner / without, for the store
in files and in a database; how fast it is loaded, and its size there. Without --store a
PostgreSQL server of a package is used, on this machine.

python benchmarks/stores.py models/conll2003/default/0/tuned \
    corpus/conll2003/test.spacy --output stores.json --index exact --index hnsw
"""

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from pipeline import WEIGHT, seconds
from wasabi import msg

from spacy_knn_ner.components.memory import sharing
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.reading.annotations import annotated_text
from spacy_knn_ner.types import AnnotatedText

sys.path.append(str(Path(__file__).parent.parent / "reliability"))
import postgres

SIZE = "SELECT pg_total_relation_size('store') - coalesce(pg_indexes_size('store'), 0)"
INDEX_SIZE = "SELECT pg_indexes_size('store')"


def repeated(table: EntryTable, size: int) -> EntryTable:
    """Repeat the entries of a store until there are so many, each time with other
    noise of a tenth of a key's length."""
    numbers = np.random.default_rng(0)
    keys, entries = table.keys.array(), table.entries.array()
    times = -(-size // len(keys))
    noise = 0.1 * np.linalg.norm(keys, axis=1).mean() / keys.shape[1] ** 0.5
    made = np.empty((times * len(keys), keys.shape[1]), keys.dtype)
    for i in range(times):
        part = keys.astype(np.float32)
        part += noise * numbers.standard_normal(keys.shape, np.float32) * (i > 0)
        made[i * len(keys) : (i + 1) * len(keys)] = part
    tags = np.tile(table.tags.array(), times)
    return EntryTable.of_arrays(
        made[:size], np.tile(entries, times)[:size], tags[:size]
    )


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store in files.")],
    corpus: Annotated[Path, typer.Argument(help="Docs to run it on.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    store: Annotated[str | None, typer.Option(help="URL of a database.")] = None,
    index: Annotated[list[str] | None, typer.Option(help="exact, hnsw.")] = None,
    entries: Annotated[int | None, typer.Option(help="Repeat the store's.")] = None,
    n_docs: Annotated[int, typer.Option(help="How many Docs.")] = 300,
    rounds: Annotated[int, typer.Option(help="Of all, taking turns.")] = 3,
) -> None:
    """Medians of ratios within a round."""
    with ExitStack() as stack:
        if store is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "pg"
            store = stack.enter_context(postgres.running(folder)).url
        found = measure(
            model, corpus, store, index or ["exact"], entries, n_docs, rounds
        )
    srsly.write_json(output, found)
    columns = list(found[0])
    msg.table([[str(row.get(c, "")) for c in columns] for row in found], header=columns)


def measure(
    model: Path,
    corpus: Path,
    url: str,
    indexes: list[str],
    entries: int | None,
    n_docs: int,
    rounds: int,
) -> list[dict[str, Any]]:
    """Load the store everywhere, and time the pipelines."""
    pipelines: dict[str, Any] = {"files": loaded(model, entries)}
    rows: dict[str, dict[str, Any]] = {"files": {"store": "files"}}
    for index in indexes:
        nlp = loaded(model, entries)
        knn: Any = nlp.get_pipe("knn_ner")
        block = {"@knn_stores": "spacy_knn_ner.Postgres.v1", "url": url}
        block |= {"name": f"bench_{index}", "index": "exact"}
        started = time.perf_counter()
        sharing.move(knn, block)
        taken = time.perf_counter() - started
        knn.set_settings(store={"index": index})
        started = time.perf_counter()
        info = knn.make_index()
        db = knn.datastore.home.server.db
        n = len(knn.datastore.store)
        rows[index] = {
            "store": f"postgres {index}",
            "loaded_per_s": n / taken,
            "index_s": time.perf_counter() - started,
            "bytes_per_entry": db.execute(SIZE).fetchone()[0] / n,
            "index_bytes_per_entry": db.execute(INDEX_SIZE).fetchone()[0] / n,
            "info": info,
        }
        pipelines[index] = nlp
        msg.info(f"{rows[index]}")
    without = spacy.load(model, exclude=["knn_ner"])
    docs = read_docs(corpus, without.vocab)
    texts: list[AnnotatedText] = [annotated_text(doc, "bench") for doc in docs]
    texts = texts[:: max(1, len(texts) // n_docs)][:n_docs]
    for nlp in (without, *pipelines.values()):
        seconds(nlp, texts, 128)  # everything is loaded from here on
    ratios: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(rounds):
        alone = seconds(without, texts, 128)
        for name, nlp in pipelines.items():
            ratios[name].append(alone / seconds(nlp, texts, 128))
    for name, nlp in pipelines.items():
        lookups = nlp.get_pipe("knn_ner").lookups
        rows[name] |= {
            "ratio": round(statistics.median(ratios[name]), 3),
            "spread": [round(min(ratios[name]), 3), round(max(ratios[name]), 3)],
            "entries": len(nlp.get_pipe("knn_ner").datastore.store),
            "looked_up": round(lookups.looked_up / lookups.tokens, 4),
            "threads": torch.get_num_threads(),
        }
    return list(rows.values())


def loaded(model: Path, entries: int | None) -> Any:
    """The pipeline, perhaps with a larger store."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    knn.set_settings(interpolation={"weight": WEIGHT}, k=32, temperature=0.05)
    if entries is not None:
        datastore: Datastore = knn.datastore
        datastore.store = repeated(datastore.store, entries)
        datastore.store.index_factory = knn.memory.index_factory
    return nlp


if __name__ == "__main__":
    typer.run(main)
