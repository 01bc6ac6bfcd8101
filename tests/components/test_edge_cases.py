"""Odd input: what the user gets, on the two kinds of encoder."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from util import (
    annotated_docs,
    cnn_pipeline,
    planted_pipeline,
    transformer_pipeline,
    view,
)

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.types import AnnotatedText


@pytest.fixture(scope="module", params=["cnn", "transformer"])
def nlp(request, tiny_bert):
    made = cnn_pipeline() if request.param == "cnn" else transformer_pipeline(tiny_bert)
    made.get_pipe("knn_ner").build(annotated_docs(made), show_progress=False)
    return made


def test_empty_text_has_no_entities(nlp):
    doc = nlp("")
    assert (len(doc), doc.ents, len(doc.spans["knn_ner"])) == (0, (), 0)
    assert doc.spans["knn_ner"].attrs["scores"].shape == (0,)
    docs = list(nlp.pipe(["", "Ada lived in London", "", ""]))
    assert view(docs[1]) == view(nlp("Ada lived in London"))
    assert nlp.get_pipe("knn_ner").predict([]) == []


def test_whitespace_alone_has_no_entities(nlp):
    assert nlp(" \n\t ").ents == ()


def test_whitespace_is_neither_stored_nor_searched_nor_part_of_an_entitys_ends(nlp):
    knn = nlp.get_pipe("knn_ner")
    words = ["\n", "Ada", " ", "Lovelace", "\n\n", "wrote"]
    gold = Doc(nlp.vocab, words=words, spaces=[False] * 6)
    gold.set_ents([Span(gold, 1, 4, label="person")])
    size = len(knn.datastore)
    ids = knn.add([gold])
    assert len(knn.datastore) == size + 3
    doc = nlp(Doc(nlp.vocab, words=words, spaces=[False] * 6))
    assert (1, 4, "person") in [(e.start, e.end, e.label_) for e in doc.ents]
    for ent in doc.ents:
        assert not ent[0].is_space
        assert not ent[-1].is_space
    knn.forget(ids)


def test_a_document_of_5000_tokens_is_searched_to_its_end(nlp):
    words = ["Ada", "lived", "in", "London", "."] * 1000
    doc = nlp(Doc(nlp.vocab, words=words))
    assert len(doc) == 5000
    keys = nlp.get_pipe("knn_ner").reader.read([doc]).keys
    # The random vocabulary has no full stop: it is one unknown piece.
    assert set(keys.tokens) == set(range(5000))
    gold = Doc(nlp.vocab, words=words)
    gold.set_ents([Span(gold, i, i + 1, label="person") for i in range(0, 5000, 5)])
    ids = nlp.get_pipe("knn_ner").add([gold])
    doc = nlp(Doc(nlp.vocab, words=words))
    assert [(ent.start, ent.label_) for ent in doc.ents] == [
        (i, "person") for i in range(0, 5000, 5)
    ]
    nlp.get_pipe("knn_ner").forget(ids)


@pytest.mark.parametrize(
    "text",
    [
        "I ❤️ 👩‍👩‍👧‍👦 in 🇬🇧 !",
        "cafe\u0301 in A\u030alesund \u200b and \ufeff here",
        "ولدت آدا في لندن",
        "Ada \u202eLovelace\u202c lived",
        "עדה גרה בלונדון with Ada",
        "日本 の 東京",
        "\x00 null",
    ],
)
def test_any_script_can_be_tagged_taught_and_read_again(nlp, text):
    knn = nlp.get_pipe("knn_ner")
    gold = nlp.make_doc(text)
    i = next(token.i for token in gold if any(c.isalpha() for c in token.text))
    gold.set_ents([Span(gold, i, i + 1, label="person")])
    (example_id,) = knn.add([gold])
    stored = knn.datastore.example(example_id).annotated
    assert stored.text == text
    doc = nlp(text)
    assert doc.text == text
    assert (i, i + 1, "person") in [(e.start, e.end, e.label_) for e in doc.ents]
    knn.forget([example_id])


def test_an_empty_datastore_means_the_tagger_alone(cnn):
    with cnn.select_pipes(disable="knn_ner"):
        alone = cnn("Ada lived in London")
    doc = cnn("Ada lived in London")
    ents = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    assert ents == [(ent.start, ent.end, ent.label_) for ent in alone.ents]
    np.testing.assert_allclose(
        cnn.get_pipe("knn_ner").predict([doc])[0].p,
        doc._.ner_tagger["probabilities"],
        atol=1e-7,
    )


def test_k_greater_than_the_store_means_all_of_it(nlp):
    knn = nlp.get_pipe("knn_ner")
    results = []
    for k in (len(knn.datastore), 10**6, None):
        knn.k = k
        results.append(knn.predict([nlp("Ada lived in London")])[0].p)
    np.testing.assert_allclose(results[0], results[1], atol=1e-12)
    np.testing.assert_allclose(results[0], results[2], atol=1e-9)
    knn.k = 32


def test_overlapping_annotations_are_refused(nlp):
    """A Doc cannot hold them; what comes from elsewhere is refused with a code."""
    gold = nlp.make_doc("New York City")
    with pytest.raises(ValueError, match="E1010"):
        gold.set_ents([Span(gold, 0, 2, label="a"), Span(gold, 1, 3, label="b")])
    text = AnnotatedText(
        ["New", "York", "City"], [True, True, False], [(0, 2, "a"), (1, 3, "b")]
    )
    datastore = nlp.get_pipe("knn_ner").datastore
    size = len(datastore)
    _, keys = nlp.get_pipe("knn_ner").memory.encoder.keys([text], "BILUO")
    with pytest.raises(KnnNerError, match=r"KNN-E002.*'b' at tokens 1:3"):
        datastore.add([text], keys, part="corrections")
    assert len(datastore) == size


def test_another_width_is_refused():
    vectors, p = {"a": np.ones(3)}, {"a": np.array([1.0, 0, 0])}
    nlp = planted_pipeline(vectors, p)
    knn = nlp.get_pipe("knn_ner")
    gold = Doc(nlp.vocab, words=["a"])
    gold.set_ents([])
    knn.add([gold])
    nlp.get_pipe("planted").vectors = {"a": np.ones(4)}
    with pytest.raises(KnnNerError, match=r"KNN-E034.*width 4.*width 3"):
        nlp(Doc(nlp.vocab, words=["a"]))
    with pytest.raises(KnnNerError, match="KNN-E034"):
        knn.add([gold])
    assert len(knn.datastore) == 1


def test_tokens_with_zero_vectors_are_neither_stored_nor_searched():
    vectors = {"a": np.ones(3), "z": np.zeros(3)}
    p = {word: np.array([0.2, 0.8, 0]) for word in vectors}
    nlp = planted_pipeline(vectors, p)
    knn = nlp.get_pipe("knn_ner")
    gold = Doc(nlp.vocab, words=["a", "z"])
    gold.set_ents([])
    with pytest.warns(UserWarning, match="KNN-W001"):
        knn.add([gold])
        found = nlp(Doc(nlp.vocab, words=["z"]))
    assert len(knn.datastore.corrections) == 1
    assert [ent.text for ent in found.ents] == ["z"]  # as the tagger says


def test_one_bad_doc_is_reported_and_the_others_do_not_suffer():
    vectors = {"a": np.ones(3), "n": np.full(3, np.nan)}
    p = {word: np.array([0.2, 0.8, 0]) for word in vectors}
    nlp = planted_pipeline(vectors, p)
    gold = Doc(nlp.vocab, words=["a"])
    gold.set_ents([])
    nlp.get_pipe("knn_ner").add([gold])
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.extend(docs))
    docs = [Doc(nlp.vocab, words=[word]) for word in "anaa"]
    good = list(nlp.pipe(docs))
    assert [doc.text for doc in failed] == ["n "]
    assert [doc.text for doc in good] == ["a "] * 3  # in the same batch
    assert all("knn_ner" in doc.spans for doc in good)


# --- what no file can hold ------------------------------------------------------------

HALF = "\ud800"  # a lone surrogate


@pytest.mark.parametrize(
    "step",
    [
        lambda knn: knn.teach(f"Ada {HALF}", {"Ada": "person"}),
        lambda knn: knn.teach("Ada met", {"Ada": HALF}),
        lambda knn: knn.add(("Ada met", [(0, 3, HALF)])),
        lambda knn: knn.teach("Ada met", {"Ada": "person"}, source=HALF),
        lambda knn: knn.forget(HALF),
        lambda knn: knn.forget(source=HALF),
        lambda knn: knn.relabel("person", HALF),
    ],
)
def test_half_a_character_is_refused_everywhere(step):
    knn = spacy.blank("en").add_pipe("knn_ner", config={"keys": {"source": "words"}})
    knn.teach("Ada met Alan", {"Alan": "person"})
    with pytest.raises(KnnNerError, match="KNN-E114"):
        step(knn)
    assert knn.datastore.examples.ids() == [1]


def test_a_text_beyond_spacys_limit_is_refused():
    nlp = spacy.blank("en")
    nlp.max_length = 20
    knn = nlp.add_pipe("knn_ner", config={"keys": {"source": "words"}})
    with pytest.raises(KnnNerError, match="KNN-E115"):
        knn.teach("Ada met Alan and others", {"Ada": "person"})


@pytest.mark.parametrize("ids", [[1.7], [None], [2**70], ["1"]])
def test_ids_that_are_none_are_refused_and_nothing_is_forgotten(ids):
    knn = spacy.blank("en").add_pipe("knn_ner", config={"keys": {"source": "words"}})
    knn.teach("Ada met Alan", {"Alan": "person"})
    for forget in (knn.forget, knn.datastore.forget):
        with pytest.raises(KnnNerError):
            forget(ids)
    assert knn.datastore.examples.ids() == [1]


@pytest.mark.parametrize("name", ["ner_tagger", "knn_ner_base", "knn_ner_stages"])
@pytest.mark.parametrize(
    "value",
    [
        5,
        "x",
        [1],
        {"scheme": "BIO"},
        {"scheme": 5, "tags": 5, "probabilities": 5},
        {"scheme": "BIO", "tags": ["O"], "probabilities": [[1.0]]},
        {"scheme": "BIO", "tags": ["x"], "probabilities": np.ones((3, 1))},
        {"scheme": "BIO", "tags": ["O"], "probabilities": np.ones((3, 2))},
        {"scheme": "BIO", "tags": ["O"], "probabilities": np.ones((3, 1), dtype=int)},
    ],
)
def test_user_data_of_another_program_is_an_error(name, value):
    nlp = spacy.blank("en")
    nlp.add_pipe("knn_ner", name="first", config={"keys": {"source": "words"}})
    nlp.add_pipe("knn_ner", config={"keys": {"source": "words"}})
    nlp.get_pipe("knn_ner").teach("Ada met Alan", {"Ada": "person"})
    doc = nlp.make_doc("Ada met Alan")
    if name == "knn_ner_stages" and isinstance(value, dict):
        value = {"first": value}
    doc.user_data[("._.", name, None, None)] = value
    with pytest.raises(KnnNerError, match=f"KNN-E116.*{name}"):
        nlp.get_pipe("knn_ner")(doc)
