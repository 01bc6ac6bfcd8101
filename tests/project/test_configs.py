"""The configs in configs/ make pipelines that work."""

from pathlib import Path

import pytest
import spacy
from spacy.cli import app
from spacy.cli.train import train
from spacy.tokens import DocBin
from typer.testing import CliRunner
from util import SENTENCES, annotated, annotated_docs

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn.cfg", "transformer.cfg", "curated.cfg"])
def test_training(name, tiny_bert, tmp_path):
    config = CONFIGS / name
    nlp = spacy.blank("en")
    DocBin(docs=annotated_docs(nlp)).to_disk(tmp_path / "train.spacy")
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
    if name == "curated.cfg":
        sizes = {"width": 24, "layers": 2, "heads": 2, "intermediate": 32}
        sizes |= {"vocabulary": 61, "positions": 64}
        overrides |= {f"vars.{key}": value for key, value in sizes.items()}
    train(config, tmp_path / "out", overrides=overrides)
    nlp = spacy.load(tmp_path / "out" / "model-best")
    knn = nlp.add_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    text, entities = SENTENCES[0]
    knn.add([annotated(nlp.vocab, text, entities)])
    found = [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents]
    assert found == entities


@pytest.mark.slow
def test_an_encoder_without_training(tiny_bert, tmp_path):
    """Neighbors decide alone, by vectors from the middle of the encoder."""
    config, encoder = CONFIGS / "encoder.cfg", tmp_path / "encoder"
    overrides = ["--vars.encoder", tiny_bert, "--vars.layer", 1]
    arguments = map(str, ["assemble", config, encoder, *overrides])
    assert CliRunner().invoke(app, list(arguments)).exit_code == 0
    nlp = spacy.load(encoder)
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path / "model")
    nlp = spacy.load(tmp_path / "model")
    for text, entities in SENTENCES:
        found = [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents]
        assert found == entities
    assert nlp.get_pipe("knn_ner").datastore.fingerprint["layer"] == 1
