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
from spacy_knn_ner.evaluation.corpus import Corpus
from spacy_knn_ner.evaluation.leave_one_out import (
    KnownVotes,
    all_entry_votes,
    encode_corpus,
    find_neighbors,
    neighbor_votes,
)
from spacy_knn_ner.evaluation.metrics import SystemResult
from spacy_knn_ner.inference.interpolation import Constant
from spacy_knn_ner.inference.predictor import Predictor

WEIGHT = "interpolation.weight"


def main(
    model: Annotated[Path, typer.Argument(help="A tuned pipeline.")],
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
    output: Annotated[Path, typer.Argument(help="JSON to write.")],
    gpu: Annotated[int, typer.Option(help="GPU id, or -1.")] = -1,
) -> None:
    """Score every k on test."""
    nlp = load_pipeline(str(model), gpu)
    knn: Any = nlp.get_pipe("knn_ner")
    docs = read_docs(corpus, nlp.vocab)
    batch = encode_corpus(knn, docs, cache="cache", show_progress=True)
    gold = Corpus(docs, batch.tag_set)
    best = best_by_k(model / "tuning" / "trials.csv")
    most = max(int(k) for k in best if k != "null")
    near = find_neighbors(knn, batch, most, show_progress=True)
    rows = []
    for k, trial in best.items():
        temperature, weight = float(trial["temperature"]), float(trial[WEIGHT])
        if k == "null":
            (votes,) = all_entry_votes(knn, batch, [temperature], show_progress=True)
        else:
            votes = neighbor_votes(knn, batch, near, int(k), temperature)
        known, decoding = KnownVotes(votes), trial["decoding"]
        predictor = Predictor(known, Constant(weight), None, decoding=decoding)
        found = predictor.predict(batch)
        system = SystemResult(gold, batch, found.tags, found.p)
        scores = system.count().scores()
        rows.append({**trial, "dev_f1": float(trial["f1"]), **scores})
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)
    table = [
        (row["k"], row["temperature"], row[WEIGHT], f"{100 * row['f1']:.2f}")
        for row in rows
    ]
    msg.table(table, header=("k", "temperature", "weight", "test F1"), divider=True)


def best_by_k(path: Path) -> dict[str, dict[str, str]]:
    """For each k the first trial with the highest F1; trials come simplest first."""
    best: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf8", newline="") as file:
        for trial in csv.DictReader(file):
            known = best.get(trial["k"])
            if float(trial[WEIGHT]) > 0 and (
                known is None or float(trial["f1"]) > float(known["f1"])
            ):
                best[trial["k"]] = trial
    numbers = sorted((k for k in best if k != "null"), key=int)
    return {k: best[k] for k in [*numbers, *(["null"] if "null" in best else [])]}


if __name__ == "__main__":
    typer.run(main)
