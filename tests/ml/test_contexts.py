"""Views: a sentence, the texts that it is read together with, and its own vectors."""

import shutil

import numpy as np
import pytest
import spacy
import srsly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from util import LISTENER, SENTENCES, TOK2VEC, annotated, initialized, tagger_model

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.ml.contexts import on_docs as contexts
from spacy_knn_ner.ml.contexts.buckets import make_buckets
from spacy_knn_ner.ml.contexts.layer import set_view
from spacy_knn_ner.ml.contexts.pieces import PieceCounter
from spacy_knn_ner.ml.contexts.views import ViewSettings, make_views, words_of

KINDS = ["tok2vec", "transformer", "curated_transformer"]
POOLING = {"@layers": "reduce_mean.v1"}


def encoder_block(kind, checkpoint):
    """The model of a component that encodes Docs."""
    if kind == "tok2vec":
        return TOK2VEC
    if kind == "transformer":
        spans = {"@span_getters": "spacy-transformers.strided_spans.v1"}
        return {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(checkpoint),
            "get_spans": {**spans, "window": 16, "stride": 12},
            "tokenizer_config": {"use_fast": True},
            "transformer_config": {
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
            },
            "mixed_precision": False,
            "grad_scaler_config": {},
        }
    architecture = "spacy-curated-transformers.{}.v1".format
    return {
        "@architectures": architecture("BertTransformer"),
        "vocab_size": 61,
        "hidden_width": 24,
        "intermediate_width": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "max_position_embeddings": 64,
        "model_max_length": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "piece_encoder": {"@architectures": architecture("BertWordpieceEncoder")},
        "with_spans": {
            "@architectures": architecture("WithStridedSpans"),
            "window": 60,
            "stride": 50,
        },
    }


def listener(kind):
    if kind == "tok2vec":
        return LISTENER
    if kind == "transformer":
        name = "spacy-transformers.TransformerListener.v1"
        return {"@architectures": name, "grad_factor": 1.0, "pooling": POOLING}
    name = "spacy-curated-transformers.LastTransformerLayerListener.v1"
    return {
        "@architectures": name,
        "width": 24,
        "upstream": "transformer",
        "pooling": POOLING,
        "grad_factor": 1.0,
    }


def pipeline(kind, checkpoint, *, contexts=True, **settings):
    """Random weights, the same with the layer and without it."""
    nlp = spacy.blank("en")
    block = encoder_block(kind, checkpoint)
    if contexts:
        name = "spacy_knn_ner.WithContexts.v1"
        block = {"@architectures": name, "encoder": block, **settings}
    name = "tok2vec" if kind == "tok2vec" else "transformer"
    nlp.add_pipe(kind, name=name, config={"model": block})
    nlp.add_pipe("ner_tagger", config={"model": tagger_model(listener(kind))})
    if kind == "curated_transformer":
        of_config = nlp.config["initialize"]["components"]
        loader = {"name": str(checkpoint)}
        prefix = "spacy-curated-transformers.HF"
        of_config["transformer"] = {
            "encoder_loader": {
                "@model_loaders": f"{prefix}TransformerEncoderLoader.v1",
                **loader,
            },
            "piecer_loader": {
                "@model_loaders": f"{prefix}PieceEncoderLoader.v1",
                **loader,
            },
        }
    return initialized(nlp)


def make_both(kind, checkpoint):
    """The same encoder without the layer, and with it."""
    plain = pipeline(kind, checkpoint, contexts=False)
    return plain, pipeline(kind, checkpoint, max_pieces=60, own_pieces=12)


@pytest.fixture(scope="session", params=KINDS)
def shared(request, tiny_bert):
    return make_both(request.param, tiny_bert)


@pytest.fixture
def both(shared):
    """For tests that train nothing."""
    yield shared
    set_view(shared[1].components[0][1].model, "auto")


@pytest.fixture(params=KINDS)
def fresh(request, tiny_bert):
    """For tests that train."""
    return make_both(request.param, tiny_bert)


