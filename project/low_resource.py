"""The paper's figure 2: the tagger sees a share of the data, the store all of it.

python project/low_resource.py conll2003 reports/shares.json
"""

import json
from pathlib import Path
from typing import Annotated, Any

import srsly
import typer
from train import DEFAULT
from train import main as train
from wasabi import msg

from spacy_knn_ner.cli.terminal import load_pipeline
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.evaluation.report import MIXTURE, TAGGER, evaluate
from spacy_knn_ner.evaluation.tuning import best, tune


def main(
    dataset: Annotated[str, typer.Argument(help="One of project/data_sets.py.")],
    output: Annotated[Path, typer.Argument(help="JSON to write.")],
    shares: Annotated[str, typer.Option(help="Comma-separated.")] = "0.05,0.1,0.2,0.4",
    encoder: Annotated[str, typer.Option(help="As for project/train.py.")] = DEFAULT,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    gpu: Annotated[int, typer.Option(help="GPU id, or -1.")] = -1,
) -> None:
    """Train on every share, build with all, tune on dev, score on test."""
    rows = []
    for share in map(float, shares.split(",")):
        place = Path(f"training/{dataset}/{encoder}/{seed}-share-{share:g}")
        train(dataset, place, encoder, seed, gpu, share)
        nlp = load_pipeline(str(place / "model-best"), gpu)
        corpus = {
            split: read_docs(Path("corpus") / dataset / f"{split}.spacy", nlp.vocab)
            for split in ("train", "dev", "test")
        }
        knn: Any = nlp.add_pipe("knn_ner")
        knn.build(corpus["train"])
        chosen = best(tune(knn, corpus["dev"], cache="cache", show_progress=True))
        knn.set_settings(**chosen.config())
        report = evaluate(knn, corpus["test"], cache="cache", every_entry=False)
        rows.append(_row(share, report))
        msg.good(f"{share:.0%}: {rows[-1]}")
    whole = Path(f"reports/{dataset}/{encoder}/{seed}/report.json")
    rows.append(_row(1.0, json.loads(whole.read_text(encoding="utf8"))))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)


def _row(share: float, report: dict) -> dict[str, float]:
    f1 = {name: report["systems"][name]["f1"] for name in (TAGGER, MIXTURE)}
    return {"share": share, **f1, "p": report["difference"]["p"]}


if __name__ == "__main__":
    typer.run(main)
