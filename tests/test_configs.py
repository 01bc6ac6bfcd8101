"""The configs in configs/ train with `spacy train`, and what comes out can be used."""

from pathlib import Path

import pytest
import spacy
from conftest import SENTENCES, labelled, labelled_docs
from spacy.cli.train import train
from spacy.tokens import DocBin

CONFIGS = Path(__file__).parent.parent / "configs"


@pytest.mark.slow
@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.cfg")), ids=lambda p: p.name)
def test_training(config, tiny_bert, tmp_path):
    nlp = spacy.blank("en")
    DocBin(docs=labelled_docs(nlp)).to_disk(tmp_path / "train.spacy")
    overrides = {
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "train.spacy"),
        "vars.epochs": 20,
        "vars.total_steps": 20,
        "vars.learn_rate": 0.01,
        "training.eval_frequency": 10,
        "training.optimizer.learn_rate.warmup_steps": 1,
    }
    if "encoder" in config.read_text():
        overrides["vars.encoder"] = str(tiny_bert)
    train(config, tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-best")
    knn = nlp.add_pipe("knn_ner")
    knn.build(labelled_docs(nlp), show_progress=False)
    text, entities = SENTENCES[0]
    knn.add([labelled(nlp.vocab, text, entities)])
    found = [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents]
    assert found == entities
