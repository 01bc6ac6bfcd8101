"""Which corrections apply to a token, and how much they count."""

import numpy as np
import pytest
from spacy.tokens import Doc, Span
from util import annotated, configure, neighbors, planted_pipeline

LABEL = "thing"
OUTSIDE = np.array([0.9, 0.025, 0.025, 0.025, 0.025])  # O, B, I, L, U
INSIDE = np.array([0.1, 0.025, 0.025, 0.025, 0.825])


def pipeline(words="a b c d e f g", p_base=None, **settings):
    """Every word in lower case has a direction of its own; in capitals it stands for
    the same word elsewhere, at a cosine distance of 0.2."""
    words = words.split()
    eye = np.eye(2 * len(words))
    vectors = dict(zip(words, eye, strict=False))
    for i, word in enumerate(words):
        vectors[word.upper()] = 0.8 * eye[i] + 0.6 * eye[len(words) + i]
    p = dict.fromkeys(vectors, OUTSIDE) | (p_base or {})
    vectors[" "] = np.zeros(2 * len(words))
    p[" "] = OUTSIDE
    return planted_pipeline(vectors, p, scheme="BILUO", **settings)


def doc_of(nlp, text):
    return Doc(nlp.vocab, words=text.split("|") if "|" in text else text.split())


def found(nlp, text):
    return [(ent.start, ent.end, ent.label_) for ent in nlp(doc_of(nlp, text)).ents]


def p_of(nlp, text, i):
    doc = doc_of(nlp, text)
    nlp.get_pipe("planted")(doc)
    return nlp.get_pipe("knn_ner").predict([doc])[0].p[i]


# --- the same words ---------------------------------------------------------------


def test_an_entity_applies_wherever_all_of_its_words_stand():
    nlp = pipeline()
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "a b c d", [(1, 3, LABEL)])])
    assert found(nlp, "e B C f") == [(1, 3, LABEL)]
    assert found(nlp, "b c b c") == [(0, 2, LABEL), (2, 4, LABEL)]
    for others in ("b e c", "c b", "b", "a b", "B"):
        assert found(nlp, others) == []


def test_where_an_entity_would_be_found_all_of_its_words_are_matched():
    """What was no entity there, is none here."""
    p_base = dict.fromkeys(("b", "B"), INSIDE)
    nlp = pipeline(p_base=p_base)
    assert found(nlp, "e B f") == [(1, 2, LABEL)]
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "a b c d", [])])
    assert found(nlp, "e B f") == []


def test_a_word_of_a_longer_entity_is_another_thing():
    """ "b" was corrected, and says nothing of "b c"."""
    p_base = {"b": OUTSIDE * 0, "c": OUTSIDE * 0}
    p_base["b"][1], p_base["c"][3] = 1.0, 1.0  # B, L
    nlp = pipeline(p_base=p_base)
    assert found(nlp, "b c") == [(0, 2, LABEL)]
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "e b f", [])])
    assert found(nlp, "b c") == [(0, 2, LABEL)]


def test_weight_fades_with_distance():
    """w_c = correction_weight · (1 − d / radius), and all votes are for U."""
    nlp = pipeline(correction_weight=0.8, radius=0.5)
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    for text, d in (("b", 0.0), ("B", 0.2)):
        w = 0.8 * (1 - d / 0.5)
        expected = (1 - w) * OUTSIDE
        expected[4] += w
        np.testing.assert_allclose(p_of(nlp, text, 0), expected, atol=1e-7)
    configure(nlp.get_pipe("knn_ner"), radius=0.19)
    np.testing.assert_allclose(p_of(nlp, "B", 0), OUTSIDE, atol=1e-7)


def test_of_two_corrections_the_nearer_has_more_to_say():
    """p_c ∝ exp(−(d / radius) / T_c)."""
    nlp = pipeline(correction_weight=1.0, radius=0.5, correction_temperature=0.25)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    knn.add([annotated(nlp.vocab, "B", [])])
    far = np.exp(-(0.2 / 0.5) / 0.25)
    expected = np.array([far, 0, 0, 0, 1]) / (1 + far)
    np.testing.assert_allclose(p_of(nlp, "b", 0), expected, atol=1e-7)
    expected = np.array([1, 0, 0, 0, far]) / (1 + far)
    np.testing.assert_allclose(p_of(nlp, "B", 0), expected, atol=1e-7)


