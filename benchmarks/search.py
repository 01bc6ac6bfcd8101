"""Search against the published algorithm, and against what the machine can multiply.

python benchmarks/search.py models/conll2003/default/0/tuned \
    corpus/conll2003/test.spacy --output search.json
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import torch
import typer
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.datastore.index.flat import Flat
from spacy_knn_ner.inference.gate import tokens_to_look_up
from spacy_knn_ner.inference.interpolation import interpolate
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.registry import index_block
from spacy_knn_ner.types import CorrectionVotes

K, TEMPERATURE, WEIGHT, ROWS = 32, 0.05, 0.3, 1024


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Docs whose tokens are looked up.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    cache: Annotated[Path | None, typer.Option(help="For encoder outputs.")] = None,
    rounds: Annotated[int, typer.Option(help="Of everything, taking turns.")] = 5,
) -> None:
    """Medians of ratios within a round, over 1,024 tokens."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    knn.set_settings(k=K, temperature=TEMPERATURE, metric="cosine")
    knn.interpolation = {"weight": WEIGHT}
    encoded = encode(knn.reader, read_docs(corpus, nlp.vocab), cache=cache)
    queries = encoded.keys.vectors[:ROWS]
    columns = knn.datastore.tag_set.columns_in(encoded.tag_set)
    p_base = encoded.p_base[encoded.keys.tokens][:ROWS, columns]
    store = knn.datastore.store
    keys = torch.tensor(store.keys.array())
    tags = torch.tensor(store.tags.array().astype(np.int64))
    none = CorrectionVotes.empty(*p_base.shape)
    needed = tokens_to_look_up(p_base, WEIGHT, none, knn.lookup)

    def ours(index: str, gated: bool) -> np.ndarray:
        p = p_base.copy()
        some = needed if gated else np.ones(ROWS, dtype=bool)
        knn.index = index_block(index)
        votes = knn.retriever.key_votes(queries[some])
        p[some] = interpolate(p_base[some], votes.p_knn, WEIGHT)
        return p.argmax(axis=1)

    ways: dict[str, Callable[[], np.ndarray]] = {
        "published": lambda: published(queries, keys, tags, p_base),
        "flat": lambda: ours("flat", gated=False),
        "flat, gated": lambda: ours("flat", gated=True),
        "exact": lambda: ours("exact", gated=False),
        "exact, gated": lambda: ours("exact", gated=True),
    }
    found: dict[str, Any] = {"looked_up": float(needed.mean()), "entries": len(store)}
    for name in list(ways)[1:]:
        # An index is made at its first search, so each has its rounds to itself.
        times, expected = [], ways["published"]()
        alike = float((ways[name]() == expected).mean())
        for _ in range(rounds):
            times.append(seconds(ways["published"]) / seconds(ways[name]))
        found[name] = {"times faster": statistics.median(times), "equal tags": alike}
        msg.info(f"{name}: {found[name]}")
    for n in (ROWS, 128):
        shares = [peak_share(store, queries[:n]) for _ in range(rounds)]
        found[f"flat, share of peak at {n}"] = statistics.median(shares)
        msg.info(f"share of peak at {n} queries: {statistics.median(shares):.2f}")
    found["threads"] = torch.get_num_threads()
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def published(
    queries: np.ndarray, keys: torch.Tensor, tags: torch.Tensor, p_base: np.ndarray
) -> np.ndarray:
    """The algorithm of the paper's code: the cosine of every query and every key, with
    nothing prepared, the k best, and their softmax."""
    q = torch.as_tensor(queries)
    cosines = (q @ keys.T) / (q.norm(dim=1)[:, None] * keys.norm(dim=1)[None])
    best = cosines.topk(K, dim=1)
    votes = torch.softmax(best.values / TEMPERATURE, dim=1)
    p_knn = torch.zeros(len(q), p_base.shape[1])
    p_knn.scatter_add_(1, tags[best.indices], votes)
    return ((1 - WEIGHT) * p_base + WEIGHT * p_knn.numpy()).argmax(axis=1)


def peak_share(store: Any, queries: np.ndarray) -> float:
    """Operations per second of exact search / of a matrix multiplication that fits the
    machine well, one right after the other."""
    square = torch.ones(4096, 4096)
    multiplying = seconds(lambda: square @ square) / (2 * 4096**3)
    store.index_factory = Flat()
    store.search(queries, K, metric="cosine")
    n = 2 * len(queries) * len(store) * store.width
    searching = seconds(lambda: store.search(queries, K, metric="cosine"))
    return multiplying / (searching / n)


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    typer.run(main)
