"""Queries of sentences, and texts that must not come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_knn_ner.ml.contexts.views import words_of
from spacy_knn_ner.retrieval.known_texts import KnownTexts, normal_words
from spacy_knn_ner.retrieval.queries import make_queries


def test_long_sentences_are_several_queries():
    sentence = "Ada, who lived in London, wrote a program; it was the first."
    assert make_queries(sentence, 30) == [sentence]
    assert make_queries(sentence, 5) == [
        "Ada,",
        "who lived in London,",
        "wrote a program;",
        "it was the first.",
    ]
    assert make_queries("我住在北京，喜欢吃面条。", 5) == [
        "我住在北京，",
        "喜欢吃面条。",
    ]
    assert make_queries("  ", 5) == make_queries("... !", 1) == []


def test_sentences_are_not_cut_within_words():
    sentence = "The U.S. exported 1,000.5 tons at 3.5 in 1996, see http://t.co/x, and"
    assert make_queries(sentence, 1) == [
        "The U.S.",
        "exported 1,000.5 tons at 3.5 in 1996,",
        "see http://t.co/x,",
        "and",
    ]


@given(st.text("ab ,.。我", max_size=60), st.integers(1, 12))
def test_queries_are_the_sentence_in_parts(sentence, most):
    """In order; none is too long, unless there is no punctuation mark in it."""
    queries = make_queries(sentence, most)
    letters = [c for c in sentence if c.isalnum()]
    assert [c for query in queries for c in query if c.isalnum()] == letters
    for query in queries:
        parts = [part for part in make_queries(query, 1) if part]
        assert len(words_of(query)) <= most or len(parts) == 1


def test_texts_that_share_a_passage_are_known():
    known = KnownTexts(length=4, shortest=3)
    known.add(["One two three four five six.", "Alpha, beta; gamma", "London", "a b"])
    assert known.has("zero ONE two, three four")
    assert known.has("two three four five")
    assert not known.has("one two three and four five six")
    assert known.has("that is alpha beta gamma indeed")
    assert known.has("london!") and not known.has("London is large")
    assert known.has("A, b") and not known.has("see a b there")


@given(
    st.lists(st.text("ab c我,.", max_size=30), max_size=5), st.text("ab 我", max_size=9)
)
def test_what_is_known_is_known_in_any_text(texts, more):
    known = KnownTexts(length=3, shortest=2)
    known.add(texts)
    for text in texts:
        assert known.has(text)
        words = normal_words(text)
        if sum(0.5 if word == "我" else 1 for word in words) >= 2:
            assert known.has(f"{more} {text} {more}")


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("I do n't think he 's in Paris .", "“I don't think he's in Paris.”"),
        ("It must be John 's book", "It must be John\u2019s book, you're sure"),
        ("EU rejects German lamb", "Brussels: EU rejects German lamb, he says"),
        ("İSTANBUL ve Windows™ için", "bugün i̇stanbul ve windowstm için de"),
        ("我住在北京，喜欢吃面条", "他说：“我住在北京，喜欢吃面条。”"),
        ("ผมอาศัยอยู่ในกรุงเทพ", "เขา ผมอาศัยอยู่ในกรุงเทพ นะ"),
        ("Burkina Faso wins today again", "Bur\u00adkina\u200b Faso wins today again!"),
        ("See _Moby Dick_ again and again", "see moby dick again and again"),
    ],
)
def test_other_spellings_are_the_same_passage(text, other):
    known = KnownTexts()
    known.add([text])
    assert known.has(other)


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        (
            "He has hereditary nonpolyposis colorectal cancer",
            "hereditary nonpolyposis colorectal cancer is a disease of families",
        ),
        (
            "She teaches at the University of California, Los Angeles",
            "University of California, Los Angeles (UCLA)",
        ),
        ("Bank of America", "The Bank of America is large"),
        ("대한민국 대통령은 말했다", "대한민국 대통령은 김씨다"),
        ("ประเทศไทยสวย", "ประเทศไทยใหญ่"),
    ],
)
def test_texts_about_the_same_name_are_not_known(sentence, text):
    """They are what a sentence is searched for."""
    known = KnownTexts()
    known.add([sentence])
    assert not known.has(text)