def vectors(nlp, docs):
    """What a tagger reads, per token."""
    docs = list(docs)
    encoder = nlp.components[0][1]
    encoder.set_annotations(docs, encoder.predict(docs))
    return nlp.get_pipe("ner_tagger").model.get_ref("tok2vec").predict(docs)


def test_without_contexts_nothing_changes(both):
    texts = [*(text for text, _ in SENTENCES), "", "Paris " * 40]
    found = [vectors(nlp, map(nlp.make_doc, texts)) for nlp in both]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_sentence_is_read_with_its_contexts(both):
    """The vectors are those of the sentence in front of a separator and the texts."""
    plain, layered = both
    text, context = "Ada lived in London", ["she met Mary", "and Grace"]
    doc = layered.make_doc(text)
    doc._.contexts = context
    separator = PieceCounter(plain.components[0][1].model).separator
    words = [*text.split(), separator, *" ".join(context).split()]
    whole = vectors(plain, [Doc(plain.vocab, words=words)])[0]
    alone = vectors(plain, [plain.make_doc(text)])[0]
    found = vectors(layered, [doc])[0]
    np.testing.assert_allclose(found, whole[:4], atol=1e-5)
    assert np.abs(found - alone).max() > 1e-3


def test_sentences_around_are_contexts(both):
    """Of two sentences in a Doc, each is read next to the other."""
    plain, layered = both
    words = ["Ada", "met", "Alan", "in", "Rome", "and", "they", "read"]
    starts = [i % 4 == 0 for i in range(8)]
    doc = Doc(layered.vocab, words=words, sent_starts=starts)
    whole = vectors(plain, [Doc(plain.vocab, words=words)])[0]
    np.testing.assert_allclose(vectors(layered, [doc])[0], whole, atol=1e-5)


def test_documents_of_many_sentences(both):
    """The plain view is each sentence alone; the other has as much around it as there
    is room for."""
    plain, layered = both
    text = " ".join(text for text, _ in SENTENCES * 10)
    doc = layered.make_doc(text)
    for token in doc:
        token.is_sent_start = token.i % 5 == 0
    (found,) = vectors(layered, [doc])
    set_view(layered.components[0][1].model, "plain")
    (of_plain,) = vectors(layered, [doc])
    sentences = [Doc(plain.vocab, words=[t.text for t in s]) for s in doc.sents]
    alone = np.concatenate(vectors(plain, sentences))
    np.testing.assert_allclose(of_plain, alone, atol=1e-5)
    # The CNN reads no farther than its window.
    assert (np.abs(found - alone).max(axis=1) > 1e-4).mean() > 0.3


def test_word_pieces_are_counted(both):
    """As many as the encoder makes; one per token where it has none."""
    plain, _ = both
    counter = PieceCounter(plain.components[0][1].model)
    words = ["Ada", "the", "inner", "\n", "x-y"]
    kind = plain.get_pipe_meta(plain.pipe_names[0]).factory
    expected = [1] * 5 if kind == "tok2vec" else [3, 1, 3, 0, 3]
    assert counter.count(words).tolist() == expected
    assert counter.count(words[::-1]).tolist() == expected[::-1]
    assert counter.separator == ("[SEP]" if kind == "transformer" else ".")


def test_the_end_of_a_very_long_sentence_is_read(both):
    _, layered = both
    doc = layered.make_doc("the " * 5000 + "Ada")
    doc._.contexts = ["Ada was here"]
    found = vectors(layered, [doc])[0]
    assert found.shape[0] == 5001
    assert np.abs(found).sum(axis=1).all(), "a token was cut off"
    assert np.abs(found[-1] - found[-2]).max() > 1e-3


def test_views_of_a_batch_do_not_mix(both):
    """Docs with contexts, without them, empty ones and documents, in one batch."""
    _, layered = both

    def docs():
        made = [layered.make_doc(text) for text, _ in SENTENCES]
        made[1]._.contexts = ["They met in Paris"]
        made[3]._.contexts = []
        made.insert(2, layered.make_doc(""))
        long = layered.make_doc(" ".join(text for text, _ in SENTENCES))
        for token in long:
            token.is_sent_start = token.i in (0, 5, 11)
        return [*made, long]

    together = vectors(layered, docs())
    for doc, found in zip(docs(), together, strict=True):
        if len(doc):
            alone = vectors(layered, [doc])[0]
            np.testing.assert_allclose(alone, found, atol=1e-5)


