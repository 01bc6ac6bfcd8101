"""The paper's table 3: F1 by k. For each k, the other settings are those that tuning
found best on dev; nothing is encoded again.

python project/k_sweep.py models/tuned corpus/test.spacy sweep.json
"""

import csv
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer
from wasabi import msg

from spacy_knn_ner.cli.terminal import load_pipeline
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.datastore import kernel
from spacy_knn_ner.datastore.datastore import STORE
from spacy_knn_ner.evaluation.encoded import encode
from spacy_knn_ner.evaluation.neighbors import every_entry_votes, find_neighbors, votes
from spacy_knn_ner.evaluation.spans import Corpus
from spacy_knn_ner.evaluation.systems import System


def main(
    model: Annotated[Path, typer.Argument(help="A tuned pipeline.")],
    corpus: Annotated[Path, typer.Argument(help="Labelled Docs.")],
    output: Annotated[Path, typer.Argument(help="JSON to write.")],
    gpu: Annotated[int, typer.Option(help="GPU id, or -1.")] = -1,
) -> None:
    """Score every k on test."""
    nlp = load_pipeline(str(model), gpu)
    knn: Any = nlp.get_pipe("knn_ner")
    docs = read_docs(corpus, nlp.vocab)
    queries = encode(knn, docs, cache="cache", show_progress=True)
    gold = Corpus(docs, queries.tag_set)
    best = best_by_k(model / "tuning" / "trials.csv")
    most = max(int(k) for k in best if k != "null")
    near = find_neighbors(knn, queries, STORE, most, show_progress=True)
    rows = []
    for k, trial in best.items():
        temperature, weight = float(trial["temperature"]), float(trial["weight"])
        if k == "null":
            (vote,) = every_entry_votes(knn, queries, [temperature], show_progress=True)
        else:
            vote = votes(knn, queries, near, int(k), temperature)
        p = kernel.interpolate(queries.p_ner, vote.p_knn, weight)
        system = System(gold, queries, p, trial["decoding"])
        scores = system.count().scores()
        rows.append({**trial, "dev_f1": float(trial["f1"]), **scores})
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)
    table = [
        (row["k"], row["temperature"], row["weight"], f"{100 * row['f1']:.2f}")
        for row in rows
    ]
    msg.table(table, header=("k", "temperature", "weight", "test F1"), divider=True)


def best_by_k(path: Path) -> dict[str, dict[str, str]]:
    """For each k the first trial with the highest F1; trials come simplest first."""
    best: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf8", newline="") as file:
        for trial in csv.DictReader(file):
            known = best.get(trial["k"])
            if float(trial["weight"]) > 0 and (
                known is None or float(trial["f1"]) > float(known["f1"])
            ):
                best[trial["k"]] = trial
    numbers = sorted((k for k in best if k != "null"), key=int)
    return {k: best[k] for k in [*numbers, *(["null"] if "null" in best else [])]}


if __name__ == "__main__":
    typer.run(main)
