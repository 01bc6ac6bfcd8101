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
    for space in (" ", "\n"):
        vectors[space] = np.zeros(2 * len(words))
        p[space] = OUTSIDE
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
    assert found(nlp, "b c a b c") == [(0, 2, LABEL), (3, 5, LABEL)]
    for others in ("b e c", "c b", "b", "a b", "B"):
        assert found(nlp, others) == []


def test_not_where_the_phrase_seems_to_go_on():
    """See test_borders.py; unless it went on in the same way where it was taught."""
    nlp = pipeline()
    knn = nlp.get_pipe("knn_ner")
    ids = knn.add([annotated(nlp.vocab, "a b c", [(1, 2, LABEL)], "missing")])
    assert found(nlp, "a b") == [(1, 2, LABEL)]
    assert found(nlp, "e b") == [] and found(nlp, "E B") == []
    start = knn.add([annotated(nlp.vocab, "c d", [(0, 1, LABEL)], "missing")])
    assert found(nlp, "c") == [(0, 1, LABEL)]
    assert found(nlp, "e c") == []  # "e" occurs nowhere, and is no start of a text
    knn.forget(start)
    assert found(nlp, "e B") == [(1, 2, LABEL)]
    knn.forget(ids)
    knn.add([annotated(nlp.vocab, "e b c", [(1, 2, LABEL)], "missing")])
    assert found(nlp, "d e b") == [(2, 3, LABEL)]
    assert found(nlp, "E B") == [(1, 2, LABEL)]
    assert found(nlp, "f b") == []


def test_a_capitalized_phrase_does_not_apply_in_lower_case():
    nlp = pipeline()
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "a B c", [(1, 2, LABEL)])])
    assert found(nlp, "B d") == [(0, 1, LABEL)]
    assert found(nlp, "b d") == []


def test_words_are_the_same_only_if_their_capitals_are():
    words = "IT It it Who WHO us US Us Apple apple dollar is a b c d . e"
    nlp = pipeline(" ".join(dict.fromkeys(words.lower().split())))
    planted = nlp.get_pipe("planted")
    for word in words.split():
        planted.vectors.setdefault(word, planted.vectors[word.lower()])
        planted.p_base.setdefault(word, OUTSIDE)
    knn = nlp.get_pipe("knn_ner")

    def applies(taught, word, text):
        start = taught.split().index(word)
        doc = annotated(nlp.vocab, taught, [(start, start + 1, LABEL)], "missing")
        ids = knn.add([doc])
        ents = found(nlp, text)
        knn.forget(ids)
        return bool(ents)

    assert applies("a IT b", "IT", "c IT d")
    assert not applies("a IT b", "IT", "It d")  # at the start, but no acronym
    assert not applies("a us b", "us", "c US d")
    assert not applies("a apple b", "apple", "c Apple d")
    assert applies("a apple b", "apple", "Apple d")  # at the start of a sentence
    assert applies("a apple b", "apple", "c . Apple d")
    assert not applies("a Apple b", "Apple", "c apple d")


def test_a_word_before_a_person_is_a_title():
    person = np.array([0.1, 0.025, 0.025, 0.025, 0.825])
    for label, expected in (("person", "other"), ("group", "group")):
        nlp = pipeline(p_base={"B": person}, labels=[label])
        knn = nlp.get_pipe("knn_ner")
        knn.add([annotated(nlp.vocab, "c B", [(1, 2, "other")], "missing")])
        assert found(nlp, "D B c") == [(1, 2, expected)]


@pytest.mark.parametrize(("sure", "expected"), [(0.95, (0, 2)), (0.85, (1, 2))])
def test_a_longer_entity_that_is_sure_stays_if_its_label_is_the_same(sure, expected):
    first, last = np.full(5, (1 - sure) / 4), np.full(5, (1 - sure) / 4)
    first[1] = last[3] = sure  # B, L
    nlp = pipeline("the b c", p_base={"the": first, "b": last})
    knn = nlp.get_pipe("knn_ner")
    ids = knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)], "missing")])
    assert found(nlp, "the b c") == [(*expected, LABEL)]
    knn.forget(ids)
    knn.add([annotated(nlp.vocab, "b", [(0, 1, "other")], "missing")])
    assert found(nlp, "the b c") == [(1, 2, "other")]


def test_a_line_is_where_a_phrase_ends():
    nlp = pipeline()
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "b c", [(0, 1, LABEL)])])
    assert found(nlp, "e|b") == []
    assert found(nlp, "e|\n|b|c") == [(2, 3, LABEL)]


