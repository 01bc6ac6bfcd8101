"""Write project.yml: the same seven steps for every data set, and those of NerCo and
CL-NER.

python project/write.py
"""

import json
from pathlib import Path
from typing import Any

import srsly
from clner_steps import clner
from data_sets import DATASETS, VERSION, Dataset

ROOT = Path(__file__).parent.parent
HEAD = """# Written by project/write.py from project/data_sets.py. Change those, then:
#   python project/write.py
#
# A command runs again if what it depends on has changed. Training is not made to depend
# on dev.spacy, though the best epoch is chosen with it: change dev.spacy, and tuning
# and what follows run again, but not a training of hours. To train again, delete its
# folder in training/; to convert dev.spacy again, run the convert step with --force.
#
# spaCy remembers one run of each command: after another seed or encoder, what follows
# training is done again. A model that was trained is never trained again.
"""
RUN = "${vars.encoder}/${vars.seed}"
GPU = "--gpu-id ${vars.gpu}"
CACHE = f"--cache cache {GPU}"
NER = ("wnut17", "weibo")  # compared with spaCy's own ner
LOW_RESOURCE = "conll2003"
NERCO = ("weibo", "resume", "msra", "ontonotes4", "wnut17", "conll2003")
HELP = {
    "contrast": "Stage one of NerCo: contrast trains the encoder",
    "contrast-outside": "Stage one, with O as a class like any other",
    "nerco": "Stage two of NerCo: a CRF, from the encoder of stage one",
    "crf": "Train a CRF without contrast",
    "joint": "Train contrast and CRF at once",
}
TRAINING = (
    "configs/recipes.yml",
    "configs/transformer.cfg",
    "configs/cnn.cfg",
    "configs/contrast.cfg",
    "configs/nerco.cfg",
    "project/train.py",
)
DIRECTORIES = ("assets", "corpus", "training", "models", "reports", "packages")


def commands(name: str, dataset: Dataset) -> list[dict[str, Any]]:
    """The steps of a data set, in order."""
    owner = dataset.model or name
    training = f"training/{owner}/{RUN}"
    built, tuned = f"models/{owner}/{RUN}/built", f"models/{owner}/{RUN}/tuned"
    report, package = f"reports/{name}/{RUN}", f"packages/{name}/{RUN}"
    files = list(dict.fromkeys(f"assets/{s.file}" for s in dataset.splits.values()))
    corpus = {split: f"corpus/{name}/{split}.spacy" for split in dataset.splits}
    steps = [
        {
            "name": "assets",
            "help": f"Fetch {dataset.title} and compare checksums"
            if all(s.asset for s in dataset.splits.values())
            else f"Look for your licensed copy of {dataset.title}",
            "script": [f"python project/fetch_assets.py {name}"],
            "deps": ["project/fetch_assets.py"],
            "outputs": files,
        },
        {
            "name": "convert",
            "help": "Convert to Docs",
            "script": [
                f"python -m spacy knn convert assets/{split.file} {corpus[part]} "
                f"--format {dataset.format} {split.options}".rstrip()
                for part, split in dataset.splits.items()
            ],
            "deps": files,
            # dev.spacy is left out: who changes it does not want it written again.
            "outputs": [corpus[part] for part in ("train", "test") if part in corpus],
        },
    ]
    if dataset.model is None:
        steps += [
            train_step(name, "softmax", training),
            *fill_steps(name, dataset, training, built, tuned),
        ]
    steps += [
        evaluate_step(name, dataset, tuned, report),
        {
            "name": "package",
            "help": "Build a wheel with a model card, and install it",
            "script": [
                f"python project/package.py {name} {tuned} {training}/training.json "
                f"{report}/report.json {package}",
                f"python -m pip install --quiet --no-deps --force-reinstall {package}/"
                f"{dataset.lang}_{name}_knn-{VERSION}-py3-none-any.whl",
            ],
            "deps": [
                tuned,
                f"{training}/training.json",
                f"{report}/report.json",
                "project/package.py",
            ],
            "outputs": [package],
        },
    ]
    return [{**step, "name": f"{name}-{step['name']}"} for step in steps]


def train_step(
    name: str, method: str, training: str, start: str | None = None
) -> dict[str, Any]:
    """Train by one of the methods of train.py; stage two starts from a stage one."""
    how = "" if method == "softmax" else f"--method {method} "
    how += "" if start is None else f"--start {start}/model-best "
    return {
        "name": "train" if method == "softmax" else method,
        "help": HELP.get(method, "Train the tagger as configs/recipes.yml says"),
        "script": [
            f"python project/train.py {name} {training} {how}--encoder "
            "${vars.encoder} --seed ${vars.seed} --gpu ${vars.gpu}"
        ],
        "deps": [
            f"corpus/{name}/train.spacy",
            *([] if start is None else [f"{start}/model-best"]),
            *TRAINING,
        ],
        "outputs": [f"{training}/model-best", f"{training}/training.json"],
    }