def test_training_with_contexts(fresh):
    """The gradient is that of the whole text, of which only the sentence is tagged."""
    plain, layered = fresh
    text, entities = SENTENCES[0]
    n = len(text.split())
    context = "in the hotel"
    separator = PieceCounter(plain.components[0][1].model).separator
    words = [*text.split(), separator, *context.split()]
    whole = Doc(plain.vocab, words=words)
    gold = annotated(plain.vocab, " ".join(words), entities, default="missing")
    for token in gold[:n]:
        if not token.ent_type:
            gold.set_ents(
                [], outside=[gold[token.i : token.i + 1]], default="unmodified"
            )
    doc = layered.make_doc(text)
    doc._.contexts = [context]
    of_sentence = annotated(layered.vocab, text, entities)
    examples = Example(whole, gold), Example(doc, of_sentence)
    found = []
    for nlp, example in zip(fresh, examples, strict=True):
        losses = {}
        for _ in range(3):
            sgd = nlp.resume_training()
            nlp.update([example], sgd=sgd, losses=losses)
        found.append((losses["ner_tagger"], vectors(nlp, [example.predicted])[0][:n]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=2e-3)


def test_the_view_is_a_setting(both, tmp_path):
    _, layered = both
    name, encoder = layered.components[0]

    def read(nlp, contexts):
        doc = nlp.make_doc(SENTENCES[0][0])
        doc._.contexts = contexts
        return vectors(nlp, [doc])[0]

    texts = ["Mary was in Paris"]
    with_contexts, without = read(layered, texts), read(layered, None)
    assert np.abs(with_contexts - without).max() > 1e-3
    assert set_view(encoder.model, "plain") == 1
    np.testing.assert_array_equal(read(layered, texts), without)
    set_view(encoder.model, "context")
    np.testing.assert_array_equal(read(layered, texts), with_contexts)
    with pytest.raises(KnnNerError, match="KNN-E096"):
        read(layered, None)
    with pytest.raises(KnnNerError, match="KNN-E094"):
        set_view(encoder.model, "other")
    layered.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)  # the config says "auto"
    np.testing.assert_allclose(read(loaded, texts), with_contexts, atol=1e-5)
    config = {f"components.{name}.model.view": "plain"}
    loaded = spacy.load(tmp_path, config=config)
    np.testing.assert_allclose(read(loaded, texts), without, atol=1e-5)


def test_whitespace_alone(fresh):
    """Some packages leave vectors of no width of it."""
    for nlp in fresh:
        assert not nlp(" ").ents
        example = Example(nlp.make_doc(" "), nlp.make_doc(" "))
        assert not nlp.update([example])["ner_tagger"]


def test_a_separator_in_the_text_is_a_word(both):
    """It hides no token and ends no text."""
    plain, layered = both
    separator = PieceCounter(plain.components[0][1].model).separator
    for word in ("[SEP]", "</s>", "[CLS]"):
        doc = Doc(layered.vocab, words=["Ada", word, "London", word])
        doc._.contexts = [f"in {word} Paris"]
        (found,) = vectors(layered, [doc])
        context = words_of(doc._.contexts[0])
        words = [*(t.text for t in doc), separator, *context.words]
        spaces = [True] * 5 + context.spaces
        whole = Doc(plain.vocab, words=words, spaces=spaces)
        np.testing.assert_allclose(found, vectors(plain, [whole])[0][:4], atol=1e-5)


# Text of any kind, also what no tokenizer makes a word piece of.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=ANY_TEXT, texts=st.lists(st.text(max_size=80), max_size=4), data=st.data())
def test_contexts_change_no_token(pipelines, text, texts, data):
    for nlp in pipelines:
        doc = nlp.make_doc(text)
        kinds = st.sampled_from(contexts.KINDS)
        doc._.contexts = [
            {"text": context, "kind": data.draw(kinds), "start": None}
            for context in texts
        ]
        found = nlp(doc)
        assert found.text == text
        assert [t.text for t in found] == [t.text for t in nlp.make_doc(text)]
        assert len(found._.ner_tagger["probabilities"]) == len(found)
        assert all(0 <= e.start < e.end <= len(found) for e in found.ents)


