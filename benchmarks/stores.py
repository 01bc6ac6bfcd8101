"""What a shared store costs: words per second with its knn_ner / without, for the store
in files and in databases; how fast they are loaded, and their size. PostgreSQL is a
server of a package, on this machine; Qdrant its engine without the server.

python benchmarks/stores.py models/conll2003/default/0/tuned \
    corpus/conll2003/test.spacy --output stores.json \
    --store files --store postgres-hnsw --store qdrant-hnsw
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
    store: Annotated[
        list[str], typer.Option(help="files, or postgres, qdrant with -exact, -hnsw.")
    ],
    entries: Annotated[int | None, typer.Option(help="Repeat the store's.")] = None,
    n_docs: Annotated[int, typer.Option(help="How many Docs.")] = 300,
    rounds: Annotated[int, typer.Option(help="Of all, taking turns.")] = 3,
) -> None:
    """Medians of ratios within a round."""
    with ExitStack() as stack:
        databases = Databases(stack)
        pipelines, rows = {}, {}
        for name in store:
            nlp = loaded(model, entries)
            rows[name] = {"store": name, **databases.load(name, nlp)}
            pipelines[name] = nlp
            msg.info(f"{rows[name]}")
        time_all(model, corpus, pipelines, rows, n_docs, rounds)
    found = list(rows.values())
    srsly.write_json(output, found)
    columns = list(dict.fromkeys(column for row in found for column in row))
    table = [[str(row.get(column, "")) for column in columns] for row in found]
    msg.table(table, header=columns)


class Databases:
    """Servers, started when they are needed."""

    def __init__(self, stack: ExitStack) -> None:
        """stack (ExitStack): Ends them."""
        self._stack = stack

    def load(self, name: str, nlp: Any) -> dict[str, Any]:
        """Move the store of a pipeline.

        name (str): Where to.
        nlp (Language): The pipeline.
        RETURNS (dict): How long it took, and sizes.
        """
        if name == "files":
            return {}
        database, _, index = name.partition("-")
        url, optimize, sizes = getattr(self, f"_{database}")()
        knn, kind = nlp.get_pipe("knn_ner"), f"spacy_knn_ner.{database.title()}.v1"
        block = {"@knn_stores": kind, "url": url, "name": "store", "index": "exact"}
        started = time.perf_counter()
        sharing.move(knn, block)
        taken, n = time.perf_counter() - started, len(knn.datastore.store)
        knn.set_settings(store={"index": index})
        started = time.perf_counter()
        knn.datastore.home.make_index(knn.datastore, knn.settings.metric)
        optimize()
        made = time.perf_counter() - started
        info = knn.make_index()
        keys, indexes = sizes(knn.datastore.home.server)
        return {
            "loaded_per_s": round(n / taken),
            "index_s": round(made, 1),
            "bytes_per_entry": round(keys / n),
            "index_bytes_per_entry": round(indexes / n),
            "info": info,
        }

    def _postgres(self) -> Any:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / "pg"
        url = self._stack.enter_context(postgres.running(folder)).url

        def sizes(server: Any) -> list[int]:
            return [server.db.execute(q).fetchone()[0] for q in (SIZE, INDEX_SIZE)]

        return url, lambda: None, sizes

    def _qdrant(self) -> Any:
        import qdrant_edge_client

        url, client = self._stack.enter_context(qdrant_edge_client.running())
        return url, client.optimize, lambda server: client.sizes()


def time_all(
    model: Path,
    corpus: Path,
    pipelines: dict[str, Any],
    rows: dict[str, dict[str, Any]],
    n_docs: int,
    rounds: int,
) -> None:
    """Time the pipelines, and add what they took to the rows."""
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
        knn = nlp.get_pipe("knn_ner")
        rows[name] |= {
            "ratio": round(statistics.median(ratios[name]), 3),
            "spread": [round(min(ratios[name]), 3), round(max(ratios[name]), 3)],
            "entries": len(knn.datastore.store),
            "looked_up": round(knn.lookups.looked_up / knn.lookups.tokens, 4),
            "threads": torch.get_num_threads(),
        }


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
