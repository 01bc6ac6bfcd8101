"""WNUT-17 from the published files to a table.

python project/wnut17.py --seeds 0,1,2 --epochs 4 --output runs/wnut17
"""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import numpy as np
import spacy
import typer
from encoder import find_encoder
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from wasabi import msg

from spacy_knn_ner.corpora.assets import WNUT17, fetch
from spacy_knn_ner.corpora.formats import read_corpus
from spacy_knn_ner.evaluation.scores import entities, span_prf
from spacy_knn_ner.evaluation.tuning import best, tune
from spacy_knn_ner.pipeline.knn_ner import KnnNer
from spacy_knn_ner.pipeline.labelled import labelled_text, make_doc
from spacy_knn_ner.tags import TagSet

CONFIG = Path(__file__).parent.parent / "configs" / "transformer.cfg"
RUNS = Path("runs/wnut17")
BATCH = 16  # sentences, as in the config
# Higher than for a BERT-base: the encoder is small, and a few epochs are few
# updates.
LEARN_RATE = 1.5e-4


def prepare(folder: Path) -> dict[str, Path]:
    """Fetch the files and convert them.

    RETURNS (dict[str, Path]): "train", "dev" and "test" as .spacy files.
    """
    paths = {}
    for split, asset in WNUT17.items():
        paths[split] = folder / f"{split}.spacy"
        source = fetch(asset, folder / "assets")
        docs, _ = read_corpus(source, "wnut17")
        DocBin(docs=docs, store_user_data=False).to_disk(paths[split])
        n_entities = sum(len(doc.ents) for doc in docs)
        msg.info(f"{split}: {len(docs):,} sentences, {n_entities:,} entities")
    return paths


