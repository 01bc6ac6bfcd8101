"""Compare the speed of the CRF head with that of the softmax head.

Both train on the same batches, in turns, and then tag the same texts:

python benchmarks/heads.py corpus/wnut17/train.spacy --encoder all-MiniLM-L6-v2
"""

import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config, fix_random_seed
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs

HEADS = {"softmax": "spacy_knn_ner.NerTagger.v1", "crf": "spacy_knn_ner.CrfTagger.v1"}
CONFIG = Path(__file__).parent.parent / "configs" / "transformer.cfg"


def pipeline(encoder: str, head: str, docs: list[Doc], lang: str) -> Language:
    """An initialized pipeline with one of the heads."""
    fix_random_seed(0)
    overrides = {
        "vars.encoder": encoder,
        "nlp.lang": lang,
        "components.ner_tagger.model.@architectures": HEADS[head],
    }
    config = Config().from_disk(CONFIG, overrides=overrides)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples(nlp, docs[:200]))
    return nlp


def examples(nlp: Language, docs: list[Doc]) -> list[Example]:
    """Docs to train on, with the words of the annotated ones."""
    return [
        Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs if doc
    ]


def timed(function: Any, *args: Any, **kwargs: Any) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - start


def main(
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs.")],
    encoder: Annotated[str, typer.Option(help="A hub name or a folder.")],
    lang: Annotated[str, typer.Option(help="A spaCy language code.")] = "en",
    batch: Annotated[int, typer.Option(help="Docs per update.")] = 16,
    updates: Annotated[int, typer.Option(help="Of each head.")] = 40,
    texts: Annotated[int, typer.Option(help="Docs to tag, five times.")] = 500,
    output: Annotated[Path | None, typer.Option(help="JSON to write.")] = None,
) -> None:
    """Time both heads in turns."""
    docs = read_docs(corpus, spacy.blank(lang).vocab)
    pipelines = {head: pipeline(encoder, head, docs, lang) for head in HEADS}
    optimizers = {head: nlp.resume_training() for head, nlp in pipelines.items()}
    training: dict[str, list[float]] = {head: [] for head in HEADS}
    starts = islice(cycle(range(0, len(docs) - batch, batch)), updates)
    for start in starts:
        for head, nlp in pipelines.items():
            some = examples(nlp, docs[start : start + batch])
            sgd = optimizers[head]
            training[head].append(timed(nlp.update, some, sgd=sgd, drop=0.1))
    tagging: dict[str, list[float]] = {head: [] for head in HEADS}
    for _ in range(5):
        for head, nlp in pipelines.items():
            to_tag = [example.predicted for example in examples(nlp, docs[:texts])]
            tagging[head].append(timed(lambda n, d: list(n.pipe(d)), nlp, to_tag))
    found = {
        "training": {head: sum(times) for head, times in training.items()},
        "tagging": {head: median(times) for head, times in tagging.items()},
    }
    for task, seconds in found.items():
        ratio = seconds["crf"] / seconds["softmax"]
        msg.info(f"{task}: {ratio:.2f} × the softmax's time ({seconds})")
    if output is not None:
        srsly.write_json(output, found)


if __name__ == "__main__":
    typer.run(main)
