"""Train a tagger, one stage of NerCo, or CL-NER, as configs/recipes.yml says, once.

python project/train.py wnut17 training/wnut17/default/0 --seed 0
"""

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from data_sets import DATASETS, find_data_set
from encoder import MINILM, find_encoder
from spacy import util
from spacy.cli.train import train as spacy_train
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.training.batchers import minibatch_by_words
from spacy.training.initialize import init_nlp
from thinc.api import Config
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs, write_docs
from spacy_knn_ner.digest import sha256
from spacy_knn_ner.ml.contexts.views import sentences_of
from spacy_knn_ner.reading.training.entity_batches import make_batcher

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
DEFAULT, CNN = "default", "cnn"
LAYER = "contrast-layer"
CONTRAST = ("contrast", "contrast-outside", LAYER)  # stage one of NerCo
FROM_CONTRAST = ("nerco", "nerco-softmax")  # stage two
ON_LAYER = ("nerco-layer", "nerco-layer-softmax")  # stage two, on a frozen encoder
UNTOUCHED = "untouched"  # the encoder before stage one, in its folder
STARTED = (LAYER, *FROM_CONTRAST, *ON_LAYER)  # from another pipeline
# CL-NER, on Docs with contexts: one view alone; or both, with a loss between them.
ONE_VIEW = ("plain", "context")
COOPERATIVE = ("clner-kl", "clner-l2", "clner-both", "clner-none")
CONTEXT = (*ONE_VIEW, *COOPERATIVE)
TAGGERS = ("softmax", "crf", *FROM_CONTRAST, *ON_LAYER, "joint", *CONTEXT, "ner")
METHODS = (*TAGGERS, *CONTRAST)


def recipe(dataset: str, encoder: str, method: str = "softmax") -> dict[str, Any]:
    """How to train on a data set with an encoder; for one that is not listed there, as
    any other of its kind. Stage one has recipes of its own."""
    recipes = srsly.read_yaml(CONFIGS / "recipes.yml")
    if method in CONTRAST:
        of_stage = recipes["contrast-layer" if method == LAYER else "contrast"]
        return dict(of_stage.get(dataset, of_stage["default"]))
    if method in ON_LAYER:
        return dict(recipes["layer"])
    kind = "cnn" if encoder == CNN else "transformer"
    name = Path(encoder).name  # a folder is known by its name
    if encoder not in recipes[dataset] and name in recipes[dataset]:
        encoder = name
    if encoder not in recipes[dataset]:
        msg.info(f"No recipe for {encoder} on {dataset}: training as any {kind}.")
    return dict(recipes[dataset].get(encoder, recipes[kind]))