def test_the_store_speaks_beside_a_correction_where_it_has_the_same_words():
    """p_c ∝ Σ over the corrections of correction_votes · exp(−(d / radius) / T_c), and
    over the store's entries of exp(−(d / radius) / T_c)."""
    settings = {"radius": 0.5, "correction_temperature": 0.25, "correction_votes": 3}
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all", **settings)
    knn = nlp.get_pipe("knn_ner")
    store = ["b c", "d b", "B", "b b", "c d"]
    knn.build([annotated(nlp.vocab, text, []) for text in store], show_progress=False)
    np.testing.assert_allclose(p_of(nlp, "b", 0), OUTSIDE, atol=1e-7)
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    far = np.exp(-(0.2 / 0.5) / 0.25)
    expected = np.array([4 + far, 0, 0, 0, 3]) / (7 + far)
    np.testing.assert_allclose(p_of(nlp, "b", 0), expected, atol=1e-7)
    knn.forget([1])  # "b c"
    expected = np.array([3 + far, 0, 0, 0, 3]) / (6 + far)
    np.testing.assert_allclose(p_of(nlp, "b", 0), expected, atol=1e-7)


def test_the_store_alone_corrects_nothing():
    """Beyond the radius of the only correction, it changes nothing."""
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all", radius=0.19)
    knn = nlp.get_pipe("knn_ner")
    docs = [annotated(nlp.vocab, "B", [(0, 1, LABEL)])]
    knn.build(docs, show_progress=False)
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    np.testing.assert_allclose(p_of(nlp, "B", 0), OUTSIDE, atol=1e-7)


def test_of_a_phrase_the_store_speaks_where_it_stands_as_a_whole():
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all", correction_votes=1)
    knn = nlp.get_pipe("knn_ner")
    store = [annotated(nlp.vocab, text, []) for text in ("b c", "c b", "b d", "b")]
    knn.build(store, show_progress=False)
    knn.add([annotated(nlp.vocab, "b c", [(0, 2, LABEL)])])
    np.testing.assert_allclose(p_of(nlp, "b c", 0), [0.5, 0.5, 0, 0, 0], atol=1e-7)
    np.testing.assert_allclose(p_of(nlp, "b c", 1), [0.5, 0, 0, 0.5, 0], atol=1e-7)


def test_what_stands_a_thousand_times_in_the_store_counts_64_times():
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all", correction_votes=16)
    knn = nlp.get_pipe("knn_ner")
    docs = [annotated(nlp.vocab, "b " * 250, []) for _ in range(4)]
    knn.build(docs, show_progress=False)
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    np.testing.assert_allclose(p_of(nlp, "b", 0), [0.8, 0, 0, 0, 0.2], atol=1e-7)


def test_of_a_thousand_corrections_with_the_same_word_the_64_nearest_count():
    settings = {"radius": 0.5, "correction_temperature": 0.25, "correction_votes": 3}
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all", **settings)
    knn = nlp.get_pipe("knn_ner")
    words = "B " * 100
    knn.add([annotated(nlp.vocab, words + end, []) for end in "acdefg"])
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    np.testing.assert_allclose(p_of(nlp, "B", 0), [1, 0, 0, 0, 0], atol=1e-7)
    far = 63 * np.exp(-(0.2 / 0.5) / 0.25)
    expected = np.array([far, 0, 0, 0, 1]) / (1 + far)
    np.testing.assert_allclose(p_of(nlp, "b", 0), expected, atol=1e-7)
    np.testing.assert_allclose(p_of(nlp, "e b b f", 2), expected, atol=1e-7)


def test_of_a_phrase_as_well():
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all")
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "B C " * 100 + end, []) for end in "adefg"])
    knn.add([annotated(nlp.vocab, "e b c f", [(1, 3, LABEL)])])
    far = 63 * np.exp(-(0.2 / 0.5) / 0.1)
    expected = np.array([far, 1]) / (1 + far)
    np.testing.assert_allclose(p_of(nlp, "a b c", 1)[[0, 1]], expected, atol=1e-7)
    np.testing.assert_allclose(p_of(nlp, "a b c", 2)[[0, 3]], expected, atol=1e-7)
    np.testing.assert_allclose(p_of(nlp, "a B C", 1), [1, 0, 0, 0, 0], atol=1e-7)


def test_whitespace_is_no_word():
    nlp = pipeline()
    gold = doc_of(nlp, "a|b| |c|d")
    gold.set_ents([Span(gold, 1, 4, label=LABEL)])
    nlp.get_pipe("knn_ner").add([gold])
    assert found(nlp, "a|b| |c|d") == [(1, 4, LABEL)]
    assert found(nlp, "e|b|c|f") == [(1, 3, LABEL)]


def test_missing_words_are_not_passed_over():
    """ "b" and "c" are known to be O, what is between them is not."""
    p_base = {"b": OUTSIDE * 0, "c": OUTSIDE * 0}
    p_base["b"][1], p_base["c"][3] = 1.0, 1.0
    nlp = pipeline(p_base=p_base)
    gold = doc_of(nlp, "b e c")
    gold.set_ents([], outside=[gold[0:1], gold[2:3]], default="missing")
    nlp.get_pipe("knn_ner").add([gold])
    assert found(nlp, "b c") == [(0, 2, LABEL)]


