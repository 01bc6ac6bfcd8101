"""Correct a stream of documents: each is predicted and, if it is wrong, its gold
annotation is added.

How good are the predictions, those of the rest of the stream, and those of the domain
that the pipeline was made for?

python benchmarks/correction_stream.py models/conll2003/default/0/tuned \
    corpus/wnut17/test.spacy --labels person=PER,location=LOC \
    --original corpus/conll2003/test.spacy --output stream.json
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from streams import Stream, names_of, read_stream
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs

_PARTS = 10  # of the stream, after each of which is scored


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with a store.")],
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
    original: Annotated[Path, typer.Option(help="Docs of the pipeline's own domain.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    labels: Annotated[str, typer.Option(help="NAME=LABEL,… of the tagger's.")] = "",
    radius: Annotated[float | None, typer.Option(help="Another radius.")] = None,
    n_docs: Annotated[int, typer.Option(help="Of the stream.")] = 2000,
    cache: Annotated[Path | None, typer.Option(help="For encoder outputs.")] = None,
) -> None:
    """Predict, score, correct."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    if radius is not None:
        knn.corrections = {"radius": radius}
    docs = read_docs(corpus, nlp.vocab)[:n_docs]
    stream = read_stream(knn, docs, names_of(labels), cache)
    others, known = read_docs(original, nlp.vocab), stream.batch.tag_set.labels
    own = read_stream(knn, others, {}, cache, new=known)
    n = len(stream.docs)
    rows: list[dict[str, Any]] = []
    without, met = stream.uncorrected, stream.uncorrected.copy()
    corrected = 0
    ends = np.linspace(0, n, _PARTS + 1).astype(int)
    ids, _ = stream.predict()
    for i in tqdm(range(n + 1), desc="Correcting", unit="doc"):
        if i in ends:
            rest = range(i, n)
            rows.append(
                {
                    "docs": i,
                    "corrected": corrected,
                    "rest": f1(stream, ids, rest),
                    "rest_without": f1(stream, without, rest),
                    "original": f1(own, own.predict()[0], range(len(own.docs))),
                }
            )
            msg.info(str(rows[-1]))
        if i == n:
            break
        here = slice(*stream.starts[i : i + 2])
        met[here] = ids[here]
        if stream.entities(ids, i) != stream.gold_entities(i):
            stream.correct(i)
            corrected += 1
            ids, _ = stream.predict()
    every = range(n)
    found = {
        "radius": knn.corrections.radius,
        "met": f1(stream, met, every),
        "met_without": f1(stream, without, every),
        **changes(stream, without, met),
        "rows": rows,
    }
    msg.good(str({k: v for k, v in found.items() if k != "rows"}))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)


def f1(stream: Stream, ids: np.ndarray, docs: Iterable[int]) -> float | None:
    """Span F1 in some Docs, in per cent; None where there is nothing to find."""
    right = total = 0
    for i in docs:
        found, gold = stream.entities(ids, i), stream.gold_entities(i)
        right += len(found & gold)
        total += len(found) + len(gold)
    return 200 * right / total if total else None


def changes(stream: Stream, before: np.ndarray, after: np.ndarray) -> dict[str, int]:
    """Entities that came out better, and worse, because of earlier corrections."""
    better = worse = 0
    for i in range(len(stream.docs)):
        gold = stream.gold_entities(i)
        was, is_ = stream.entities(before, i) ^ gold, stream.entities(after, i) ^ gold
        better += len(was - is_)
        worse += len(is_ - was)
    return {"better": better, "worse": worse}


if __name__ == "__main__":
    typer.run(main)