def train(
    data: dict[str, Path], output: Path, encoder: str, epochs: int, seed: int
) -> None:
    """Train the tagger, unless just this was done before; the best epoch on dev is
    kept."""
    done = output / "training.json"
    this = {"encoder": encoder, "epochs": epochs, "seed": seed, "rate": LEARN_RATE}
    if done.exists() and json.loads(done.read_text()) == this:
        msg.info(f"Using the trained tagger in {output}")
        return
    done.unlink(missing_ok=True)
    sentences = len(list(read_docs(data["train"], spacy.blank("en"))))
    overrides = {
        "paths.train": str(data["train"]),
        "paths.dev": str(data["dev"]),
        "vars.encoder": encoder,
        "vars.epochs": epochs,
        "vars.learn_rate": LEARN_RATE,
        "vars.total_steps": -(-sentences // BATCH) * epochs,
        "system.seed": seed,
        "training.eval_frequency": sentences // BATCH,
    }
    spacy_train(CONFIG, output, overrides=overrides)
    done.write_text(json.dumps(this))


def read_docs(path: Path, nlp: Language) -> Iterable[Doc]:
    """The Docs of a .spacy file."""
    return DocBin().from_disk(path).get_docs(nlp.vocab)


def build(nlp: Language, data: dict[str, Path]) -> KnnNer:
    """Add the component and fill its store with the training data."""
    knn = cast(KnnNer, nlp.add_pipe("knn_ner"))
    knn.build(list(read_docs(data["train"], nlp)))
    return knn


def choose(knn: KnnNer, dev: list[Doc], folder: Path) -> None:
    """Choose k, temperature and weight on dev."""
    trials = tune(knn, dev)
    chosen = best(trials)
    knn.set_settings(**chosen.settings)
    (folder / "tuning.json").write_text(
        json.dumps([asdict(trial) for trial in trials], indent=1)
    )
    msg.good(
        f"Chosen on dev: k {chosen.k}, temperature {chosen.temperature:g}, weight "
        f"{chosen.weight:g} (F1 {100 * chosen.f1:.2f}; tagger alone "
        f"{100 * trials[0].f1:.2f})"
    )


def evaluate(nlp: Language, golds: list[Doc]) -> dict[str, dict[str, float]]:
    """Span scores of the tagger alone and with neighbors, in percent."""
    scores = {}
    for name, disabled in [("tagger alone", ["knn_ner"]), ("with neighbors", [])]:
        clean = [make_doc(nlp, labelled_text(gold, name)) for gold in golds]
        docs = nlp.pipe(clean, disable=disabled)
        prf = span_prf(golds, [entities(doc) for doc in docs])
        values = {"P": prf.precision, "R": prf.recall, "F1": prf.fscore}
        scores[name] = {key: 100 * value for key, value in values.items()}
    return scores


def fix_rate(nlp: Language, knn: KnnNer, golds: list[Doc]) -> dict[str, int]:
    """Teach every wrong sentence, one at a time, and count what is right then.

    RETURNS (dict[str, int]): "sentences" with errors, "wrong" tokens in them, and
        how many of these were "fixed" by adding the gold sentence.
    """
    counts = {"sentences": 0, "wrong": 0, "fixed": 0}
    for gold in golds:
        expected = tags_of(gold)
        wrong = expected != tags_of(nlp(make_doc(nlp, labelled_text(gold, "fix"))))
        if not wrong.any():
            continue
        ids = knn.add([gold])
        again = tags_of(nlp(make_doc(nlp, labelled_text(gold, "fix"))))
        knn.forget(ids)
        counts["sentences"] += 1
        counts["wrong"] += int(wrong.sum())
        counts["fixed"] += int((again == expected)[wrong].sum())
    return counts


def tags_of(doc: Doc) -> np.ndarray:
    """The BILUO tag of every token."""
    tag_set = TagSet("BILUO", tuple(dict.fromkeys(ent.label_ for ent in doc.ents)))
    ids = tag_set.encode(len(doc), entities(doc))
    return np.array(tag_set.tags, dtype=object)[ids]


def show(scores: dict[str, dict[str, float]]) -> None:
    """Print the table of one run."""
    rows = [
        (name, *(f"{value[key]:.2f}" for key in ("P", "R", "F1")))
        for name, value in scores.items()
    ]
    msg.table(
        rows,
        header=("WNUT-17 test", "P", "R", "F1"),
        divider=True,
        aligns=("l", "r", "r", "r"),
    )


def run(folder: Path, encoder: str, epochs: int, seed: int) -> dict:
    """One seed, from training to test scores."""
    data = prepare(folder)
    place = folder / f"seed-{seed}"
    train(data, place, encoder, epochs, seed)
    nlp = spacy.load(place / "model-best")
    golds = {split: list(read_docs(data[split], nlp)) for split in ("dev", "test")}
    knn = build(nlp, data)
    fixed = fix_rate(nlp, knn, golds["test"])
    msg.info(f"Corrections, default settings, one at a time: {fixed}")
    choose(knn, golds["dev"], place)
    nlp.to_disk(place / "model-knn")
    scores = {split: evaluate(nlp, docs) for split, docs in golds.items()}
    show(scores["test"])
    settings = {"k": knn.k, "temperature": knn.temperature, "weight": knn.weight}
    return {"seed": seed, "settings": settings, "corrections": fixed, **scores}


def markdown(runs: list[dict]) -> str:
    """The table: mean ± standard deviation over the seeds."""
    lines = ["| | dev F1 | test P | test R | test F1 |", "|---|---|---|---|---|"]
    for name in ("tagger alone", "with neighbors"):
        cells = []
        for split, key in [("dev", "F1"), ("test", "P"), ("test", "R"), ("test", "F1")]:
            values = [run[split][name][key] for run in runs]
            spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.2f}{spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| seed | k | temperature | weight | test F1 alone | with neighbors |",
    ]
    lines += ["|---|---|---|---|---|---|"]
    for run in runs:
        values = run["settings"]
        alone, mixed = (
            run["test"][n]["F1"] for n in ("tagger alone", "with neighbors")
        )
        lines.append(
            f"| {run['seed']} | {values['k']} | {values['temperature']:g} | "
            f"{values['weight']:g} | {alone:.2f} | {mixed:.2f} |"
        )
    lines += ["", "| seed | sentences with errors | wrong tokens | right once taught |"]
    lines += ["|---|---|---|---|"]
    for run in runs:
        n = run["corrections"]
        share = n["fixed"] / n["wrong"]
        lines.append(
            f"| {run['seed']} | {n['sentences']} | {n['wrong']} | {share:.1%} |"
        )
    return "\n".join(lines)


def main(
    seeds: Annotated[str, typer.Option(help="Comma-separated.")] = "0",
    epochs: Annotated[int, typer.Option(help="Of training.")] = 4,
    encoder: Annotated[str, typer.Option(help="Hub name or folder.")] = "",
    output: Annotated[Path, typer.Option(help="Where everything goes.")] = RUNS,
) -> None:
    """Train, build, tune on dev and evaluate on test, for each seed."""
    encoder = find_encoder(encoder)
    runs = [run(output, encoder, epochs, int(seed)) for seed in seeds.split(",")]
    (output / "results.json").write_text(json.dumps(runs, indent=2))
    print(markdown(runs))


if __name__ == "__main__":
    typer.run(main)