@pytest.fixture(scope="session")
def pipelines(tiny_bert):
    return [pipeline(kind, tiny_bert, max_pieces=30) for kind in KINDS]


def test_plain_views_of_long_sentences(both):
    """In windows: no token is cut off, whichever view is read."""
    _, layered = both
    _, encoder = layered.components[0]
    doc = layered.make_doc("Ada left . " + "the " * 300)
    for token in doc:
        token.is_sent_start = token.i in (0, 3)
    for view in ("plain", "auto"):
        set_view(encoder.model, view)
        (found,) = vectors(layered, [doc])
        assert np.abs(found).sum(axis=1).all()


def test_a_document_of_one_sentence(both):
    _, layered = both
    set_view(layered.components[0][1].model, "context")
    doc = Doc(layered.vocab, words=["Ada", "left"], sent_starts=[True, False])
    assert len(vectors(layered, [doc])[0]) == 2


def test_words_that_are_longer_together(both):
    """Word pieces of words without a space between them: no token is cut off."""
    _, layered = both
    words = ["x", "the"] * 25
    spaces = [False, True] * 25
    doc = Doc(layered.vocab, words=words, spaces=spaces)
    doc._.contexts = ["the book"] * 6
    (found,) = vectors(layered, [doc])
    assert np.abs(found).sum(axis=1).all()


def test_words_that_are_longer_without_a_space(tiny_roberta):
    """A byte-level tokenizer may make more pieces of a word where none is in front of
    it, such as in a bracket: the greater number counts."""
    nlp = pipeline("transformer", tiny_roberta, max_pieces=64)
    words, spaces = ["(", "the"] * 20, [False, True] * 20
    doc = Doc(nlp.vocab, words=words, spaces=spaces)
    doc._.contexts = ["the " * 60]
    (found,) = vectors(nlp, [doc])
    assert np.abs(found).sum(axis=1).all()


def test_span_getters_that_leave_out_tokens(tiny_bert):
    """The alignment has rows for all tokens of a Doc."""
    nlp = pipeline("transformer", tiny_bert)
    model = nlp.get_pipe("transformer").model
    getter = next(n.attrs["get_spans"] for n in model.walk() if "get_spans" in n.attrs)
    getter.others = lambda docs: [[d[:1], d[2:]] for d in docs]
    one, other = nlp.make_doc("Ada left it"), nlp.make_doc("Mary met Alan")
    other._.contexts = ["a book"]
    assert [len(v) for v in vectors(nlp, [one, other])] == [3, 3]


def test_no_more_is_read_than_there_are_positions(tmp_path, tiny_bert):
    """Also where the tokenizer does not say how much that is."""
    shutil.copytree(tiny_bert, tmp_path / "bert")
    config = tmp_path / "bert" / "tokenizer_config.json"
    settings = srsly.read_json(config)
    del settings["model_max_length"]
    srsly.write_json(config, settings)
    nlp = pipeline("transformer", tmp_path / "bert", max_pieces=100)
    doc = nlp.make_doc("the " * 20)
    doc._.contexts = ["the " * 100]
    (found,) = vectors(nlp, [doc])
    assert found.shape[0] == 20


def test_listeners_are_not_replaced(tiny_bert):
    nlp = pipeline("transformer", tiny_bert)
    with pytest.raises(KnnNerError, match="KNN-E108"):
        nlp.replace_listeners("transformer", "ner_tagger", ["model.tok2vec"])


# --- buckets -------------------------------------------------------------------------


@given(st.lists(st.integers(0, 600), max_size=40))
def test_buckets_have_texts_of_similar_length(lengths):
    buckets = make_buckets(lengths)
    assert sorted(i for bucket in buckets for i in bucket) == list(range(len(lengths)))
    for bucket in buckets:
        found = [lengths[i] for i in bucket]
        assert max(found) or not any(lengths)
        positive = [n for n in found if n]
        assert not positive or max(positive) <= 1.5 * min(positive) + 8


