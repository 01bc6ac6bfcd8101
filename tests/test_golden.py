"""Golden outputs: what a pipeline predicts stays the same, number by number.

`GOLDEN=write` writes the file anew; `GOLDEN=exact` compares every bit, which holds on
the processor that wrote it. Otherwise numbers may differ in their last digits.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from util import (
    TEXTS,
    TOK2VEC,
    annotated,
    annotated_docs,
    cnn_pipeline,
    initialized,
    planted_pipeline,
    tagger_model,
    transformer_pipeline,
)
from util import (
    configure as set_short,
)

GOLDEN = Path(__file__).parent / "golden" / "outputs.json"
MODE = os.environ.get("GOLDEN", "")
TOLERANCE = 0.0 if MODE == "exact" else 1e-5

# Text, entities, and what the other tokens are.
CORRECTIONS = [
    ("Grace Hopper lived in Paris", [(4, 5, "person")], "missing"),
    ("Nobody met Mary", [(2, 3, "new")], "missing"),
    ("Mary met Alan in New York", [], "outside"),
    ("Grace Hopper lived in Paris", [(0, 2, "location")], "missing"),
    ("Nobody met Mary", [(2, 3, "person")], "missing"),
]
# Name in the file → settings.
MODES = {
    "lossless": {"mode": "lossless"},
    "0.2": {"mode": "margin", "margin": 0.2},
    "None": {"mode": "all"},
}
DECODINGS = ("viterbi", "argmax")


def knn_of(nlp):
    return nlp.get_pipe("knn_ner")


def configure(nlp, **settings):
    set_short(knn_of(nlp), **settings)


def build(nlp):
    knn_of(nlp).build(annotated_docs(nlp), show_progress=False)


def correct(nlp):
    for i, (text, entities, default) in enumerate(CORRECTIONS):
        doc = annotated(nlp.vocab, text, entities, default)
        knn_of(nlp).add([doc], source=f"source {i}")


# --- pipelines ---------------------------------------------------------------


def cnn(tmp_path):
    return cnn_pipeline()


def own_encoder(tmp_path):
    nlp = spacy.blank("en")
    config = {"model": tagger_model(TOK2VEC), "tag_scheme": "BIO"}
    nlp.add_pipe("ner_tagger", config=config)
    nlp.add_pipe("knn_ner")
    configure(nlp, metric="euclidean", temperature=0.5)
    return initialized(nlp)


def transformer(tmp_path):
    return transformer_pipeline(tmp_path, hidden_states=True)


def word_pieces(tmp_path):
    nlp = transformer_pipeline(tmp_path, hidden_states=True)
    configure(nlp, keys={"pooling": "pieces", "layer": 1}, k=None)
    return nlp


def behind_ner(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("ner")
    nlp.add_pipe("knn_ner")
    return initialized(nlp)


def encoder_alone(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("knn_ner")
    return initialized(nlp)


def with_ruler(tmp_path):
    nlp = cnn_pipeline()
    ruler = nlp.add_pipe("entity_ruler", before="knn_ner")
    ruler.add_patterns([{"label": "place", "pattern": "New York"}])
    return nlp


PIPELINES = {
    made.__name__: made
    for made in (
        cnn,
        own_encoder,
        transformer,
        word_pieces,
        behind_ner,
        encoder_alone,
        with_ruler,
    )
}
MEMORIES = {
    "store": (build,),
    "corrections": (correct,),
    "both": (build, correct),
}


# --- what is compared ----------------------------------------------------------


def numbers(array):
    """As JSON holds them, to the last bit; None for NaN."""
    rows = np.asarray(array, dtype=float)
    return [None if np.isnan(x) else x for x in rows.ravel().tolist()]


def predicted(nlp, texts, *, with_p=True):
    knn, found = knn_of(nlp), []
    docs = list(nlp.pipe(texts, disable=["knn_ner"]))
    for doc, one in zip(docs, knn.predict(docs), strict=True):
        knn.set_annotations([doc], [one])
        scores = doc.spans["knn_ner"].attrs["scores"]
        found.append(
            {
                "entities": [(ent.start, ent.end, ent.label_) for ent in doc.ents],
                "scores": numbers(np.array(scores, dtype=float)),
                "tags": " ".join(one.tag_set.tags[i] for i in one.ids),
                "nearest": numbers(one.nearest),
                **({"p": numbers(one.p)} if with_p else {}),
            }
        )
    return found


def explained(nlp, texts):
    """Explanations of every token, and of the entities."""
    knn = knn_of(nlp)
    found = []
    for doc in nlp.pipe(texts):
        entities = [asdict(entity) for entity in knn.explain(doc, n=2).entities]
        tokens = [asdict(token) for token in knn.explain(doc[:], n=2).tokens]
        for token in tokens:
            for neighbor in token["neighbors"]:
                del neighbor["words"], neighbor["spaces"]
        found.append({"entities": entities, "tokens": tokens})
    return found


def outputs_of(pipeline, memory, folder):
    """Every way to decode and to look up."""
    nlp = PIPELINES[pipeline](folder)
    for step in MEMORIES[memory]:
        step(nlp)
    found = {}
    for weight, decoding, mode in [
        *((0.3, decoding, mode) for decoding in DECODINGS for mode in MODES),
        (0.7, "viterbi", "lossless"),
    ]:
        configure(nlp, weight=weight, decoding=decoding, **MODES[mode])
        with_p = decoding == "viterbi"  # the other has the same
        key = f"{weight} {decoding} {mode}"
        found[key] = predicted(nlp, TEXTS, with_p=with_p)
    configure(nlp, score_temperature=1.5, unknown_distance=0.3)
    configure(nlp, other_words_radius=0.2, weight=0.3)
    configure(nlp, mode="lossless", score_entities=False)
    found["other words"] = predicted(nlp, TEXTS)
    found["explained"] = explained(nlp, TEXTS[:1])
    return found


WORDS = [f"w{i}" for i in range(12)]


def planted_outputs():
    """Peaked distributions, where the gate passes over most tokens."""
    rng = np.random.default_rng(7)
    n_tags = 9
    vectors = dict(zip(WORDS, rng.normal(size=(len(WORDS), 6)), strict=True))
    p = dict(zip(WORDS, rng.dirichlet(np.full(n_tags, 0.1), len(WORDS)), strict=True))
    labels = ("thing", "other")
    nlp = planted_pipeline(vectors, p, labels, scheme="BILUO")

    def sentence():
        return Doc(nlp.vocab, words=rng.choice(WORDS, rng.integers(1, 9)).tolist())

    def annotated(label):
        doc = sentence()
        start = int(rng.integers(len(doc)))
        end = int(rng.integers(start + 1, len(doc) + 1))
        doc.set_ents([Span(doc, start, end, label=label)], default="outside")
        return doc

    knn = knn_of(nlp)
    knn.build([annotated(rng.choice(labels)) for _ in range(30)], show_progress=False)
    knn.add([annotated("new") for _ in range(4)])
    docs = [sentence() for _ in range(15)]
    found = {}
    for weight in (0.1, 0.3, 0.8):
        for mode in MODES:
            configure(nlp, weight=weight, k=4, **MODES[mode])
            copies = [doc.copy() for doc in docs]
            found[f"{weight} {mode}"] = predicted(nlp, copies)
    return found


# --- the test ------------------------------------------------------------------

CASES = [(p, m) for p in PIPELINES for m in MEMORIES]


def same(found, expected, where=""):
    """Compare what JSON can hold, numbers within the tolerance."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            same(found[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            same(one, other, f"{where}/{i}")
    elif isinstance(expected, float) and isinstance(found, float):
        assert found == expected or abs(found - expected) <= TOLERANCE, where
    else:
        assert found == expected, where


def as_json(value):
    return json.loads(json.dumps(value))


@pytest.fixture(scope="module")
def golden():
    saved = {} if not GOLDEN.exists() else json.loads(GOLDEN.read_text())
    yield saved
    if MODE == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(saved, separators=(",", ":")) + "\n")


def compare(name, found, golden):
    if MODE == "write":
        golden[name] = as_json(found)
    same(as_json(found), golden[name], name)


@pytest.mark.parametrize(("pipeline", "memory"), CASES)
def test_outputs_are_the_golden_ones(pipeline, memory, golden, tiny_bert):
    found = outputs_of(pipeline, memory, tiny_bert)
    compare(f"{pipeline} {memory}", found, golden)


def test_outputs_behind_a_gate_are_the_golden_ones(golden):
    compare("planted", planted_outputs(), golden)
