"""Where a phrase seems to go on, by its words alone."""

import pytest
from spacy.lang.en.stop_words import STOP_WORDS

from spacy_knn_ner.corrections.borders import Beside, is_headline, words_beside


def beside(text):
    """Of the phrase in brackets."""
    words = text.replace("[", "").replace("]", "").split()
    given = text.split()
    start = next(i for i, word in enumerate(given) if word.startswith("["))
    end = next(i for i, word in enumerate(given) if word.endswith("]")) + 1
    return words_beside(words, start, end, STOP_WORDS)


@pytest.mark.parametrize(
    ("text", "left", "right"),
    [
        # capitalized: with capitalized words, on both sides
        ("the [Washington] Post said", "", "post"),
        ("in New [York] today", "new", ""),
        ("said [John Smith] today", "", ""),
        # lower case: with any word on the left
        ("of breast [cancer] cells", "breast", ""),
        ("she met [cancer] patients", "met", ""),
        # not with stop words, numbers or punctuation
        ("The [Washington] Monument", "", "monument"),
        ("with [cancer] in", "", ""),
        ("in 2008 [cancer] was", "", ""),
        ("( [cancer] )", "", ""),
        ("[US] - led", "", ""),
        # the last word counts on the right, the first on the left
        ("great [iPhone Pro] Max", "great", "max"),
        # headlines and scripts without capitals show nothing
        ("ENGLAND BEAT [FRANCE] IN PARIS", "", ""),
        ("在 [北京] 大学", "", ""),
        ("[NATO] ALLIES", "", ""),
    ],
)
def test_words_beside(text, left, right):
    assert beside(text) == Beside(left, right)


def test_headlines_are_mostly_in_capitals():
    assert is_headline(["SOCCER", "-", "JAPAN", "GET", "LUCKY", "WIN"], 2, 3)
    assert not is_headline(
        ["The", "US", "and", "the", "UK", "agree", "on", "NATO"], 1, 2
    )
    assert not is_headline(["US"], 0, 1)
