"""Small pipelines with random weights, and a component whose vectors are planted."""

import json

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_knn_ner.pipeline import handover
from spacy_knn_ner.tags import TagSet

SENTENCES = [
    ("Ada Lovelace lived in London", [(0, 2, "person"), (4, 5, "location")]),
    ("Alan Turing worked at Bletchley Park", [(0, 2, "person"), (4, 6, "location")]),
    ("They met Grace Hopper in New York", [(2, 4, "person"), (5, 7, "location")]),
    ("Nobody came to the party", []),
    ("Paris is lovely in spring", [(0, 1, "location")]),
    ("I read a book by Mary Shelley", [(5, 7, "person")]),
]
TEXTS = [
    "Grace Hopper lived in Paris",
    "Nobody read the book",
    "",
    "Mary met Alan in New York and they came to London",
    "The party at Bletchley Park",
]


def labelled(vocab, text, entities, default="outside"):
    """A labelled Doc; `default="missing"` leaves the other tokens unannotated."""
    doc = Doc(vocab, words=text.split())
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    doc.set_ents(spans, default=default)
    return doc


def labelled_docs(nlp):
    return [labelled(nlp.vocab, text, ents) for text, ents in SENTENCES]


def initialized(nlp):
    """Random weights, the same every time."""
    from thinc.api import fix_random_seed

    fix_random_seed(0)
    examples = [Example(nlp.make_doc(d.text), d) for d in labelled_docs(nlp)]
    nlp.initialize(lambda: examples)
    return nlp


def view(doc):
    """What a user gets: entities and their scores."""
    scores = doc.spans["knn_ner"].attrs["scores"]
    return [
        (ent.start, ent.end, ent.label_, score)
        for ent, score in zip(doc.ents, scores, strict=True)
    ]


def same(found, expected, tolerance=0.0):
    """Whether two lists of views have equal entities, and scores within tolerance."""
    for one, other in zip(found, expected, strict=True):
        assert [span[:3] for span in one] == [span[:3] for span in other]
        scores = [span[3] for span in one], [span[3] for span in other]
        np.testing.assert_allclose(*scores, rtol=0, atol=tolerance)
    return True


# --- pipelines ---------------------------------------------------------------

TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 32,
    "depth": 2,
    "embed_size": 500,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
LISTENER = {
    "@architectures": "spacy.Tok2VecListener.v1",
    "width": 32,
    "upstream": "tok2vec",
}


def tagger_model(tok2vec):
    return {"@architectures": "spacy_knn_ner.NerTagger.v1", "tok2vec": tok2vec}


def cnn_pipeline(**settings):
    """spaCy's own tok2vec, shared through a listener; keys are doc.tensor."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("ner_tagger", config={"model": tagger_model(LISTENER)})
    nlp.add_pipe("knn_ner", config=settings)
    return initialized(nlp)


def own_encoder_pipeline(**settings):
    """An encoder inside the tagger; keys are handed over."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_tagger", config={"model": tagger_model(TOK2VEC)})
    nlp.add_pipe("knn_ner", config=settings)
    return initialized(nlp)


def make_tiny_bert(folder):
    """A BERT checkpoint with random weights and a word-piece vocabulary."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    pieces += [f"##{letter}" for letter in letters] + ["in", "the", "##in", "##er"]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    return make_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))


def transformer_pipeline(checkpoint, *, hidden_states=False, window=16, **settings):
    """spacy-transformers; keys are made from doc._.trf_data."""
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": str(checkpoint),
        "get_spans": {
            "@span_getters": "spacy-transformers.strided_spans.v1",
            "window": window,
            "stride": window - 4,
        },
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {"output_hidden_states": hidden_states},
        "mixed_precision": False,
        "grad_scaler_config": {},
    }
    nlp.add_pipe("transformer", config={"model": model})
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "grad_factor": 1.0,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp.add_pipe("ner_tagger", config={"model": tagger_model(listener)})
    nlp.add_pipe("knn_ner", config=settings)
    return initialized(nlp)


ENCODERS = ["cnn", "own", "transformer"]


def pipeline_with(encoder, checkpoint, **settings):
    """encoder (str): One of ENCODERS."""
    if encoder == "transformer":
        return transformer_pipeline(checkpoint, **settings)
    make = cnn_pipeline if encoder == "cnn" else own_encoder_pipeline
    return make(**settings)


@pytest.fixture
def cnn():
    return cnn_pipeline()


@pytest.fixture
def built(cnn):
    cnn.get_pipe("knn_ner").build(labelled_docs(cnn), show_progress=False)
    return cnn


# --- planted vectors ---------------------------------------------------------


class Planted:
    """Stands for encoder and tagger: every word's vector and p_NER are given."""

    def __init__(self, tag_set, vectors, p_ner):
        """vectors (dict[str, ndarray]), p_ner (dict[str, ndarray]): By word."""
        self.tag_set = tag_set
        self.vectors = vectors
        self.p_ner = p_ner
        self.hand_over = True

    def __call__(self, doc):
        if len(doc):
            doc.tensor = np.array([self.vectors[token.text] for token in doc])
        if self.hand_over:
            n_tags = len(self.tag_set)
            p = [self.p_ner[token.text] for token in doc]
            value = handover.HandOver(
                scheme=self.tag_set.scheme,
                tags=list(self.tag_set.tags),
                probabilities=np.array(p).reshape(len(doc), n_tags),
                vectors=None,
                tagger=None,
            )
            handover.write(doc, value)
        return doc

    def pipe(self, stream, batch_size=0):
        yield from map(self, stream)


@Language.factory("planted")
def make_planted(nlp, name):
    return Planted(TagSet("BIO", ("thing",)), {}, {})


def planted_pipeline(vectors, p_ner, labels=("thing",), scheme="BIO", **settings):
    nlp = spacy.blank("en")
    planted = nlp.add_pipe("planted")
    planted.tag_set = TagSet(scheme, labels)
    planted.vectors, planted.p_ner = vectors, p_ner
    nlp.add_pipe("knn_ner", config=settings)
    return nlp


def run_python(script, folder, timeout, *arguments):
    """Run a script in a process of its own; returns what it prints as JSON."""
    import subprocess
    import sys

    path = folder / "script.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(path), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
