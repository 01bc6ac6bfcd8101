"""Small pipelines with random weights, and a component whose vectors are planted."""

import json
from dataclasses import replace
from inspect import signature
from types import SimpleNamespace

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_knn_ner.inference.confidence import Calibration
from spacy_knn_ner.inference.retriever import StoreRetriever
from spacy_knn_ner.reading import tagger_output
from spacy_knn_ner.registry import index_block, resolve
from spacy_knn_ner.settings import Settings
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


def annotated(vocab, text, entities, default="outside"):
    """An annotated Doc; `default="missing"` leaves the other tokens unannotated."""
    doc = Doc(vocab, words=text.split())
    spans = [Span(doc, start, end, label=label) for start, end, label in entities]
    doc.set_ents(spans, default=default)
    return doc


def annotated_docs(nlp):
    return [annotated(nlp.vocab, text, ents) for text, ents in SENTENCES]


def initialized(nlp):
    """Random weights, the same every time."""
    from thinc.api import fix_random_seed

    fix_random_seed(0)
    examples = [Example(nlp.make_doc(d.text), d) for d in annotated_docs(nlp)]
    nlp.initialize(lambda: examples)
    return nlp


# Short names of settings → their block and name.
SHORT = {
    "weight": ("interpolation", "weight"),
    "mode": ("lookup", "mode"),
    "margin": ("lookup", "margin"),
    "score_entities": ("lookup", "score_entities"),
    "correction_weight": ("corrections", "weight"),
    "correction_temperature": ("corrections", "temperature"),
    "correction_votes": ("corrections", "votes"),
    "radius": ("corrections", "radius"),
    "other_words_radius": ("corrections", "other_words_radius"),
    "few_shot": ("few_shot", "share"),
    "few_shot_votes": ("few_shot", "votes"),
    "transitions": ("few_shot", "transitions"),
}


def knn_config(**settings):
    """A config of `knn_ner` from short names: `weight=0.7, index="flat"`."""
    config = {}
    for name, value in settings.items():
        if name == "index" and isinstance(value, str):
            value = index_block(value)
        block, _, key = ".".join(SHORT.get(name, (name,))).partition(".")
        if key:
            config.setdefault(block, {})[key] = value
        else:
            config[block] = value
    return config


def calibrated(knn, settings):
    """Set what tuning would fit, and return the other settings."""
    fitted = {k: v for k, v in settings.items() if hasattr(knn.calibration, k)}
    knn.calibration = replace(knn.calibration, **fitted)
    return {k: v for k, v in settings.items() if k not in fitted}


def configure(knn, **settings):
    """Change settings of a component by short names."""
    knn.set_settings(**knn_config(**calibrated(knn, settings)))


def add_knn(nlp, **settings):
    """Add a component with settings by short names."""
    others = {k: v for k, v in settings.items() if k not in vars(Calibration())}
    knn = nlp.add_pipe("knn_ner", config=knn_config(**others))
    calibrated(knn, settings)
    return knn


def view(doc):
    """What a user gets: entities and their scores."""
    scores = [ent._.knn_score for ent in doc.ents]
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
    add_knn(nlp, **settings)
    return initialized(nlp)


def own_encoder_pipeline(**settings):
    """An encoder inside the tagger; keys are handed over."""
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_tagger", config={"model": tagger_model(TOK2VEC)})
    add_knn(nlp, **settings)
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


def make_tiny_roberta(folder):
    """A RoBERTa checkpoint: words have fewer pieces where a space is in front."""
    import torch
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    letters = ["\u0120", *"(abcdefghijklmnopqrstuvwxyz"]
    merges = [("\u0120", "a"), ("\u0120", "t"), ("\u0120t", "h"), ("\u0120th", "e")]
    merges += [("i", "n"), ("e", "r"), ("t", "h")]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters]
    pieces += [one + other for one, other in merges]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    rules = "\n".join(" ".join(pair) for pair in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{rules}\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    RobertaTokenizerFast(*files, model_max_length=64).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=len(pieces),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        type_vocab_size=1,
    )
    torch.manual_seed(0)
    RobertaModel(config).save_pretrained(folder)
    return folder


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
    add_knn(nlp, **settings)
    return initialized(nlp)


ENCODERS = ["cnn", "own", "transformer"]