def test_what_was_annotated_holds_though_the_first_of_it_was_revised():
    nlp = pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "a b c d", [(1, 4, "longer")], "missing")])
    first = [(0, 1, LABEL), (1, 3, LABEL)]
    knn.add([annotated(nlp.vocab, "e b c d f", first, "missing")])
    knn.add([annotated(nlp.vocab, "e b c d f", [(0, 1, "other")], "missing")])
    assert found(nlp, "e b c d f") == [(0, 1, "other"), (1, 3, LABEL)]


def test_borders_are_asserted_too():
    """Predicted entities that reach over a corrected span give way as a whole."""
    p_base = {word: np.zeros(5) for word in "abcd"}
    for word, tag in (("a", 1), ("b", 2), ("c", 2), ("d", 3)):  # B I I L
        p_base[word][tag] = 1.0
    nlp = pipeline(p_base=p_base)
    assert found(nlp, "a b c d") == [(0, 4, LABEL)]
    knn = nlp.get_pipe("knn_ner")
    ids = knn.add([annotated(nlp.vocab, "a b c d", [(1, 3, LABEL)], "missing")])
    assert found(nlp, "a b c d") == [(1, 3, LABEL)]
    knn.forget(ids)
    assert found(nlp, "a b c d") == [(0, 4, LABEL)]


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
    """w_c = weight · (1 − d / 2 radius), and all votes are for U."""
    nlp = pipeline(correction_weight=0.8, radius=0.5)
    nlp.get_pipe("knn_ner").add([annotated(nlp.vocab, "b d", [(0, 1, LABEL)])])
    for text, d in (("b", 0.0), ("B", 0.2)):
        w = 0.8 * (1 - d / 1.0)
        expected = (1 - w) * OUTSIDE
        expected[4] += w
        np.testing.assert_allclose(p_of(nlp, text, 0), expected, atol=1e-7)
    configure(nlp.get_pipe("knn_ner"), radius=0.19)
    np.testing.assert_allclose(p_of(nlp, "B", 0), OUTSIDE, atol=1e-7)


# Without a radius the weight is the same at any distance; then p is that of the votes.
VOTES = {"correction_weight": 1.0, "weight": 0.0, "mode": "all"}


def test_of_two_corrections_the_nearer_counts_more():
    """p_c ∝ (d_min / d)^(1 / T_c), where distances are at least 2 % of the largest."""
    nlp = pipeline(correction_temperature=0.5, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "b d", [(0, 1, LABEL)])])
    knn.add([annotated(nlp.vocab, "B d", [])])
    far = 0.02**2
    expected = np.array([1, 0, 0, 0, far]) / (1 + far)
    np.testing.assert_allclose(p_of(nlp, "B e", 0), expected, atol=1e-7)


def test_in_its_own_sentence_no_other_annotation_counts():
    nlp = pipeline(correction_temperature=0.5, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, "b", []) for _ in "xxxxxxxx"], show_progress=False)
    knn.add([annotated(nlp.vocab, "b e f", [(0, 1, LABEL)], "missing")])
    knn.add([annotated(nlp.vocab, "b e", [])], allow_duplicates=True)
    knn.add([annotated(nlp.vocab, "b e", [])], allow_duplicates=True)
    assert found(nlp, "b e g") == []
    assert found(nlp, "b e f") == [(0, 1, LABEL)]
    # the sentence, on its own line of a text; and as a part of another sentence
    assert found(nlp, "c|a|\n|b|e|f|\n|a") == [(3, 4, LABEL)]
    assert found(nlp, "c a b e f a") == []


def test_a_correction_without_a_sentence_is_like_any_other():
    """ "b" alone has every "b" as its sentence, and would always win."""
    nlp = pipeline(correction_votes=3, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, "b d", []) for _ in "xxxx"], show_progress=False)
    knn.add([annotated(nlp.vocab, "b", [(0, 1, LABEL)])])
    assert found(nlp, "b") == [(0, 1, LABEL)]
    assert found(nlp, "b d") == []


