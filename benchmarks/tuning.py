"""What does it cost to try more than a thousand settings, in evaluations?

python benchmarks/tuning.py models/wnut17/default/0/built corpus/wnut17/dev.spacy
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.evaluation.report import evaluate
from spacy_knn_ner.evaluation.tuning import KS, tune


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
    rounds: Annotated[int, typer.Option(help="Of both, taking turns.")] = 3,
) -> None:
    """Compare times of `tune` and `evaluate`, each from the text on, with and without
    k = null; medians of ratios within a round."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    docs = read_docs(corpus, nlp.vocab)
    numbers = [k for k in KS if k is not None]
    for title, every, ks in [("with k = null", True, KS), ("without", False, numbers)]:
        ratios = []
        for _ in range(rounds):
            one, _ = seconds(partial(evaluate, knn, docs, every_entry=every))
            other, trials = seconds(partial(tune, knn, docs, ks=ks))
            ratios.append(other / one)
            print(f"{title}: evaluate {one:.1f} s, tune {other:.1f} s", flush=True)
        ratio = statistics.median(ratios)
        print(f"{title}: {len(trials):,} settings cost {ratio:.2f} evaluations")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it takes, and what comes out."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    typer.run(main)
