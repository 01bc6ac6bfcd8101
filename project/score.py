"""Score the spans of any pipeline, counted as `spacy knn evaluate` counts them.

python project/score.py training/model-best corpus/test.spacy score.json
"""

from pathlib import Path
from typing import Annotated

import srsly
import typer
from wasabi import msg

from spacy_knn_ner.cli.terminal import load_pipeline
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.evaluation.metrics import span_prf
from spacy_knn_ner.reading.annotations import (
    annotated_entities,
    annotated_text,
    make_doc,
)


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline.")],
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
    output: Annotated[Path, typer.Argument(help="JSON to write.")],
    gpu: Annotated[int, typer.Option(help="GPU id, or -1.")] = -1,
) -> None:
    """Score a pipeline's entities."""
    nlp = load_pipeline(str(model), gpu)
    golds = read_docs(corpus, nlp.vocab)
    docs = nlp.pipe(make_doc(nlp, annotated_text(gold, "score")) for gold in golds)
    prf = span_prf(golds, [annotated_entities(doc)[0] for doc in docs])
    scores = {"precision": prf.precision, "recall": prf.recall, "f1": prf.fscore}
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, scores)
    msg.good(", ".join(f"{name} {100 * value:.2f}" for name, value in scores.items()))


if __name__ == "__main__":
    typer.run(main)
