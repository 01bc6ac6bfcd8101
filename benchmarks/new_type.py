"""Add a new entity type by a few sentences.

From a corpus some sentences with the type are drawn and added as corrections. How much
of it is found in test data then, and what happens to the pipeline's own domain?

python benchmarks/new_type.py models/conll2003/default/0/tuned corpus/ncbi/train.spacy \
    corpus/ncbi/test.spacy --original corpus/conll2003/test.spacy --output new-type.json
"""

import random
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import spacy
import srsly
import typer
from correction_stream import f1
from streams import read_stream
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    train: Annotated[Path, typer.Argument(help="Docs to draw examples from.")],
    test: Annotated[Path, typer.Argument(help="Docs with the new type.")],
    original: Annotated[Path, typer.Option(help="Docs of the pipeline's own domain.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    examples: Annotated[str, typer.Option(help="How many.")] = "1,5,20",
    variants: Annotated[
        str, typer.Option(help="Of few_shot: VOTES:TRANSITIONS, or off.")
    ] = "off,all:0,all:0.5,all:1,nearest:0.5",
    share: Annotated[float, typer.Option(help="few_shot.share")] = 0.005,
    draws: Annotated[int, typer.Option(help="Of examples.")] = 5,
    cache: Annotated[Path | None, typer.Option(help="For encoder outputs.")] = None,
) -> None:
    """Draw, add, score, forget."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    known = set(knn.labels)
    stream = read_stream(knn, read_docs(test, nlp.vocab), {}, cache)
    new = stream.batch.tag_set.labels
    own = read_stream(knn, read_docs(original, nlp.vocab), {}, cache, new=new)
    docs = read_docs(train, nlp.vocab)
    docs = [doc for doc in docs if {ent.label_ for ent in doc.ents} - known]
    every, every_own = range(len(stream.docs)), range(len(own.docs))
    rows = []
    for n in map(int, examples.split(",")):
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(draws):
            ids = knn.add(random.Random(seed).sample(docs, n))
            for variant in variants.split(","):
                votes, _, exponent = variant.partition(":")
                knn.few_shot = (
                    {"share": share, "votes": votes, "transitions": float(exponent)}
                    if exponent
                    else {"share": 0.0}
                )
                type_f1 = f1(stream, stream.predict()[0], every) or 0.0
                own_f1 = f1(own, own.predict()[0], every_own) or 0.0
                found.setdefault(variant, []).append((type_f1, own_f1))
            knn.forget(ids)
        for variant, scores in found.items():
            of_type, of_own = zip(*scores, strict=True)
            row = {
                "examples": n,
                "few_shot": variant,
                "new": mean(of_type),
                "least": min(of_type),
                "most": max(of_type),
                "original": mean(of_own),
            }
            rows.append(row)
            msg.info(str(row))
    before = f1(own, own.uncorrected, every_own)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, {"original_before": before, "rows": rows})


if __name__ == "__main__":
    typer.run(main)
