"""Run the stream of correction_stream.py on pipelines without a datastore:

- `update`: spaCy's own `ner` learns from every mistake with `nlp.update`, until it is
  right there or has tried a few times;
- `retrain`: half way, everything is trained again on the old data and on the gold
  annotation of the mistakes so far.

python benchmarks/correction_rivals.py update \
    training/conll2003/ner-default/0/model-best corpus/wnut17/test.spacy \
    --labels person=PER,location=LOC --original corpus/conll2003/test.spacy \
    --output update.json
python benchmarks/correction_rivals.py retrain \
    training/conll2003/default/0/model-best corpus/wnut17/test.spacy \
    --labels person=PER,location=LOC --original corpus/conll2003/test.spacy \
    --train corpus/conll2003/train.spacy --dev corpus/conll2003/dev.spacy \
    --output retrain.json
"""

import random
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from streams import Entity, names_of, renamed
from thinc.api import Adam
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs, write_docs
from spacy_knn_ner.reading.annotations import annotated_text, make_doc

app = typer.Typer(add_completion=False)

ModelArg = Annotated[Path, typer.Argument(help="A pipeline without a datastore.")]
CorpusArg = Annotated[Path, typer.Argument(help="Annotated Docs.")]
OriginalOpt = Annotated[Path, typer.Option(help="Docs of the pipeline's own domain.")]
OutputOpt = Annotated[Path, typer.Option(help="JSON to write.")]
LabelsOpt = Annotated[str, typer.Option(help="NAME=LABEL,… of the pipeline's.")]
DocsOpt = Annotated[int, typer.Option(help="Of the stream.")]


@app.command()
def update(
    model: ModelArg,
    corpus: CorpusArg,
    original: OriginalOpt,
    output: OutputOpt,
    labels: LabelsOpt = "",
    n_docs: DocsOpt = 2000,
    learn_rate: Annotated[float, typer.Option(help="Of every update.")] = 5e-5,
    tries: Annotated[int, typer.Option(help="Updates per mistake, at most.")] = 5,
    parts: Annotated[int, typer.Option(help="After each of which is scored.")] = 5,
) -> None:
    """spaCy's own ner, updated with every mistake."""
    random.seed(0)
    spacy.util.fix_random_seed(0)
    nlp = spacy.load(model)
    docs, own = _read(nlp, corpus, labels)[:n_docs], _read(nlp, original)
    for label in sorted(_labels(docs)):
        nlp.get_pipe("ner").add_label(label)  # type: ignore[attr-defined]
    optimizer = nlp.resume_training(sgd=Adam(learn_rate))
    ends = np.linspace(0, len(docs), parts + 1).astype(int)
    met, rows, corrected = [], [], 0
    without = f1(_predicted(nlp, docs), docs)
    for i, gold in enumerate(tqdm([*docs, None], desc="Updating", unit="doc")):
        if i in ends:
            rows.append(_row(nlp, docs, own, i, corrected))
        if gold is None:
            break
        (doc,) = _predicted(nlp, [gold])
        met.append(doc)
        corrected += _wrong(doc, gold, _labels(docs))
        for _ in range(tries):
            if not _wrong(doc, gold, _labels(docs)):
                break
            blank = make_doc(nlp, annotated_text(gold, "ner"))
            nlp.update([Example(blank, gold)], sgd=optimizer, drop=0.1)
            (doc,) = _predicted(nlp, [gold])
    found = {"met": f1(met, docs), "met_without": without, "rows": rows}
    _write(output, {"learn_rate": learn_rate, "tries": tries, **found})


@app.command()
def retrain(
    model: ModelArg,
    corpus: CorpusArg,
    original: OriginalOpt,
    train: Annotated[Path, typer.Option(help="What the pipeline was trained on.")],
    dev: Annotated[Path, typer.Option(help="What its epoch was chosen with.")],
    output: OutputOpt,
    labels: LabelsOpt = "",
    n_docs: DocsOpt = 2000,
) -> None:
    """Everything trained again half way, with the config of the first training."""
    nlp = spacy.load(model)
    docs, own = _read(nlp, corpus, labels)[:n_docs], _read(nlp, original)
    half = len(docs) // 2
    predicted = _predicted(nlp, docs[:half])
    pairs = zip(predicted, docs[:half], strict=True)
    wrong = [gold for doc, gold in pairs if _wrong(doc, gold, _labels(docs))]
    rows = [_row(nlp, docs, own, half, 0)]
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "train.spacy"
        write_docs([*read_docs(train, nlp.vocab), *wrong], everything)
        paths = {"paths.train": str(everything), "paths.dev": str(dev)}
        config = model / "config.cfg"
        spacy_train(config, Path(folder) / "model", overrides=paths)
        again = spacy.load(Path(folder) / "model" / "model-best")
    rows.append(_row(again, docs, own, half, len(wrong)))
    _write(output, {"rows": rows})


def _read(nlp: Language, path: Path, labels: str = "") -> list[Doc]:
    docs, names = read_docs(path, nlp.vocab), names_of(labels)
    return [renamed(doc, names) for doc in docs] if names else docs


def _labels(docs: Iterable[Doc]) -> set[str]:
    return {ent.label_ for doc in docs for ent in doc.ents}


def _predicted(nlp: Language, docs: list[Doc]) -> list[Doc]:
    blank = (make_doc(nlp, annotated_text(doc, "ner")) for doc in docs)
    return list(nlp.pipe(blank, batch_size=64))


def _found(doc: Doc, gold: Doc, labels: set[str]) -> set[Entity]:
    """Entities of these labels, where there is a gold annotation."""
    return {
        (ent.start, ent.end, ent.label_)
        for ent in doc.ents
        if ent.label_ in labels and all(t.ent_iob for t in gold[ent.start : ent.end])
    }


def _wrong(doc: Doc, gold: Doc, labels: set[str]) -> bool:
    return _found(doc, gold, labels) != _found(gold, gold, labels)


def f1(docs: list[Doc], golds: list[Doc]) -> float | None:
    """Span F1 in per cent; None where there is nothing to find."""
    labels, right, total = _labels(golds), 0, 0
    for doc, gold in zip(docs, golds, strict=True):
        one, other = _found(doc, gold, labels), _found(gold, gold, labels)
        right += len(one & other)
        total += len(one) + len(other)
    return 200 * right / total if total else None


def _row(
    nlp: Language, docs: list[Doc], own: list[Doc], i: int, corrected: int
) -> dict[str, Any]:
    row = {
        "docs": i,
        "corrected": corrected,
        "rest": f1(_predicted(nlp, docs[i:]), docs[i:]),
        "original": f1(_predicted(nlp, own), own),
    }
    msg.info(str(row))
    return row


def _write(path: Path, found: dict[str, Any]) -> None:
    msg.good(str({k: v for k, v in found.items() if k != "rows"}))
    path.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(path, found)


if __name__ == "__main__":
    app()
