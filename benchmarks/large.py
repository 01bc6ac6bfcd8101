"""A large store: how soon is it there, and what does looking up add to a token?

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
from functools import partial
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
from spacy_knn_ner.datastore.datastore import STORE
from spacy_knn_ner.datastore.fidelity import fidelity
from spacy_knn_ner.evaluation.encoded import encode
from spacy_knn_ner.evaluation.spans import Corpus
from spacy_knn_ner.evaluation.systems import System
from spacy_knn_ner.pipeline.gate import gated
from spacy_knn_ner.pipeline.labelled import labelled_text
from spacy_knn_ner.pipeline.mixing import Queries
from spacy_knn_ner.ty import TokenKeys

# In a process of its own: nothing is loaded, and the file is not in this one's memory.
LOADING = """
import json, sys, time
import numpy as np
from spacy_knn_ner.datastore.datastore import Datastore
import faiss, torch
folder, index = sys.argv[1:]
started = time.perf_counter()
datastore = Datastore().from_disk(folder)
loaded = time.perf_counter()
store = datastore.tiers["store"]
query = np.random.default_rng(0).normal(size=(1, store.width)).astype("float32")
how = {"k": 32, "temperature": 0.05, "metric": "cosine", "index": index}
store.vote(query, n_tags=len(datastore.tag_set), **how)
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
    knn.set_settings(weight=WEIGHT, k=32, temperature=0.05, gate="lossless")
    docs = read_docs(corpus, nlp.vocab)
    docs = docs[:: max(1, len(docs) // n_docs)][:n_docs]
    queries = encode(knn, docs, cache=cache)
    batches = in_batches(queries, 128)
    other = spacy.load(reference, exclude=["knn_ner"])
    texts = [labelled_text(doc, "b") for doc in read_docs(reference_corpus, nlp.vocab)]
    texts = texts[:: max(1, len(texts) // n_docs)][:n_docs]
    words = sum(len(text.words) for text in texts)
    look_up(knn, batches), seconds(other, texts, 128)  # all is there from here on
    ratios, added, theirs = [], [], []
    for _ in range(rounds):
        started = time.perf_counter()
        ids, asked = look_up(knn, batches)
        added.append((time.perf_counter() - started) / len(queries.p_ner))
        theirs.append(seconds(other, texts, 128) / words)
        ratios.append(theirs[-1] / (theirs[-1] + added[-1]))
    store = knn.datastore.tiers[STORE]
    found: dict[str, Any] = {
        "entries": len(store),
        "index": store.index_about,
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "ms_per_token": 1e3 * statistics.median(added),
        "reference_ms_per_token": 1e3 * statistics.median(theirs),
        "asked": asked,
        "weight": WEIGHT,
        "scores": knn.scores,
        "threads": torch.get_num_threads(),
        "bytes": store.nbytes(),
    }
    loading = [load(model / "knn_ner" / "datastore", knn.index) for _ in range(rounds)]
    found["load_s"], found["first_query_s"] = np.median(loading, axis=0).tolist()
    msg.info(str(found))
    if exact:
        tagger = queries.tag_set.decode(queries.p_ner, knn.decoding, queries.lengths)
        scores = [f1(knn, docs, queries, ids)]
        knn.set_settings(index="exact")
        best, _ = look_up(knn, batches)
        scores.append(f1(knn, docs, queries, best))
        same = fidelity(tagger, best, ids)
        found |= {"fidelity": same.share, "changed": same.changed, "f1": scores}
        msg.info(f"fidelity {same}, F1 and with exact search {scores}")
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def in_batches(queries: Queries, size: int) -> list[Queries]:
    """What the component gets to see of a corpus, batch by batch."""
    ends = np.cumsum(queries.lengths)
    starts = ends - queries.lengths
    found = []
    for i in range(0, len(ends), size):
        j = min(i + size, len(ends)) - 1
        first, last = starts[i], ends[j]
        keys = queries.keys
        mine = (keys.tokens >= first) & (keys.tokens < last)
        part = TokenKeys(keys.vectors[mine], keys.tokens[mine] - first, last - first)
        lengths, words = queries.lengths[i : j + 1], queries.words[first:last]
        p_ner = queries.p_ner[first:last]
        found.append(Queries(queries.tag_set, lengths, words, p_ner, part))
    return found


def look_up(knn: Any, batches: list[Queries]) -> tuple[np.ndarray, float]:
    """All that knn_ner does after the encoder: the tags, and the share of tokens that
    are asked."""
    ids, n_asked = [], 0
    for batch in batches:
        hear, ask = partial(knn.corrections, batch), partial(knn.votes, batch)
        passed = gated(batch, hear, knn.settings, ask)
        found, asked = passed.ids, passed.asked
        ids.append(found)
        n_asked += int(asked.sum())
    every = np.concatenate(ids)
    return every, n_asked / len(every)


def f1(knn: Any, docs: list[Any], queries: Queries, ids: np.ndarray) -> float:
    """Span F1 of some tags."""
    p = np.eye(len(queries.tag_set))[ids]
    system = System(Corpus(docs, queries.tag_set), queries, p, knn.decoding)
    return system.count().scores()["f1"]


def load(folder: Path, index: str) -> list[float]:
    """Seconds until a datastore is loaded, and then until a first query's answer."""
    command = [sys.executable, "-c", LOADING, str(folder), index]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return srsly.json_loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    typer.run(main)
