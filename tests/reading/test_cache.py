"""A build that was interrupted goes on; and it needs little memory."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from util import annotated_docs, cnn_pipeline, run_python

from spacy_knn_ner.reading.cache import EncodingCache
from spacy_knn_ner.reading.encoder import KeyEncoder
from spacy_knn_ner.settings import KeySettings
from spacy_knn_ner.types import AnnotatedText, TokenKeys


class PowerCut(Exception):
    pass


@pytest.fixture
def encoded(monkeypatch):
    """How many texts were encoded, per batch; `cut` says before which batch it ends."""
    batches, keys = [], KeyEncoder.keys

    def counting(encoder, texts, scheme):
        if len(batches) == counting.cut:
            raise PowerCut
        batches.append(len(texts))
        return keys(encoder, texts, scheme)

    counting.cut = None
    batches_of = {"sizes": batches, "function": counting}
    monkeypatch.setattr(KeyEncoder, "keys", counting)
    return batches_of


def entries(knn):
    store = knn.datastore.store
    return store.entries.array(), store.tags.array(), store.keys.array()


def build(nlp, draft, docs=None):
    knn = nlp.get_pipe("knn_ner")
    docs = annotated_docs(nlp) if docs is None else docs
    return knn.build(docs, batch_size=2, show_progress=False, cache=draft)


def test_what_was_encoded_is_not_encoded_again(encoded, tmp_path):
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), batch_size=2, show_progress=False)
    expected, n_batches = entries(knn), len(encoded["sizes"])
    assert n_batches > 2
    encoded["sizes"].clear()
    encoded["function"].cut = 2
    with pytest.raises(PowerCut):
        build(nlp, tmp_path / "draft")
    encoded["function"].cut = None
    encoded["sizes"].clear()
    ids = build(nlp, tmp_path / "draft")
    assert len(encoded["sizes"]) == n_batches - 2
    assert ids == sorted(ids)
    for one, other in zip(entries(knn), expected, strict=True):
        if one.dtype.names:
            one, other = one["token"], other["token"]
        np.testing.assert_array_equal(one, other)


def test_other_labels_need_no_other_keys(encoded, tmp_path):
    nlp = cnn_pipeline()
    build(nlp, tmp_path / "draft")
    encoded["sizes"].clear()
    docs = annotated_docs(nlp)
    for doc in docs:
        doc.set_ents([])
    build(nlp, tmp_path / "draft", docs)
    assert encoded["sizes"] == []
    assert nlp.get_pipe("knn_ner").labels == ()


@pytest.mark.parametrize("changed", ["weights", "tagger", "batches"])
def test_keys_of_another_encoder_are_not_taken(changed, encoded, tmp_path):
    nlp = cnn_pipeline()
    build(nlp, tmp_path / "draft")
    n_batches = len(encoded["sizes"])
    encoded["sizes"].clear()
    docs = annotated_docs(nlp)
    if changed == "weights":
        model = nlp.get_pipe("tok2vec").model
        weights = next(node for node in model.walk() if node.has_param("W"))
        weights.set_param("W", weights.get_param("W") * 1.5)
    elif changed == "tagger":
        nlp.get_pipe_config("ner_tagger")["tag_scheme"] = "BIO"
    else:
        docs = docs[1:]
    build(nlp, tmp_path / "draft", docs)
    assert abs(len(encoded["sizes"]) - n_batches) <= 1


class KnownKeys:
    """An encoder of an empty pipeline whose keys are given."""

    def __init__(self, scheme, keys):
        self.scheme, self.made, self.calls = scheme, keys, []
        self.nlp, self.component = spacy.blank("en"), None
        self.settings, self.projection = KeySettings(), None

    def keys(self, texts, scheme):
        self.calls.append(len(texts))
        return self.scheme, self.made


def test_a_damaged_batch_is_encoded_again(tmp_path):
    text = AnnotatedText(["a", "b"], [True, False], [])
    made = [TokenKeys(np.ones((2, 3), "float32"), np.arange(2), 2)]
    encoder = KnownKeys("BIO", made)
    cache = EncodingCache(tmp_path, encoder)
    for damage in (lambda data: data, lambda data: data[:-20], lambda data: b""):
        scheme, keys = cache.keys(encoder, [text], "BIO")
        assert scheme == "BIO"
        np.testing.assert_array_equal(keys[0].vectors, made[0].vectors)
        np.testing.assert_array_equal(keys[0].tokens, made[0].tokens)
        (path,) = tmp_path.iterdir()
        path.write_bytes(damage(path.read_bytes()))
    cache.keys(encoder, [text], "BIO")
    assert encoder.calls == [1, 1, 1]


def test_texts_without_keys_are_kept_too(tmp_path):
    texts = [AnnotatedText([], [], []), AnnotatedText([" "], [False], [])]
    none = [TokenKeys(np.zeros((0, 0), "float32"), np.zeros(0, int), n) for n in (0, 1)]
    encoder = KnownKeys("BILUO", none)
    cache = EncodingCache(tmp_path, encoder)
    for _ in range(2):
        scheme, keys = cache.keys(encoder, texts, "BILUO")
        assert (scheme, [(len(k), k.n_tokens) for k in keys]) == (
            "BILUO",
            [(0, 0), (0, 1)],
        )


MEMORY = """
import json, os, resource, sys
# Every thread reserves room of its own, used or not.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
import numpy as np, spacy
from spacy.tokens import Doc, Span
sys.path.insert(0, sys.argv[1])
from util import planted_pipeline

_, _, n_docs, width, folder, allowed = sys.argv
n_docs, width, allowed = int(n_docs), int(width), int(allowed)
rng = np.random.default_rng(0)
base = rng.normal(size=(8, width))
words = [f"w{i}" for i in range(5000)]
rows = (rng.normal(size=(len(words), 8)) @ base).astype("float32")
nlp = planted_pipeline(dict(zip(words, rows)), {w: np.ones(3) / 3 for w in words})

def docs():
    for i in range(n_docs):
        doc = Doc(nlp.vocab, words=rng.choice(words, size=50).tolist())
        doc.set_ents([Span(doc, 0, 1, label="thing")])
        yield doc

resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
knn = nlp.get_pipe("knn_ner")
knn.build(docs(), show_progress=False, cache=folder + "/draft")
nlp.to_disk(folder + "/model")
made = knn.datastore.store.index_info()["kind"]
print(json.dumps(made))
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_build_takes_little_more_memory_than_its_index(tmp_path):
    """At most 1.3 times what is saved and 500 MB, libraries among them. What is mapped
    does not count: the system takes it back when it needs room."""
    n_docs, width = 8000, 384
    keys = n_docs * 50 * width * 4
    allowed = round(1.3 * keys + 500e6)
    arguments = Path(__file__).parent.parent, n_docs, width, tmp_path, allowed
    made = run_python(MEMORY, tmp_path, 300, *arguments)
    saved = sum(path.stat().st_size for path in (tmp_path / "model").rglob("store.*"))
    assert made == "pca"
    assert saved > keys