def overrides(
    recipe: dict[str, Any], dataset: str, n_docs: int, seed: int
) -> dict[str, Any]:
    """The recipe as overrides of a config, but for paths."""
    steps = -(-n_docs // recipe["batch"])
    total = steps * recipe["epochs"]
    return {
        "nlp.lang": DATASETS[dataset].lang,
        "system.seed": seed,
        "vars.epochs": recipe["epochs"],
        "vars.learn_rate": recipe["learn_rate"],
        "training.batcher.size": recipe["batch"],
        "training.accumulate_gradient": recipe["accumulate"],
        "training.dropout": recipe["dropout"],
        "training.optimizer.L2": recipe["weight_decay"],
        **schedule(total, recipe),
    }


def schedule(total: int, recipe: dict[str, Any]) -> dict[str, Any]:
    """Learning rates and checks on dev of so many updates."""
    n_checks = recipe["epochs"] * recipe["checks"]
    return {
        "vars.total_steps": total,
        "training.optimizer.learn_rate.warmup_steps": round(recipe["warmup"] * total),
        # spaCy counts updates from 0: so the last check follows one of the last ones.
        "training.eval_frequency": max(1, (total - 1) // n_checks),
    }


def end_after(total: int) -> dict[str, Any]:
    """End after so many updates. An end after epochs could come before the last check:
    Docs are shuffled, and batches of words or entities are more in one order than in
    another."""
    return {"training.max_steps": total, "training.max_epochs": 0}


def contrast_overrides(recipe: dict[str, Any], train: Path) -> dict[str, Any]:
    """A recipe of stage one as overrides of contrast.cfg: batches are made by their
    entities there."""
    docs = read_docs(train, spacy.blank("xx").vocab)
    batcher = make_batcher(recipe["entities"], recipe["batch"])
    steps = len(list(batcher(Example(doc, doc) for doc in docs)))
    total = steps * recipe["epochs"]
    return {
        **schedule(total, recipe),
        **end_after(total),
        "training.batcher.size": recipe["entities"],
        "training.batcher.max_docs": recipe["batch"],
        "training.patience": steps * recipe["patience"],
        "components.token_contrast.temperature": recipe["temperature"],
    }


def context_overrides(
    method: str, recipe: dict[str, Any], train: Path
) -> dict[str, Any]:
    """What CL-NER changes: batches are made by words there, because Docs may be whole
    documents, and count as many as in so many sentences."""
    docs = list(read_docs(train, spacy.blank("xx").vocab))
    n_words = sum(map(len, docs))
    n_sentences = sum(len(sentences_of(doc)) for doc in docs)
    size = round(recipe["batch"] * n_words / n_sentences)
    batches = minibatch_by_words(docs, size, tolerance=0.5, get_length=len)
    total = len(list(batches)) * recipe["epochs"]
    changes = {
        **schedule(total, recipe),
        **end_after(total),
        "training.accumulate_gradient": 1,  # both views are in one update
        "training.batcher.batcher.size": size,
    }
    if method in ONE_VIEW:
        return changes | {
            "components.transformer.model.view": method,
            "training.batcher.plain": False,
            "corpora.dev.views": "auto",
        }
    block = "components.ner_tagger.cooperative"
    loss = method.removeprefix("clner-")
    # As a sum over 384 numbers the squared distance outweighs the likelihood: the best
    # check on CoNLL-2003's dev data has F1 56.7 instead of 92.
    is_mean = loss in ("l2", "both")
    return changes | {f"{block}.loss": loss, f"{block}.divide_by_width": is_mean}


def method_overrides(
    method: str, recipe: dict[str, Any], train: Path
) -> dict[str, Any]:
    """What a method changes in its config file, but for paths."""
    if method in CONTRAST:
        changes = contrast_overrides(recipe, train)
        if method == "contrast-outside":
            changes["components.token_contrast.include_outside"] = True
        if method == LAYER:
            changes["vars.width"] = recipe["width"]
        return changes
    if method in CONTEXT:
        return context_overrides(method, recipe, train)
    heads = {"crf": "CrfTagger", "joint": "CrfTagger", "nerco-softmax": "NerTagger"}
    heads["nerco-layer-softmax"] = "NerTagger"
    if method not in heads:
        return {}
    name = f"spacy_knn_ner.{heads[method]}.v1"
    return {"components.ner_tagger.model.@architectures": name}


def config_for(encoder: str, method: str, output: Path) -> Path:
    """The config file to train with; those that are there only to compare are made of
    others."""
    if method == LAYER:
        return CONFIGS / "contrast_layer.cfg"
    if method in CONTRAST:
        return CONFIGS / "contrast.cfg"
    if method in FROM_CONTRAST:
        return CONFIGS / "nerco.cfg"
    if method in ON_LAYER:
        return CONFIGS / "nerco_layer.cfg"
    if method in CONTEXT:
        return CONFIGS / "clner.cfg"
    path = CONFIGS / ("cnn.cfg" if encoder == CNN else "transformer.cfg")
    if method in ("softmax", "crf"):
        return path
    config = Config().from_disk(path, interpolate=False)
    if method == "joint":
        contrast = Config().from_disk(CONFIGS / "contrast.cfg", interpolate=False)
        block = contrast["components"]["token_contrast"]
        config["components"]["token_contrast"] = block
        config["nlp"]["pipeline"].insert(1, "token_contrast")
    else:
        tagger = config["components"].pop("ner_tagger")
        config["components"]["ner"] = {
            "factory": "ner",
            "model": {
                "@architectures": "spacy.TransitionBasedParser.v2",
                "state_type": "ner",
                "extra_state_tokens": False,
                "hidden_width": 64,
                "maxout_pieces": 2,
                "use_upper": encoder == CNN,
                "nO": None,
                "tok2vec": tagger["model"]["tok2vec"],
            },
        }
        config["nlp"]["pipeline"] = [
            "ner" if name == "ner_tagger" else name
            for name in config["nlp"]["pipeline"]
        ]
    output.mkdir(parents=True, exist_ok=True)
    config.to_disk(output / f"{method}.cfg", interpolate=False)
    return output / f"{method}.cfg"


def part_of(path: Path, share: float, seed: int, output: Path) -> Path:
    """A random share of the Docs of a file, in a file of its own."""
    docs = read_docs(path, spacy.blank("xx").vocab)
    docs = random.Random(seed).sample(docs, round(share * len(docs)))
    write_docs(docs, output / "train.spacy")
    return output / "train.spacy"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _text(config: Path) -> str:
    """A config without its comments."""
    return Config().from_disk(config, interpolate=False).to_str(interpolate=False)


def _weights(encoder: str) -> str | None:
    """A hash of the weights in a folder; None for what a name stands for."""
    files = sorted(Path(encoder).glob("*.safetensors")) or [
        *Path(encoder).glob("pytorch_model*.bin")
    ]
    return " ".join(sha256(path) for path in files) or None


def _hash_folder(folder: Path) -> str:
    """A hash of the weights in a saved pipeline."""
    files = sorted(path for path in folder.rglob("*") if path.name == "model")
    return " ".join(sha256(path) for path in files)


def main(
    dataset: Annotated[str, typer.Argument(help="One of project/data_sets.py.")],
    output: Annotated[Path, typer.Argument(help="Where the model goes.")],
    encoder: Annotated[
        str, typer.Option(help="cnn, a hub name or a folder.")
    ] = DEFAULT,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    gpu: Annotated[int, typer.Option(help="GPU id, or -1.")] = -1,
    share: Annotated[float, typer.Option(help="Of the training data.")] = 1.0,
    method: Annotated[
        str, typer.Option(help=f"One of {', '.join(METHODS)}.")
    ] = "softmax",
    contexts: Annotated[
        str, typer.Option(help="Of CL-NER: a folder of project/contexts.py.")
    ] = "document",
    unlabelled: Annotated[
        Path | None,
        typer.Option(help="Of CL-NER: Docs with contexts, whose entities are unknown."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="What a stage starts from: a pipeline."),
    ] = None,
) -> None:
    """Train, unless just this was done before. The best check on dev is kept."""
    known = find_data_set(dataset, trained=True)
    if method not in METHODS or (start is None) == (method in STARTED):
        raise SystemExit(
            f"--method is one of {', '.join(METHODS)}; {', '.join(STARTED)} start from "
            f"another pipeline (--start), and the others do not."
        )
    data = Path("corpus") / dataset / (contexts if method in CONTEXT else "")
    settings = recipe(dataset, encoder, method)
    if encoder == DEFAULT:
        encoder = CNN if known.lang == "zh" else MINILM
    if encoder == CNN and method in (*CONTRAST, *STARTED, *CONTEXT, "joint"):
        raise SystemExit(
            f"{method} trains a transformer: name one, such as --encoder "
            "bert-base-chinese, or --vars.encoder in a workflow."
        )
    train = data / "train.spacy"
    if share < 1:
        train = part_of(train, share, seed, output)
    n_docs = len(DocBin().from_disk(train))
    changes = overrides(settings, dataset, n_docs, seed)
    changes |= method_overrides(method, settings, train)
    if method in CONTEXT:
        del changes["training.batcher.size"]
    path = config_for(encoder, method, output)
    done = output / "training.json"
    this = {
        "data": dataset,
        "share": share,
        "encoder": encoder,
        "method": method,
        "seed": seed,
        **({"contexts": contexts} if method in CONTEXT else {}),
        **settings,
        # Whatever else the model depends on, but for dev.spacy; see project.yml.
        "hashes": {
            "train.spacy": sha256(train),
            "config": _hash(_text(path)),
            "overrides": _hash(json.dumps(changes)),
            "encoder": _weights(encoder),
            **({} if unlabelled is None else {"unlabelled": sha256(unlabelled)}),
            "start": None if start is None else _hash_folder(start),
        },
    }
    if done.exists() and json.loads(done.read_text()) == this:
        msg.info(f"Using what was trained before, in {output}")
        return
    done.unlink(missing_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    changes["paths.train"] = str(train)
    changes["paths.dev"] = str(data / "dev.spacy")
    if unlabelled is not None:
        changes["training.batcher.unlabelled"] = str(unlabelled)
    if start is not None:
        changes[f"paths.{'encoder' if method == LAYER else 'start'}"] = str(start)
    if encoder != CNN and method not in STARTED:
        changes["vars.encoder"] = find_encoder(encoder)
    if method in CONTRAST:  # to compare with; see spacy knn vectors
        config = util.load_config(path, overrides=changes)
        init_nlp(config, use_gpu=gpu).to_disk(output / UNTOUCHED)
    spacy_train(path, output, use_gpu=gpu, overrides=changes)
    shutil.rmtree(output / "model-last")
    spacy.load(output / "model-best")  # before it is called done
    done.write_text(json.dumps(this, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