def test_store_entries_with_the_same_words_vote_beside_a_correction():
    """Each of them as one, and a correction as `votes`."""
    nlp = pipeline(correction_temperature=0.5, correction_votes=3, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    store = ["b c", "d b", "B", "b b", "c d"]
    knn.build([annotated(nlp.vocab, text, []) for text in store], show_progress=False)
    np.testing.assert_allclose(p_of(nlp, "b", 0), OUTSIDE, atol=1e-7)
    knn.add([annotated(nlp.vocab, "b d", [(0, 1, LABEL)])])
    # The majority of the four and a bit that are in the store decides.
    np.testing.assert_allclose(p_of(nlp, "b", 0), OUTSIDE, atol=1e-7)
    knn.forget([1, 2])  # "b c" and "d b"
    far = 0.02**2
    expected = np.array([2 + far, 0, 0, 0, 3]) / (5 + far)
    np.testing.assert_allclose(p_of(nlp, "b", 0), expected, atol=1e-7)


def test_the_store_alone_corrects_nothing():
    """Beyond the radius of the only correction, it changes nothing."""
    nlp = pipeline(radius=0.19, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    docs = [annotated(nlp.vocab, "B", [(0, 1, LABEL)])]
    knn.build(docs, show_progress=False)
    knn.add([annotated(nlp.vocab, "b d", [(0, 1, LABEL)])])
    np.testing.assert_allclose(p_of(nlp, "B", 0), OUTSIDE, atol=1e-7)


def test_of_a_phrase_the_store_votes_where_it_stands_as_a_whole():
    nlp = pipeline(correction_votes=2, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    store = [annotated(nlp.vocab, text, []) for text in ("b c", "c b", "b d", "b")]
    knn.build(store, show_progress=False)
    knn.add([annotated(nlp.vocab, "b c d", [(0, 2, LABEL)])])
    third = 1 / 3
    np.testing.assert_allclose(
        p_of(nlp, "b c", 0), [third, 2 * third, 0, 0, 0], atol=1e-7
    )
    np.testing.assert_allclose(
        p_of(nlp, "b c", 1), [third, 0, 0, 2 * third, 0], atol=1e-7
    )


def test_a_part_of_a_longer_stored_entity_does_not_vote():
    """ "b" in "b c" says nothing of "b" alone."""
    nlp = pipeline(correction_votes=1, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    store = [annotated(nlp.vocab, "b c", [(0, 2, "other")]) for _ in "xxx"]
    knn.build(store, show_progress=False)
    knn.add([annotated(nlp.vocab, "b d", [(0, 1, LABEL)])])
    assert found(nlp, "b e") == [(0, 1, LABEL)]


def test_what_stands_a_thousand_times_in_the_store_counts_64_times():
    nlp = pipeline(correction_votes=65, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    docs = [annotated(nlp.vocab, "b " * 250, []) for _ in range(4)]
    knn.build(docs, show_progress=False)
    knn.add([annotated(nlp.vocab, "b d", [(0, 1, LABEL)])])
    expected = np.array([64, 0, 0, 0, 65]) / 129
    np.testing.assert_allclose(p_of(nlp, "b", 0), expected, atol=1e-7)


def test_of_a_thousand_corrections_with_the_same_word_the_64_nearest_count():
    nlp = pipeline(correction_temperature=0.5, correction_votes=3, **VOTES)
    knn = nlp.get_pipe("knn_ner")
    words = "b " * 100
    knn.add([annotated(nlp.vocab, words + end, []) for end in "acdefg"])
    knn.add([annotated(nlp.vocab, "B d", [(0, 1, LABEL)])])
    far = 63 * 0.02**2
    expected = np.array([far, 0, 0, 0, 1]) / (1 + far)
    np.testing.assert_allclose(p_of(nlp, "B e", 0), expected, atol=1e-7)
    np.testing.assert_allclose(p_of(nlp, "e a B f", 2), expected, atol=1e-7)


def test_whitespace_is_no_word():
    nlp = pipeline()
    gold = doc_of(nlp, "a|b| |c|d")
    gold.set_ents([Span(gold, 1, 4, label=LABEL)])
    nlp.get_pipe("knn_ner").add([gold])
    assert found(nlp, "a|b| |c|d") == [(1, 4, LABEL)]
    assert found(nlp, "e|a| |b|c|f") == [(3, 5, LABEL)]


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
    text = "B a C a D a E a F"
    assert found(nlp, text) == [(2 * i, 2 * i + 1, LABEL) for i in range(5)]
    knn.forget(ids[:n])
    assert found(nlp, text) == [(2 * i, 2 * i + 1, LABEL) for i in range(n, 5)]
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
    tokens = [[e.token for e in neighbors(knn, doc, i, n=50)] for i in range(2)]
    assert tokens[0] == [0]  # it has the same words
    assert sorted(tokens[1]) == [0, 1, 2, 3]


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
