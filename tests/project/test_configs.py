"""The configs in configs/ make pipelines that work."""

from pathlib import Path

import pytest
import spacy
from spacy.cli import app
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner
from util import SENTENCES, annotated, annotated_docs

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.reading.fingerprint import hash_model

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


def assembled(tiny_bert, tmp_path):
    """encoder.cfg, with the first layer of a small encoder."""
    config, encoder = CONFIGS / "encoder.cfg", tmp_path / "encoder"
    overrides = ["--vars.encoder", tiny_bert, "--vars.layer", 1]
    arguments = map(str, ["assemble", config, encoder, *overrides])
    assert CliRunner().invoke(app, list(arguments)).exit_code == 0
    return str(encoder)


@pytest.mark.slow
def test_an_encoder_without_training(tiny_bert, tmp_path):
    """Neighbors decide alone, by vectors from the middle of the encoder."""
    nlp = spacy.load(assembled(tiny_bert, tmp_path))
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path / "model")
    nlp = spacy.load(tmp_path / "model")
    for text, entities in SENTENCES:
        found = [(ent.start, ent.end, ent.label_) for ent in nlp(text).ents]
        assert found == entities
    encoder = nlp.get_pipe("transformer").model.transformer
    assert encoder.config.num_hidden_layers == 1
    assert nlp.get_pipe("knn_ner").datastore.projection is not None


def settings_for(tiny_bert, tmp_path, **more):
    nlp = spacy.blank("en")
    DocBin(docs=annotated_docs(nlp)).to_disk(tmp_path / "train.spacy")
    return {
        "paths.train": str(tmp_path / "train.spacy"),
        "paths.dev": str(tmp_path / "train.spacy"),
        "vars.epochs": 20,
        "vars.total_steps": 20,
        "vars.learn_rate": 0.01,
        "training.eval_frequency": 5,
        "training.optimizer.learn_rate.warmup_steps": 1,
        **more,
    }


@pytest.mark.slow
def test_both_stages_of_nerco(tiny_bert, tmp_path):
    more = {"vars.encoder": str(tiny_bert)}
    first = settings_for(tiny_bert, tmp_path, **more)
    train(CONFIGS / "contrast.cfg", tmp_path / "one", overrides=first)
    start = tmp_path / "one" / "model-best"
    assert spacy.load(start).meta["performance"]["contrast_score"] > 0
    more = {"paths.start": str(start), "components.ner_tagger.head_only_updates": 3}
    second = settings_for(tiny_bert, tmp_path, **more)
    train(CONFIGS / "nerco.cfg", tmp_path / "two", overrides=second)
    nlp = spacy.load(tmp_path / "two" / "model-best")
    text, entities = SENTENCES[0]
    assert [(e.start, e.end, e.label_) for e in nlp(text).ents] == entities


@pytest.mark.slow
def test_contrast_on_top_of_a_frozen_encoder(tiny_bert, tmp_path):
    more = {"paths.encoder": assembled(tiny_bert, tmp_path), "vars.width": 24}
    more["training.patience"] = 0
    settings = settings_for(tiny_bert, tmp_path, **more)
    train(CONFIGS / "contrast_layer.cfg", tmp_path / "out", overrides=settings)
    nlp = spacy.load(tmp_path / "out" / "model-best")
    untouched = spacy.load(settings["paths.encoder"])
    models = [pipeline.get_pipe("transformer").model for pipeline in (nlp, untouched)]
    assert hash_model(models[0], nlp) == hash_model(models[1], untouched)
    knn = nlp.add_pipe("knn_ner", config={"keys": {"source": "tensor"}})
    knn.build(annotated_docs(nlp), show_progress=False)
    assert knn.datastore.width == 128
    text, entities = SENTENCES[0]
    assert [(e.start, e.end, e.label_) for e in nlp(text).ents] == entities
    # Stage two: a CRF on the layer.
    more = {"paths.start": str(tmp_path / "out" / "model-best")}
    more |= {"components.ner_tagger.head_only_updates": 3, "vars.epochs": 40}
    second = settings_for(tiny_bert, tmp_path, **more)
    second |= {"vars.epochs": 40, "vars.total_steps": 40}
    train(CONFIGS / "nerco_layer.cfg", tmp_path / "two", overrides=second)
    nlp = spacy.load(tmp_path / "two" / "model-best")
    assert hash_model(nlp.get_pipe("transformer").model, nlp) == hash_model(
        models[1], untouched
    )
    assert [(e.start, e.end, e.label_) for e in nlp(text).ents] == entities


@pytest.mark.slow
def test_an_encoder_that_the_layer_does_not_fit(tiny_bert, tmp_path):
    """vars.width is not that of the encoder."""
    more = {"paths.encoder": assembled(tiny_bert, tmp_path), "vars.width": 32}
    settings = settings_for(tiny_bert, tmp_path, **more)
    with pytest.raises(KnnNerError, match=r"KNN-E091.*24.*32"):
        train(CONFIGS / "contrast_layer.cfg", tmp_path / "out", overrides=settings)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["kl", "both"])
def test_both_views_are_trained(loss, tiny_bert, tmp_path):
    nlp = spacy.blank("en")
    docs = annotated_docs(nlp)
    for doc in docs:
        doc._.contexts = ["the party was in the hotel"]
    path = tmp_path / "contexts.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    settings = settings_for(tiny_bert, tmp_path, **{"vars.encoder": str(tiny_bert)})
    settings |= {
        "paths.train": str(path),
        "paths.dev": str(path),
        "vars.max_pieces": 60,
        "components.ner_tagger.cooperative.loss": loss,
        "training.batcher.unlabelled": str(path),
        "training.batcher.n_unlabelled": 2,
    }
    train(CONFIGS / "clner.cfg", tmp_path / "out", overrides=settings)
    nlp = spacy.load(tmp_path / "out" / "model-best")
    text, entities = SENTENCES[0]
    for contexts in (None, ["the party was in the hotel"]):
        doc = nlp.make_doc(text)
        doc._.contexts = contexts
        found = [(ent.start, ent.end, ent.label_) for ent in nlp(doc).ents]
        assert found == entities
    # Sentences of raw text are found; those that are marked stay.
    assert len(list(nlp("Ada met Alan. They left.").sents)) == 2
    marked = Doc(nlp.vocab, words=list("a.b."), sent_starts=[True, True, False, False])
    assert [sentence.start for sentence in nlp(marked).sents] == [0, 1]