@pytest.mark.parametrize("n", [1, 3])
def test_what_is_forgotten_does_not_apply(n):
    """Nor after rows have moved, because most were forgotten."""
    nlp = pipeline()
    knn = nlp.get_pipe("knn_ner")
    words = ["b", "c", "d", "e", "f"]
    ids = knn.add([annotated(nlp.vocab, word, [(0, 1, LABEL)]) for word in words])
    assert found(nlp, "B C D E F") == [(i, i + 1, LABEL) for i in range(5)]
    knn.forget(ids[:n])
    assert found(nlp, "B C D E F") == [(i, i + 1, LABEL) for i in range(n, 5)]
    knn.add([annotated(nlp.vocab, "g", [(0, 1, LABEL)])])
    assert found(nlp, "G") == [(0, 1, LABEL)]


def test_nor_do_its_words_make_others_apply():
    """ "b" is no entity any more, so "b c" is not matched."""
    nlp = pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "b c", [(0, 2, LABEL)])])
    before = p_of(nlp, "b d", 0)
    ids = knn.add([annotated(nlp.vocab, "b a", [(0, 1, LABEL)])])
    assert not np.array_equal(p_of(nlp, "b d", 0), before)
    knn.forget(ids)
    np.testing.assert_array_equal(p_of(nlp, "b d", 0), before)


# --- other words ------------------------------------------------------------------


def test_other_words_are_corrected_only_if_near_enough():
    nlp = pipeline()
    knn = nlp.get_pipe("knn_ner")
    nlp.get_pipe("planted").vectors["x"] = nlp.get_pipe("planted").vectors["B"]
    nlp.get_pipe("planted").p_base["x"] = OUTSIDE
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    assert found(nlp, "x") == []
    configure(knn, other_words_radius=0.25, correction_weight=0.8)
    w = 0.8 * (1 - 0.2 / 0.25)
    expected = (1 - w) * OUTSIDE
    expected[4] += w
    np.testing.assert_allclose(p_of(nlp, "x", 0), expected, atol=1e-7)


def test_other_words_are_corrected_by_what_is_nearer_than_the_store():
    """ "B" is 0.2 from "b", and "x" is where "B" is."""
    for known, applies in (("e", True), ("B", False)):
        nlp = pipeline(other_words_radius=0.4, weight=0.0)
        knn, planted = nlp.get_pipe("knn_ner"), nlp.get_pipe("planted")
        planted.vectors["x"], planted.p_base["x"] = planted.vectors["B"], OUTSIDE
        knn.build([annotated(nlp.vocab, known, [])], show_progress=False)
        knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
        doc = nlp(doc_of(nlp, "x"))
        tiers = [evidence.part for evidence in neighbors(knn, doc, 0)]
        assert ("corrections" in tiers) == applies


def test_a_correction_that_is_near_and_has_the_same_words_votes_once():
    nlp = pipeline(other_words_radius=0.4, radius=0.5)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "b c", [(0, 1, LABEL)])])
    doc = nlp(doc_of(nlp, "B"))
    (evidence,) = neighbors(knn, doc, 0)
    assert (evidence.tag, evidence.share) == (f"U-{LABEL}", 1.0)
    assert evidence.distance == pytest.approx(0.2)


def test_the_same_words_do_not_vote_as_other_words():
    """Neither beyond the radius, nor those that are not among the nearest."""
    settings = {"radius": 0.15, "other_words_radius": 0.9, "k": 256}
    nlp = pipeline(correction_weight=1.0, weight=0.0, mode="all", **settings)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "B " * 100 + end, []) for end in "acdefg"])
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    np.testing.assert_allclose(p_of(nlp, "b", 0), [0, 0, 0, 0, 1], atol=1e-7)


def test_of_a_token_with_several_near_word_pieces_one_votes(tiny_bert):
    from util import transformer_pipeline

    settings = {"keys": {"pooling": "pieces"}, "other_words_radius": 1.9, "k": 64}
    nlp = transformer_pipeline(tiny_bert, **settings)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "Lovelace lived in London", [(0, 1, "new")])])
    doc = nlp(doc_of(nlp, "Lovelace wrote"))
    for i in range(len(doc)):
        tokens = [e.token for e in neighbors(knn, doc, i, n=50)]
        assert sorted(tokens) == [0, 1, 2, 3]


def test_with_a_key_per_word_piece_it_is_the_nearest_pieces_that_count(tiny_bert):
    from util import transformer_pipeline

    nlp = transformer_pipeline(tiny_bert, keys={"pooling": "pieces"})
    knn = nlp.get_pipe("knn_ner")
    text = "Lovelace lived"
    before = found(nlp, text)
    ids = knn.add([annotated(nlp.vocab, text, [(0, 2, "new")])])
    assert found(nlp, text) == [(0, 2, "new")]
    doc = nlp(doc_of(nlp, text))
    assert {e.token for e in neighbors(knn, doc, 1) if e.part == "corrections"} == {1}
    knn.forget(ids)
    assert found(nlp, text) == before
