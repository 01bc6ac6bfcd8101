"""Measure the full-text index: how fast it is built and searched, and its size.

Texts are made of the sentences of a file: two random ones after each other, until there
are enough. The queries are its other sentences.

python benchmarks/retrieval.py texts.txt index --texts 1000000 --output retrieval.json
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import srsly
import typer
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex


def combined(sentences: list[str], n: int) -> Iterator[str]:
    """Different texts of two sentences each."""
    chosen = random.Random(0)
    for _ in range(n):
        yield " ".join(chosen.choices(sentences, k=2))


def main(
    file: Annotated[Path, typer.Argument(help="A sentence per line.")],
    index: Annotated[Path, typer.Argument(help="A new folder.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    texts: Annotated[int, typer.Option(help="How many.")] = 1_000_000,
    queries: Annotated[int, typer.Option(help="How many.")] = 1000,
    results: Annotated[int, typer.Option(help="Texts for each query.")] = 20,
) -> None:
    """Build, and search for one sentence after the other."""
    lines = sorted(set(file.read_text(encoding="utf8").splitlines()) - {""})
    random.Random(1).shuffle(lines)
    searched, sentences = lines[:queries], lines[queries:]
    if not sentences:
        raise SystemExit(f"{file} must have more than {queries} different sentences.")
    start = time.perf_counter()
    made = FullTextIndex(index, create=True)
    n_new = made.add(tqdm(combined(sentences, texts), total=texts))
    built = time.perf_counter() - start
    start = time.perf_counter()
    made.add(combined(sentences, min(texts, 10_000)))  # all there
    again = time.perf_counter() - start
    seconds = []
    for query in searched:
        start = time.perf_counter()
        made.search([query], results)
        seconds.append(time.perf_counter() - start)
    size = sum(path.stat().st_size for path in index.rglob("*"))
    found = {
        "texts": n_new,
        "seconds to build": built,
        "texts/s": n_new / built,
        "texts/s that are there": min(texts, 10_000) / again,
        "bytes per text": size / n_new,
        "median ms": 1000 * float(np.median(seconds)),
        "p99 ms": 1000 * float(np.percentile(seconds, 99)),
    }
    srsly.write_json(output, found)
    msg.table(found)


if __name__ == "__main__":
    typer.run(main)