def test_buckets_change_no_gradient(fresh):
    """A batch of short sentences and long views, at once and one by one."""
    _, layered = fresh

    def batch():
        for i, (text, entities) in enumerate(SENTENCES):
            doc = layered.make_doc(text)
            doc._.contexts = ["the inner hotel in the hinder river"] * i
            yield Example(doc, annotated(layered.vocab, text, entities))

    before = layered.to_bytes()
    found = []
    for batches in ([list(batch())], [[example] for example in batch()]):
        layered.from_bytes(before)
        sgd = layered.resume_training()
        sgd.learn_rate, sgd.grad_clip = 0.01, 0.0
        for examples in batches:  # gradients add up
            for _, component in layered.components:
                component.update(examples)
        for _, component in layered.components:
            component.finish_update(sgd)
        docs = [example.predicted for example in batch()]
        found.append(np.concatenate(vectors(layered, docs)))
    np.testing.assert_allclose(*found, atol=2e-3)


# --- packing -------------------------------------------------------------------------


class OnePiece:
    """A piece per word."""

    separator, limit, special = "|", None, 2

    def count(self, words):
        return np.ones(len(words), dtype=np.int64)


VOCAB = spacy.blank("en").vocab


def doc_of(n, starts=()):
    words = [str(i) for i in range(n)]
    sent_starts = [i in starts for i in range(n)] if starts else None
    return Doc(VOCAB, words=words, sent_starts=sent_starts)


def packed(doc, texts=(), *, max_pieces=12, own_pieces=1, document=True):
    found = make_views(
        doc,
        contexts.checked(texts),
        OnePiece(),
        ViewSettings(max_pieces, own_pieces, document),
    )
    return [
        (" ".join(v.left.words), (v.start, v.end), " ".join(v.right.words))
        for v in found
    ]


def test_both_sides_get_the_same_room():
    doc = doc_of(20, starts=(0, 8, 12))
    assert packed(doc) == [
        ("", (0, 8), "8 9"),
        ("5 6 7", (8, 12), "12 13 14"),
        ("10 11", (12, 20), ""),
    ]


def test_without_the_document_sentences_are_alone():
    doc = doc_of(10, starts=(0, 4))
    found = packed(doc, ["a"], document=False)
    assert found == [("", (0, 4), "| a"), ("", (4, 10), "| a")]


def test_small_sentences_share_a_view():
    doc = doc_of(12, starts=(0, 2, 4, 6, 9))
    assert [own for _, own, _ in packed(doc, own_pieces=4)] == [
        (0, 4),
        (4, 6),
        (6, 9),
        (9, 12),
    ]


def test_retrieved_texts_come_first_and_are_cut():
    found = packed(doc_of(4), ["a b c", "d e f g"])
    assert found == [("", (0, 4), "| a b c d e")]


def test_texts_of_one_sentence():
    doc = doc_of(4, starts=(0, 2))
    texts = [{"text": "a", "start": 2}, {"text": "b", "start": 0}]
    found = packed(doc, texts, document=False)
    assert found == [("", (0, 2), "| b"), ("", (2, 4), "| a")]


def test_words_do_not_grow_together():
    """The last word of a Doc has no space behind it, and what follows it is a word."""
    words, spaces = list("0123"), [True, True, True, False]
    doc = Doc(VOCAB, words=words, spaces=spaces, sent_starts=[True, False] * 2)
    texts = ["a", {"text": "x", "kind": "after"}]
    first, _ = make_views(
        doc, contexts.checked(texts), OnePiece(), ViewSettings(12, 1, True)
    )
    assert first.right.words == ["2", "3", "x", "|", "a"]
    assert first.right.spaces[:4] == [True] * 4


def test_texts_around_in_the_document():
    texts = [
        {"text": "a b c d e", "kind": "before"},
        {"text": "x y z", "kind": "after"},
    ]
    assert packed(doc_of(4), texts) == [("c d e", (0, 4), "x y z")]
    assert packed(doc_of(8), texts) == [("e", (0, 8), "x")]


