"""Make an installable package of a tuned pipeline, with a model card.

python project/package.py wnut17 models/tuned training/training.json \
    reports/wnut17/report.json packages/wnut17/default/0
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from data_sets import DATASETS, VERSION, Dataset, find_data_set
from spacy.cli.package import package as spacy_package

from spacy_knn_ner.evaluation.card import model_card
from spacy_knn_ner.evaluation.report import MIXTURE


def main(
    dataset: Annotated[str, typer.Argument(help="One of project/data_sets.py.")],
    model: Annotated[Path, typer.Argument(help="The tuned pipeline.")],
    training: Annotated[Path, typer.Argument(help="The training.json it is from.")],
    report: Annotated[Path, typer.Argument(help="Its report.json.")],
    output: Annotated[Path, typer.Argument(help="Where the package goes.")],
) -> None:
    """Add name, scores and card to a copy of the pipeline, and build a wheel."""
    known = find_data_set(dataset)
    found = read_json(report)
    found["model"]["name"] = f"{known.lang}_{dataset}_knn"
    found["model"]["version"] = VERSION
    scores = found["systems"][MIXTURE]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model"
        shutil.copytree(model, copy)
        meta = read_json(copy / "meta.json")
        meta.update(
            name=f"{dataset}_knn",
            version=VERSION,
            description=f"Named entities of {known.title}, with nearest neighbors.",
            license=f"data: {known.license}",
            performance={
                "ents_p": scores["precision"],
                "ents_r": scores["recall"],
                "ents_f": scores["f1"],
                "ents_per_type": {
                    label: {
                        "p": s["precision"] or 0.0,
                        "r": s["recall"] or 0.0,
                        "f": s["f1"] or 0.0,
                    }
                    for label, s in scores["labels"].items()
                },
            },
        )
        (copy / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf8")
        trained = read_json(training)
        del trained["hashes"]
        card = model_card(found, data=data_of(known), training=trained)
        (copy / "README.md").write_text(card, encoding="utf8")
        name = f"{known.lang}_{dataset}_knn-{VERSION}"
        shutil.rmtree(output / name, ignore_errors=True)
        output.mkdir(parents=True, exist_ok=True)
        spacy_package(copy, output, create_sdist=False, create_wheel=True)
    wheel = next((output / name / "dist").glob("*.whl"))
    # The wheel is all that is kept: what it was built from is as large again.
    shutil.move(wheel, output / wheel.name)
    shutil.rmtree(output / name)


def data_of(dataset: Dataset) -> str:
    """What a model was trained and tested on, for its card."""
    owner = DATASETS[dataset.model] if dataset.model else dataset
    dev = owner.splits["dev"]
    part = "its dev part"
    if dev.file == owner.splits["train"].file:
        part = "a part of it that was held out"
    if owner.tune:
        part += f" (`{owner.tune}`)"
    return (
        f"Trained on the train part of {owner.title}, settings chosen on {part}, "
        f"tested on the test part of {dataset.title}. "
        f"License of the data: {dataset.license}."
    )


def read_json(path: Path) -> Any:
    """Not srsly's, which reads 0.7 as 0.7000000000000001."""
    return json.loads(path.read_text(encoding="utf8"))


if __name__ == "__main__":
    typer.run(main)
