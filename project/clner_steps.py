"""The commands and workflows of CL-NER: its tables 1 to 7."""

from typing import Any

from data_sets import DATASETS

RUN = "${vars.encoder}/${vars.seed}"
GPU = "--gpu-id ${vars.gpu}"
CACHE = f"--cache cache {GPU}"
VIEWS = ("plain", "context")
STEPS = ("assets", "convert")
# Data set → where its contexts come from: table 1.
MAIN = {
    "wnut17": "retrieved",
    "wnut16": "retrieved",
    "conll2003": "document",
    "ncbi": "document",
    "bc5cdr": "document",
}
TABLE_1 = ("plain", "context", "clner-l2", "clner-kl")
TABLE_6 = ("clner-none", "clner-both")
# Folder of contexts → options of project/contexts.py.
ENCODER = "--encoder ${vars.encoder_of_contexts}"
CONTEXTS = {
    "document": "--source document",
    "retrieved": f"--source retrieved --reranker bert-score {ENCODER}",
    "engine-order": "--source retrieved",
    "fuzzy": "--source retrieved --reranker fuzzy",
    "bert-score-idf": f"--source retrieved --reranker bert-score-idf {ENCODER}",
    "data-set": f"--source data-set --reranker bert-score {ENCODER}",
    "other-sentence": f"--source other-sentence --reranker bert-score {ENCODER}",
    "random": "--source random",
}
# What ${vars.texts} says needs these data sets.
KNOWLEDGE = ("conll2003", "ncbi")
TABLE_4 = ("retrieved", "engine-order", "fuzzy", "bert-score-idf")
TABLE_5 = ("retrieved", "data-set", "other-sentence", "random")


def contexts_step(name: str, contexts: str) -> dict[str, Any]:
    """Give a data set contexts of one kind."""
    dataset = DATASETS[name]
    # As for the convert step: who changes dev.spacy does not want it written again.
    parts = [part for part in dataset.splits if part != "dev"]
    if contexts == "document":
        needs = list(dict.fromkeys(f"assets/{s.file}" for s in dataset.splits.values()))
        texts = ""
    else:
        needs = [f"corpus/{name}/{part}.spacy" for part in parts]
        texts = " --texts ${vars.texts}"
    folder = f"corpus/{name}/{contexts}"
    return {
        "name": f"{name}-contexts-{contexts}",
        "help": f"Contexts of each sentence: {contexts}",
        "script": [
            f"python project/contexts.py {name} {folder} {CONTEXTS[contexts]}{texts}"
        ],
        "deps": [*needs, "project/contexts.py"],
        "outputs": [f"{folder}/{part}.spacy" for part in parts],
    }


def run_steps(
    name: str, method: str, contexts: str, more: str = ""
) -> list[dict[str, Any]]:
    """Train by a method, and evaluate both views with and without neighbors.

    name (str): A data set.
    method (str): Of project/train.py.
    contexts (str): Of its folder.
    more (str): Options of project/train.py.
    """
    run = f"{method}-{contexts}" + ("-semi" if more else "")
    training, corpus = f"training/{name}/{run}-{RUN}", f"corpus/{name}/{contexts}"
    steps = [
        {
            "name": f"{name}-{run}-train",
            "help": f"Train with contexts ({contexts}): {method}",
            "script": [
                f"python project/train.py {name} {training} --method {method} "
                f"--contexts {contexts} {more}--encoder ${{vars.encoder}} "
                "--seed ${vars.seed} --gpu ${vars.gpu}"
            ],
            "deps": [
                f"{corpus}/train.spacy",
                "configs/recipes.yml",
                "configs/clner.cfg",
                "project/train.py",
            ],
            "outputs": [f"{training}/model-best", f"{training}/training.json"],
        }
    ]
    for view in VIEWS:
        models = f"models/{name}/{run}-{RUN}/{view}"
        built, tuned = f"{models}/built", f"{models}/tuned"
        report = f"reports/{name}/{run}-{RUN}/{view}"
        steps.append(
            {
                "name": f"{name}-{run}-{view}",
                "help": f"Build, tune and evaluate the {view} view",
                "script": [
                    f"python -m spacy knn build {training}/model-best "
                    f"{corpus}/train.spacy {built} --view {view} {GPU}",
                    f"python -m spacy knn tune {built} {corpus}/dev.spacy {tuned} "
                    f"{CACHE}",
                    f"python -m spacy knn evaluate {tuned} {corpus}/test.spacy "
                    f"--output {report} {CACHE} "
                    f'--title "{DATASETS[name].title} test, {run}, {view} view"',
                ],
                "deps": [
                    f"{training}/model-best",
                    f"{corpus}/train.spacy",
                    f"{corpus}/dev.spacy",
                ],
                "outputs": [tuned, report],
            }
        )
    return steps


