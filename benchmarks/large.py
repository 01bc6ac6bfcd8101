"""A large store: the time to load it, and the cost of lookups per token.

The encoder of a large store may be another than the one that matters: so the time that
looking up takes, per token, is set against the time per token of a reference pipeline
without knn_ner, taking turns.

python benchmarks/large.py models/msra-384 corpus/msra/test.spacy \
    models/conll2003/default/0/tuned corpus/conll2003/test.spacy --output large.json
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from pipeline import WEIGHT, seconds
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.datastore.index.fidelity import fidelity
from spacy_knn_ner.evaluation.corpus import Corpus
from spacy_knn_ner.evaluation.metrics import SystemResult
from spacy_knn_ner.inference.decoding import decode
from spacy_knn_ner.reading.annotations import annotated_text
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.registry import index_block
from spacy_knn_ner.types import TokenBatch, TokenKeys

# In a process of its own: nothing is loaded, and the file is not in this one's memory.
LOADING = """
import json, sys, time
import numpy as np
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.inference.retriever import StoreRetriever
from spacy_knn_ner.registry import resolve
from spacy_knn_ner.settings import Settings
import faiss, torch
folder, block = sys.argv[1], json.loads(sys.argv[2])
datastore = Datastore()
datastore.store.index_factory = resolve(block)
started = time.perf_counter()
datastore.from_disk(folder)
loaded = time.perf_counter()
width = datastore.width
query = np.random.default_rng(0).normal(size=(1, width)).astype("float32")
StoreRetriever(datastore, Settings()).key_votes(query)
print(json.dumps([loaded - started, time.perf_counter() - loaded]))
"""


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a large store.")],
    corpus: Annotated[Path, typer.Argument(help="Docs whose tokens are looked up.")],
    reference: Annotated[Path, typer.Argument(help="The pipeline that is slowed.")],
    reference_corpus: Annotated[Path, typer.Argument(help="Docs for it.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    n_docs: Annotated[int, typer.Option(help="How many Docs of each.")] = 500,
    rounds: Annotated[int, typer.Option(help="Of both, taking turns.")] = 3,
    cache: Annotated[Path | None, typer.Option(help="For encoder outputs.")] = None,
    exact: Annotated[bool, typer.Option(help="Compare with exact search.")] = True,
) -> None:
    """Medians of ratios within a round."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    knn.set_settings(k=32, temperature=0.05, lookup={"mode": "lossless"})
    knn.interpolation = {"weight": WEIGHT}
    docs = read_docs(corpus, nlp.vocab)
    docs = docs[:: max(1, len(docs) // n_docs)][:n_docs]
    corpus_batch = encode(knn.reader, docs, cache=cache)
    batches = in_batches(corpus_batch, 128)
    other = spacy.load(reference, exclude=["knn_ner"])
    texts = [annotated_text(doc, "b") for doc in read_docs(reference_corpus, nlp.vocab)]
    texts = texts[:: max(1, len(texts) // n_docs)][:n_docs]
    words = sum(len(text.words) for text in texts)
    (
        look_up(knn, batches),
        seconds(other, texts, 128),
    )  # everything is loaded from here on
    ratios, added, theirs = [], [], []
    for _ in range(rounds):
        started = time.perf_counter()
        ids, looked_up = look_up(knn, batches)
        added.append((time.perf_counter() - started) / len(corpus_batch))
        theirs.append(seconds(other, texts, 128) / words)
        ratios.append(theirs[-1] / (theirs[-1] + added[-1]))
    store = knn.datastore.store
    found: dict[str, Any] = {
        "entries": len(store),
        "index": store.index_info(),
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "ms_per_token": 1e3 * statistics.median(added),
        "reference_ms_per_token": 1e3 * statistics.median(theirs),
        "looked_up": looked_up,
        "weight": WEIGHT,
        "scores": knn.lookup.score_entities,
        "threads": torch.get_num_threads(),
        "bytes": store.nbytes(),
    }
    block = srsly.json_dumps(knn.config()["index"])
    folder = model / "knn_ner" / "datastore"
    loading = [load(folder, block) for _ in range(rounds)]
    found["load_s"], found["first_query_s"] = np.median(loading, axis=0).tolist()
    msg.info(str(found))
    if exact:
        batch = corpus_batch
        tagger = decode(batch.p_base, batch.tag_set, knn.decoding, batch.lengths)
        scores = [f1(knn, docs, batch, ids)]
        knn.index = index_block("exact")
        best, _ = look_up(knn, batches)
        scores.append(f1(knn, docs, batch, best))
        same = fidelity(tagger, best, ids)
        found |= {"fidelity": same.share, "changed": same.changed, "f1": scores}
        msg.info(f"fidelity {same}, F1 and with exact search {scores}")
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def in_batches(corpus: TokenBatch, size: int) -> list[TokenBatch]:
    """Split a corpus into batches, as the pipeline would."""
    ends = np.cumsum(corpus.lengths)
    starts = ends - corpus.lengths
    found = []
    for i in range(0, len(ends), size):
        j = min(i + size, len(ends)) - 1
        first, last = starts[i], ends[j]
        keys = corpus.keys
        within = (keys.tokens >= first) & (keys.tokens < last)
        tokens = keys.tokens[within] - first
        part = TokenKeys(keys.vectors[within], tokens, last - first)
        lengths, words = corpus.lengths[i : j + 1], corpus.words[first:last]
        p_base = corpus.p_base[first:last]
        found.append(TokenBatch(corpus.tag_set, lengths, words, p_base, part))
    return found


def look_up(knn: Any, batches: list[TokenBatch]) -> tuple[np.ndarray, float]:
    """Do what knn_ner does after the encoder. Returns the tags, and the share of tokens
    that are looked up."""
    tags, n_looked_up = [], 0
    for batch in batches:
        prediction = knn.predictor.predict(batch)
        tags.append(prediction.tags)
        n_looked_up += int(prediction.looked_up.sum())
    every = np.concatenate(tags)
    return every, n_looked_up / len(every)


def f1(knn: Any, docs: list[Any], batch: TokenBatch, ids: np.ndarray) -> float:
    """Span F1 of some tags."""
    p = np.eye(len(batch.tag_set))[ids]
    system = SystemResult(Corpus(docs, batch.tag_set), batch, ids, p)
    return system.count().scores()["f1"]


def load(folder: Path, block: str) -> list[float]:
    """Measure seconds to load a datastore, and then to answer a first query."""
    command = [sys.executable, "-c", LOADING, str(folder), block]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return srsly.json_loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    typer.run(main)