def pipeline_with(encoder, checkpoint, **settings):
    """encoder (str): One of ENCODERS."""
    if encoder == "transformer":
        return transformer_pipeline(checkpoint, **settings)
    make = cnn_pipeline if encoder == "cnn" else own_encoder_pipeline
    return make(**settings)


# --- planted vectors ---------------------------------------------------------


class Planted:
    """Stands for encoder and tagger: every word's vector and p_base are given."""

    def __init__(self, tag_set, vectors, p_base):
        """vectors (dict[str, ndarray]), p_base (dict[str, ndarray]): By word."""
        self.tag_set = tag_set
        self.vectors = vectors
        self.p_base = p_base
        self.writes_output = True

    def __call__(self, doc):
        if len(doc):
            doc.tensor = np.array([self.vectors[token.text] for token in doc])
        if self.writes_output:
            n_tags = len(self.tag_set)
            p = [self.p_base[token.text] for token in doc]
            value = tagger_output.TaggerOutput(
                scheme=self.tag_set.scheme,
                tags=list(self.tag_set.tags),
                probabilities=np.array(p).reshape(len(doc), n_tags),
                vectors=None,
                tagger=None,
            )
            tagger_output.write(doc, value)
        return doc

    def pipe(self, stream, batch_size=0):
        yield from map(self, stream)


@Language.factory("planted")
def make_planted(nlp, name):
    return Planted(TagSet("BIO", ("thing",)), {}, {})


def planted_pipeline(vectors, p_base, labels=("thing",), scheme="BIO", **settings):
    nlp = spacy.blank("en")
    planted = nlp.add_pipe("planted")
    planted.tag_set = TagSet(scheme, labels)
    planted.vectors, planted.p_base = vectors, p_base
    add_knn(nlp, **settings)
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


def entities(doc):
    """The entities of a Doc as tuples."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def neighbors(knn, doc, i, *, n=10):
    """The neighbors of a token."""
    return knn.explain(doc[i], n=n).tokens[0].neighbors


# --- tables of entries -------------------------------------------------------


def index_factory(name):
    """The factory of an index, by its short name."""
    return resolve(index_block(name))


def search(table, queries, k, *, metric="cosine", index="flat"):
    """Search a table with another index."""
    table.index_factory = index_factory(index)
    return table.search(queries, k, metric=metric)


def retriever(table, *, k=8, temperature=0.1, metric="cosine", n_tags=5, index=None):
    """A retriever over a table that is in no datastore."""
    if index is not None:
        table.index_factory = index_factory(index)
    datastore = SimpleNamespace(store=table, tag_set=range(n_tags))
    settings = Settings(k=k, temperature=temperature, metric=metric)
    return StoreRetriever(datastore, settings)


def vote(table, queries, **settings):
    """The votes of a table on keys."""
    return retriever(table, **settings).key_votes(queries)


def noisy_pipeline(**settings):
    """Words whose vectors and distributions both hint at their tags."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(120)]
    tags = rng.integers(0, 2, size=120)
    vectors = {w: rng.normal(size=4) + t for w, t in zip(words, tags, strict=True)}
    p = {}
    for word, tag in zip(words, tags, strict=True):
        first = np.clip(0.5 + 0.2 * (tag == 0) + rng.normal() / 4, 0.01, 0.99)
        p[word] = np.array([first, (1 - first) / 2, (1 - first) / 2])
    nlp = planted_pipeline(vectors, p, **settings)
    docs = []
    for start in range(0, 120, 6):
        part = slice(start, start + 6)
        spans = [(i, i + 1, "thing") for i in range(6) if tags[part][i]]
        doc = annotated(nlp.vocab, " ".join(words[part]), spans)
        doc.user_data["document"] = f"document {start // 12}"  # of two Docs
        docs.append(doc)
    nlp.get_pipe("knn_ner").build(docs[:10], show_progress=False)
    return nlp, docs[:10], docs[10:]


# --- command line ------------------------------------------------------------


def run(*arguments, code=0):
    """What a command prints, and its errors."""
    from typer.testing import CliRunner

    from spacy_knn_ner.cli.app import app

    # Click before 8.2 mixes the two, unless told otherwise.
    is_mixed = "mix_stderr" in signature(CliRunner).parameters
    runner = CliRunner(mix_stderr=False) if is_mixed else CliRunner()
    done = runner.invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def run_json(*arguments):
    return json.loads(run(*arguments, "--json")[0])
