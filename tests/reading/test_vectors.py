"""Key vectors, from whatever encoder there is."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy_curated_transformers.models.output import DocTransformerOutput
from test_contexts import pipeline
from thinc.api import Ragged
from util import (
    annotated_docs,
    cnn_pipeline,
    own_encoder_pipeline,
    planted_pipeline,
    transformer_pipeline,
)

from spacy_knn_ner.errors import KnnNerError, KnnNerWarning
from spacy_knn_ner.reading.tagger_output import read
from spacy_knn_ner.reading.vectors import keep_hidden_layers, read_keys
from spacy_knn_ner.settings import KeySettings

TEXT = "Ada  lived in London"  # with a whitespace token


def keys_of(doc, **settings):
    return read_keys(doc, KeySettings(**settings), "knn_ner")


def test_keys_from_doc_tensor():
    doc = cnn_pipeline()(TEXT)
    keys = keys_of(doc)
    assert keys.tokens.tolist() == [0, 2, 3, 4]  # not the whitespace
    np.testing.assert_array_equal(keys.vectors, doc.tensor[keys.tokens])


def test_keys_handed_over_by_the_tagger():
    doc = own_encoder_pipeline()(TEXT)
    keys = keys_of(doc)
    np.testing.assert_array_equal(keys.vectors, read(doc)["vectors"][keys.tokens])


# --- spacy-transformers --------------------------------------------------------


@pytest.fixture(scope="module")
def transformer(tiny_bert):
    return transformer_pipeline(tiny_bert, hidden_states=True)


def piece_vectors(doc, states):
    """Per token, the vectors of its word pieces."""
    align = doc._.trf_data.align
    rows = states.reshape(-1, states.shape[-1])
    return [rows[align[i].dataXd.ravel()] for i in range(len(doc))]


def test_keys_are_pooled_from_word_pieces(transformer):
    doc = transformer(TEXT)
    pieces = piece_vectors(doc, doc._.trf_data.model_output.last_hidden_state)
    tokens = [0, 2, 3, 4]
    expected = {
        "mean": [pieces[i].mean(axis=0) for i in tokens],
        "first": [pieces[i][0] for i in tokens],
        "last": [pieces[i][-1] for i in tokens],
    }
    for pooling, vectors in expected.items():
        keys = keys_of(doc, pooling=pooling)
        assert keys.tokens.tolist() == tokens
        np.testing.assert_allclose(keys.vectors, vectors, atol=1e-6)
    keys = keys_of(doc, pooling="pieces")
    assert keys.tokens.tolist() == [i for i in tokens for _ in pieces[i]]
    np.testing.assert_array_equal(keys.vectors, np.concatenate(pieces))


def test_keys_of_another_layer(transformer):
    doc = transformer(TEXT)
    states = doc._.trf_data.model_output.hidden_states
    for layer in (0, 1, -2):
        pieces = piece_vectors(doc, states[layer])
        np.testing.assert_allclose(
            keys_of(doc, layer=layer).vectors[0], pieces[0].mean(axis=0), atol=1e-6
        )
    last = keys_of(doc, layer=2).vectors
    np.testing.assert_array_equal(last, keys_of(doc).vectors)
    with pytest.raises(KnnNerError, match="KNN-E046"):
        keys_of(doc, layer=7)


def test_hidden_layers_that_were_not_kept_are_an_error(tiny_bert, tmp_path):
    nlp = transformer_pipeline(tiny_bert)
    with pytest.raises(KnnNerError) as caught:
        keys_of(nlp(TEXT), layer=0)
    assert "spacy knn build --layer" in str(caught.value)
    keep_hidden_layers(nlp.get_pipe("transformer").model)  # as that does
    nlp.to_disk(tmp_path)
    for there in (nlp, spacy.load(tmp_path)):
        assert len(keys_of(there(TEXT), layer=0))
    layered = pipeline("transformer", tiny_bert)  # inside a layer that reads contexts
    keep_hidden_layers(layered.get_pipe("transformer").model)
    assert len(keys_of(layered(TEXT), layer=0))


def test_overlapping_windows_count_once_per_token(tiny_bert):
    doc = transformer_pipeline(tiny_bert, window=6)(" ".join(["in", "the"] * 10))
    keys = keys_of(doc)
    assert keys.tokens.tolist() == list(range(20))
    assert len(keys_of(doc, pooling="pieces")) > 20  # copies in both windows


def test_text_beyond_the_encoders_limit_is_noticed(tiny_bert):
    """64 positions, and windows of 40 tokens with three pieces each."""
    nlp = transformer_pipeline(tiny_bert, window=40)
    doc = nlp(" ".join(["abc"] * 40))
    with pytest.warns(KnnNerWarning, match=r"KNN-W001.*of 40 tokens"):
        keys = keys_of(doc)
    assert 0 < len(keys) < 40


# --- spacy-curated-transformers --------------------------------------------------


def curated(vocab, lengths, layers):
    """A Doc as spacy-curated-transformers leaves it."""
    words = [" " if n == 0 else f"w{i}" for i, n in enumerate(lengths)]
    doc = Doc(vocab, words=words)
    if not Doc.has_extension("trf_data"):
        Doc.set_extension("trf_data", default=None)
    lengths = np.array(lengths, dtype="int32")
    doc._.trf_data = DocTransformerOutput(
        all_outputs=[Ragged(layer, lengths) for layer in layers],
        last_layer_only=len(layers) == 1,
    )
    return doc


def test_keys_from_curated_transformers():
    rng = np.random.default_rng(0)
    first, last = rng.normal(size=(2, 6, 5)).astype("float32")
    doc = curated(spacy.blank("en").vocab, [2, 0, 3, 1], [first, last])
    keys = keys_of(doc)
    assert keys.tokens.tolist() == [0, 2, 3]
    expected = [last[:2].mean(axis=0), last[2:5].mean(axis=0), last[5]]
    np.testing.assert_allclose(keys.vectors, expected, atol=1e-6)
    np.testing.assert_array_equal(
        keys_of(doc, layer=0, pooling="pieces").vectors, first
    )
    np.testing.assert_array_equal(
        keys_of(doc, pooling="first").vectors, last[[0, 2, 5]]
    )
    np.testing.assert_array_equal(keys_of(doc, pooling="last").vectors, last[[1, 4, 5]])
    only_last = curated(doc.vocab, [2, 0, 3, 1], [last])
    with pytest.raises(KnnNerError, match="all_layer_outputs"):
        keys_of(only_last, layer=0)


# --- what cannot be a key ----------------------------------------------------------


def test_no_encoder_output_is_refused(cnn):
    doc = cnn.make_doc("Ada lived")
    with pytest.raises(KnnNerError, match="KNN-E041"):
        keys_of(doc)
    with pytest.raises(KnnNerError, match="KNN-E041"):
        keys_of(cnn("Ada lived"), source="transformer")
    assert len(keys_of(cnn.make_doc(""))) == 0
    assert len(keys_of(cnn.make_doc("  \n "))) == 0


def test_an_encoder_that_was_disabled_is_missed(built):
    with (
        pytest.raises(KnnNerError, match="KNN-E041"),
        built.select_pipes(disable="tok2vec"),
    ):
        # The listener gives zeros then; the neighbors would be anything.
        built("Ada lived in London")


def test_nan_in_a_vector_is_refused():
    vectors = {"a": np.ones(3), "b": np.array([1, np.nan, 0])}
    p = {"a": np.full(3, 1 / 3), "b": np.full(3, 1 / 3)}
    nlp = planted_pipeline(vectors, p)
    knn = nlp.get_pipe("knn_ner")
    docs = [Doc(nlp.vocab, words=["a"]), Doc(nlp.vocab, words=["a", "b"])]
    for doc in docs:
        doc.set_ents([])
    knn.build(docs[:1], show_progress=False)
    with pytest.raises(KnnNerError, match=r"KNN-E042.*'b' \(token 1\)"):
        nlp(Doc(nlp.vocab, words=["a", "b"]))
    with pytest.raises(KnnNerError, match="KNN-E042"):
        knn.build(docs, show_progress=False)
    assert len(knn.datastore) == 1  # as it was


def test_word_pieces_of_whole_words_are_refused(built):
    built.get_pipe("knn_ner").keys = {"pooling": "pieces"}
    with pytest.raises(KnnNerError, match="KNN-E047"):
        built("Ada lived in London")


def test_float16_keys_are_stored_as_such():
    nlp = cnn_pipeline(keys={"dtype": "float16"})
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    assert knn.datastore.store.keys.dtype == np.float16