def transfer_step(name: str, method: str, view: str) -> dict[str, Any]:
    """Evaluate a model of CoNLL-2003 on another test set: table 2."""
    run = f"{method}-document-{RUN}/{view}"
    tuned, report = f"models/conll2003/{run}/tuned", f"reports/{name}/{run}"
    test = f"corpus/{name}/document/test.spacy"
    return {
        "name": f"{name}-{method}-{view}-evaluate",
        "help": f"CL-NER of CoNLL-2003 on {DATASETS[name].title}, {view} view",
        "script": [
            f"python -m spacy knn evaluate {tuned} {test} --output {report} {CACHE}"
        ],
        "deps": [tuned, test],
        "outputs": [report],
    }


def clner() -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """All commands and workflows of CL-NER."""
    commands: dict[str, dict[str, Any]] = {}
    workflows: dict[str, list[str]] = {}

    def workflow(title: str, first: list[str], steps: list[dict[str, Any]]) -> None:
        commands.update({step["name"]: step for step in steps})
        workflows[title] = [*first, *(step["name"] for step in steps)]

    knowledge = [f"{name}-{step}" for name in KNOWLEDGE for step in STEPS]
    for name, contexts in MAIN.items():
        begin = [f"{name}-assets", f"{name}-convert"]
        begin = begin if contexts == "document" else [*knowledge, *begin]
        table_1 = [contexts_step(name, contexts)]
        for method in TABLE_1:
            table_1 += run_steps(name, method, contexts)
        workflow(f"clner-{name}", begin, table_1)
        table_6 = [contexts_step(name, contexts)]
        for method in TABLE_6:
            table_6 += run_steps(name, method, contexts)
        workflow(f"clner-{name}-losses", begin, table_6)
    begin = [*knowledge, "wnut17-assets", "wnut17-convert"]
    for title, kinds in (("rerankers", TABLE_4), ("sources", TABLE_5)):
        steps = []
        for kind in kinds:
            steps += [contexts_step("wnut17", kind)]
            steps += run_steps("wnut17", "context", kind)
        workflow(f"clner-wnut17-{title}", begin, steps)
    semi = [contexts_step("wnut17", "retrieved")]
    for method in ("clner-l2", "clner-kl"):
        unlabelled = "--unlabelled ${vars.unlabelled} "
        semi += run_steps("wnut17", method, "retrieved", unlabelled)
    workflow("clner-semi-supervised", begin, semi)
    begin = knowledge
    steps = [contexts_step("conll2003", "retrieved")]
    for method in ("context", "clner-kl"):
        steps += run_steps("conll2003", method, "retrieved")
    document = [
        step
        for method in ("context", "clner-kl")
        for step in run_steps("conll2003", method, "document")
    ]
    first = [contexts_step("conll2003", "document")]
    workflow("clner-document-or-retrieved", begin, [*first, *document, *steps])
    # They have no train and dev of their own.
    for name in ("conllpp", "cbs"):
        begin = [*workflows["clner-conll2003"], f"{name}-assets", f"{name}-convert"]
        steps = [transfer_step(name, m, view) for m in TABLE_1 for view in VIEWS]
        workflow(f"clner-{name}", begin, [contexts_step(name, "document"), *steps])
    return list(commands.values()), workflows
