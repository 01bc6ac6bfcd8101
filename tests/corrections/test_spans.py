"""A span that was given is a span, whatever was predicted; and forgetting undoes it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from util import entities, planted_pipeline, view

WORDS = ["a", "b", "c", "B", "C", "the", "of", "US", "us", " ", ",", "北"]
LABELS = ("one", "two")
N_TAGS = 1 + 4 * len(LABELS)


@st.composite
def sentences(draw):
    """Words, and spans that do not overlap; a label of "" is no entity."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9))
    assume(not all(word.isspace() for word in words))
    spans, start = [], 0
    while start < len(words):
        end = draw(st.integers(start + 1, len(words)))
        label = draw(st.sampled_from([*LABELS, "", None]))
        visible = not words[start].isspace() and not words[end - 1].isspace()
        if label is not None and visible:
            spans.append((start, end, label))
        start = end
    assume(spans)
    return words, spans


def random_pipeline(seed, **settings):
    """p_base and vectors are as random as can be."""
    rng = np.random.default_rng(seed)
    vectors = {word: rng.normal(size=3) for word in WORDS}
    p_base = {word: rng.dirichlet(np.full(N_TAGS, 0.2)) for word in WORDS}
    vectors[" "] = np.zeros(3)
    return planted_pipeline(vectors, p_base, LABELS, scheme="BILUO", **settings)


def partly(nlp, words, spans):
    doc = Doc(nlp.vocab, words=words)
    doc.set_ents(
        [Span(doc, s, e, label=label) for s, e, label in spans if label],
        outside=[doc[s:e] for s, e, label in spans if not label],
        default="missing",
    )
    return doc


def assert_found(nlp, words, spans):
    found = entities(nlp(Doc(nlp.vocab, words=words)))
    for start, end, label in spans:
        if label:
            assert (start, end, label) in found
        else:
            assert not any(s < end and start < e for s, e, _ in found)


@settings(max_examples=60, deadline=None)
@given(sentence=sentences(), seed=st.integers(0, 20), stored=st.booleans())
def test_what_was_taught_is_found_exactly(sentence, seed, stored):
    words, spans = sentence
    nlp = random_pipeline(seed)
    knn = nlp.get_pipe("knn_ner")
    if stored:  # it contradicts
        docs = [partly(nlp, words[i:], [(0, 1, "two")]) for i in range(len(words))]
        knn.build([doc for doc in docs if doc[0].text != " "], show_progress=False)
    texts = [words, words[::-1], [*words, *words]]
    before = [view(nlp(Doc(nlp.vocab, words=text))) for text in texts]
    ids = knn.add([partly(nlp, words, spans)])
    assert_found(nlp, words, spans)
    knn.forget(ids)
    assert [view(nlp(Doc(nlp.vocab, words=text))) for text in texts] == before


@settings(max_examples=60, deadline=None)
@given(first=sentences(), second=sentences(), seed=st.integers(0, 20))
def test_the_last_sentence_that_was_taught_is_found(first, second, seed):
    nlp = random_pipeline(seed)
    knn = nlp.get_pipe("knn_ner")
    for words, spans in (first, second):
        knn.add([partly(nlp, words, spans)])
    assert_found(nlp, *second)


@pytest.mark.parametrize("decoding", ["viterbi", "argmax"])
def test_what_reaches_over_a_border_gives_way(decoding):
    """ "the Zulu Nation" is predicted, "Zulu Nation" is taught."""
    words = ["the", "B", "C", "of"]
    nlp = random_pipeline(0, decoding=decoding)
    planted = nlp.get_pipe("planted")
    for word, tag in zip(words, ("B-one", "I-one", "L-one", "O"), strict=True):
        planted.p_base[word] = np.zeros(N_TAGS)
        planted.p_base[word][planted.tag_set.ids[tag]] = 1.0
    assert_found(nlp, words, [(0, 3, "one")])
    knn = nlp.get_pipe("knn_ner")
    knn.add([partly(nlp, words, [(1, 3, "two")])])
    assert entities(nlp(Doc(nlp.vocab, words=words))) == [(1, 3, "two")]
    knn.add([partly(nlp, words, [(2, 3, "one")])])  # later
    assert entities(nlp(Doc(nlp.vocab, words=words))) == [(2, 3, "one")]