def fill_steps(
    name: str, dataset: Dataset, training: str, built: str, tuned: str
) -> list[dict[str, Any]]:
    """Fill the store of a trained pipeline, and tune it."""
    train, dev = f"corpus/{name}/train.spacy", f"corpus/{name}/dev.spacy"
    return [
        {
            "name": "build",
            "help": "Fill the store with the training data",
            "script": [
                f"python -m spacy knn build {training}/model-best "
                f"{train} {built} {GPU} {dataset.build}".rstrip()
            ],
            "deps": [f"{training}/model-best", train],
            "outputs": [built],
        },
        {
            "name": "tune",
            "help": "Choose settings on dev",
            "script": [
                f"python -m spacy knn tune {built} {dev} {tuned} "
                f"{CACHE} {dataset.tune}".rstrip()
            ],
            "deps": [built, dev],
            "outputs": [tuned],
        },
    ]


def evaluate_step(
    name: str, dataset: Dataset, tuned: str, report: str, of: str = "test"
) -> dict[str, Any]:
    """Report on the test data."""
    test = f"corpus/{name}/test.spacy"
    return {
        "name": "evaluate",
        "help": "Report on test",
        "script": [
            f"python -m spacy knn evaluate {tuned} {test} "
            f'--output {report} --title "{dataset.title} {of}" '
            f"{CACHE} {dataset.evaluate}".rstrip()
        ],
        "deps": [tuned, test],
        "outputs": [report],
    }


def nerco_commands(name: str, dataset: Dataset) -> list[dict[str, Any]]:
    """NerCo, and what its paper's table 5 compares it with: methods whose steps are
    train, build, tune and evaluate."""
    commands = []
    first = {m: f"training/{name}/{m}-{RUN}" for m in ("contrast", "contrast-outside")}
    runs = {  # run → its method, and where it starts from
        "nerco": ("nerco", first["contrast"]),
        "crf": ("crf", None),
        "joint": ("joint", None),
        "outside": ("nerco", first["contrast-outside"]),
    }
    for method, training in first.items():
        commands.append(train_step(name, method, training))
    for run, (method, start) in runs.items():
        training, models = f"training/{name}/{run}-{RUN}", f"models/{name}/{run}-{RUN}"
        built, tuned = f"{models}/built", f"{models}/tuned"
        report = f"reports/{name}/{run}-{RUN}"
        steps = [
            {**train_step(name, method, training, start), "name": "train"},
            *fill_steps(name, dataset, training, built, tuned),
            evaluate_step(name, dataset, tuned, report, f"test, {run}"),
        ]
        commands += [{**step, "name": f"{run}-{step['name']}"} for step in steps]
    stages = [
        f"{first['contrast']}/untouched",
        f"{first['contrast']}/model-best",
        f"training/{name}/nerco-{RUN}/model-best",
    ]
    picture = f"reports/{name}/nerco-{RUN}/vectors.svg"
    dev = f"corpus/{name}/dev.spacy"
    commands.append(
        {
            "name": "vectors",
            "help": "How far entity types are apart before and after each stage",
            "script": [
                f"python -m spacy knn vectors {dev} {' '.join(stages)} "
                f"--picture {picture} {GPU}"
            ],
            "deps": [*stages[1:], dev],
            "outputs": [picture],
        }
    )
    return [{**step, "name": f"{name}-{step['name']}"} for step in commands]


def nerco_workflows(name: str, commands: list[dict[str, Any]]) -> dict[str, list[str]]:
    """NerCo alone, and with the ablations of the paper's table 5."""
    names = [command["name"] for command in commands]
    first = [f"{name}-assets", f"{name}-convert"]
    own = (f"{name}-contrast", f"{name}-nerco-", f"{name}-vectors")
    alone = [n for n in names if n.startswith(own) and not n.endswith("-outside")]
    return {
        f"nerco-{name}": [*first, *alone],
        f"nerco-{name}-ablations": [*first, *names],
    }