def test_a_sentence_is_never_cut_for_contexts():
    """One that is too long is read in parts, each with what is around it."""
    found = packed(doc_of(23), ["a b"])
    assert [own for _, own, _ in found] == [
        (0, 5),
        (5, 10),
        (10, 15),
        (15, 20),
        (20, 23),
    ]
    assert found[1] == ("3 4", (5, 10), "10 11 12")
    assert all("|" not in right for _, _, right in found)


def test_there_is_no_room_for_a_separator_alone():
    assert packed(doc_of(9), ["a b"]) == [("", (0, 9), "")]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_token_is_in_one_view(data):
    n = data.draw(st.integers(1, 60))
    starts = data.draw(st.sets(st.integers(1, n), max_size=8)) | {0}
    most, own = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    texts = data.draw(st.lists(st.text("ab c", max_size=30), max_size=3))
    document = data.draw(st.booleans())
    doc = doc_of(n, starts if data.draw(st.booleans()) else ())
    found = make_views(
        doc,
        contexts.checked(texts),
        OnePiece(),
        ViewSettings(most, own, document),
    )
    assert [i for v in found for i in range(v.start, v.end)] == list(range(n))
    for v in found:
        pieces = len(v.left) + v.end - v.start + len(v.right) + OnePiece.special
        assert pieces <= max(8 + OnePiece.special, most)


def test_words_with_marks():
    """Vowels of Hindi and Thai, and accents, are parts of words."""
    assert words_of("हिन्दी भाषा").words == ["हिन्दी", "भाषा"]
    assert words_of("cafe\u0301s!").words == ["cafe\u0301s", "!"]
    # Of a script without spaces, letters are words.
    assert words_of("กรุงเทพ x").words == ["ก", "รุ", "ง", "เ", "ท", "พ", "x"]
    assert words_of("ปี2020 ดีabc").words == ["ปี", "2020", "ดี", "abc"]


def test_words_of_texts():
    found = words_of("Ada, 我们 U.S.\n x")
    assert found.words == ["Ada", ",", "我", "们", "U", ".", "S", ".", "x"]
    assert found.spaces == [False, True, False, True, False, False, False, True, False]


# --- on Docs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "text",
        [1],
        [{"kind": "before"}],
        [{"text": "a", "kind": "x"}],
        [{"text": "a", "score": "b"}],
        7,
        {"text": "a"},
        iter(["a"]),
    ],
)
def test_what_is_no_context(value):
    doc = doc_of(3)
    doc._.contexts = value
    with pytest.raises(KnnNerError, match="KNN-E093"):
        contexts.read(doc)


def test_positions_of_any_integer_type():
    doc = doc_of(3)
    doc._.contexts = [{"text": "a", "start": np.int64(1)}]
    (context,) = contexts.read(doc)
    assert context["start"] == 1 and type(context["start"]) is int
    for beyond in (3, -1):
        doc._.contexts = [{"text": "a", "start": beyond}]
        with pytest.raises(KnnNerError, match="KNN-E142"):
            contexts.read(doc)


def test_what_has_no_encoding_is_replaced():
    """A lone surrogate: no file could hold it."""
    doc = doc_of(3)
    doc._.contexts = ["a \ud800 b", {"text": "\udfff", "kind": "before"}]
    assert [c["text"] for c in contexts.read(doc)] == ["a ? b", "?"]


def test_contexts_survive_saving():
    doc = doc_of(3)
    doc._.contexts = ["a", {"text": "b", "kind": "before", "score": 0.5}]
    saved = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (loaded,) = DocBin().from_bytes(saved).get_docs(doc.vocab)
    assert contexts.read(loaded) == contexts.read(doc)
    assert contexts.read(doc_of(3)) is None


@pytest.mark.parametrize("name", ["max_pieces", "own_pieces"])
@pytest.mark.parametrize("value", [0, -3])
def test_sizes_that_are_none(name, value, tiny_bert):
    with pytest.raises(KnnNerError, match="KNN-E095"):
        pipeline("tok2vec", tiny_bert, **{name: value})