def ner_commands(name: str) -> list[dict[str, Any]]:
    """spaCy's own ner on the same encoder and data, to compare."""
    training = f"training/{name}/ner-{RUN}"
    report = f"reports/{name}/ner-{RUN}.json"
    return [
        {
            "name": f"{name}-ner",
            "help": "Train and score spaCy's own ner, to compare",
            "script": [
                f"python project/train.py {name} {training} --method ner --encoder "
                "${vars.encoder} --seed ${vars.seed} --gpu ${vars.gpu}",
                f"python project/score.py {training}/model-best "
                f"corpus/{name}/test.spacy {report} --gpu ${{vars.gpu}}",
            ],
            "deps": [
                f"corpus/{name}/train.spacy",
                f"corpus/{name}/test.spacy",
                *TRAINING,
            ],
            "outputs": [report],
        }
    ]


def sweeps(name: str) -> list[dict[str, Any]]:
    """The paper's figure 2 and table 3."""
    tuned = f"models/{name}/{RUN}/tuned"
    shares = f"reports/low-resource/{name}/{RUN}/shares.json"
    return [
        {
            "name": "low-resource-shares",
            "help": "Train on shares of the data, look up in all of it",
            "script": [
                f"python project/low_resource.py {name} {shares} --encoder "
                "${vars.encoder} --seed ${vars.seed} --gpu ${vars.gpu}"
            ],
            "deps": [
                f"reports/{name}/{RUN}/report.json",
                f"corpus/{name}/train.spacy",
                f"corpus/{name}/test.spacy",
                *TRAINING,
            ],
            "outputs": [shares],
        },
        {
            "name": "low-resource-report",
            "help": "The report with F1 by share of the training data",
            "script": [
                f"python -m spacy knn evaluate {tuned} corpus/{name}/test.spacy "
                f"--output reports/low-resource/{name}/{RUN}/report --shares {shares} "
                f'--title "{DATASETS[name].title} test, low-resource" {CACHE}'
            ],
            "deps": [shares, tuned, f"corpus/{name}/test.spacy"],
            "outputs": [f"reports/low-resource/{name}/{RUN}/report"],
        },
        {
            "name": "k-sweep-table",
            "help": "F1 by k, the other settings chosen on dev for each k",
            "script": [
                f"python project/k_sweep.py {tuned} corpus/{name}/test.spacy "
                f"reports/k-sweep/{name}/{RUN}.json --gpu ${{vars.gpu}}"
            ],
            "deps": [tuned, f"corpus/{name}/test.spacy"],
            "outputs": [f"reports/k-sweep/{name}/{RUN}.json"],
        },
    ]


def project() -> dict[str, Any]:
    """All of project.yml."""
    steps = {name: commands(name, dataset) for name, dataset in DATASETS.items()}
    workflows = {}
    for name, dataset in DATASETS.items():
        mine = [step["name"] for step in steps[name]]
        if dataset.model is not None:
            first = [step["name"] for step in steps[dataset.model]]
            mine = [s for s in first if not s.endswith(("evaluate", "package"))] + mine
        workflows[name] = mine
    until_report = workflows[LOW_RESOURCE][:-1]
    more = sweeps(LOW_RESOURCE)
    workflows["low-resource"] = [*until_report, more[0]["name"], more[1]["name"]]
    workflows["k-sweep"] = [*until_report[:-1], more[2]["name"]]
    compared = [command for name in NER for command in ner_commands(name)]
    workflows["ner"] = [
        step
        for name, command in zip(NER, compared, strict=True)
        for step in (f"{name}-assets", f"{name}-convert", command["name"])
    ]
    every = [command for name in steps for command in steps[name]]
    for name in NERCO:
        contrasted = nerco_commands(name, DATASETS[name])
        workflows |= nerco_workflows(name, contrasted)
        every += contrasted
    cooperative, of_clner = clner()
    every += cooperative
    workflows |= of_clner
    return {
        "title": "kNN-NER on the data sets of the paper",
        "description": "Train, build, tune on dev, evaluate on test, package.",
        "vars": {
            "encoder": "default",
            "seed": 0,
            "gpu": -1,
            # Of CL-NER: what is searched for contexts, what ranks them, and texts
            # without annotation.
            "texts": "corpus/conll2003/train.spacy --texts corpus/ncbi/train.spacy",
            "encoder_of_contexts": "all-MiniLM-L6-v2",
            "unlabelled": "corpus/unlabelled.spacy",
        },
        "directories": list(DIRECTORIES),
        "workflows": workflows,
        "commands": [*every, *compared, *more],
    }


def text() -> str:
    """project.yml as it should be."""
    plain = json.loads(json.dumps(project()))  # shared lists would become anchors
    return HEAD + srsly.yaml_dumps(plain, indent_sequence=4, indent_offset=2)


if __name__ == "__main__":
    (ROOT / "project.yml").write_text(text(), encoding="utf8")
