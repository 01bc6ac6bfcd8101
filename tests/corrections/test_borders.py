"""Where a phrase seems to go on, by its words alone."""

import pytest
from spacy.lang.en.stop_words import STOP_WORDS

from spacy_knn_ner.corrections.borders import (
    Beside,
    Orthography,
    is_part_in_headline,
    words_beside,
)
from spacy_knn_ner.corrections.capitals import ends_sentence, is_headline


def beside(text, code="en"):
    """Of the phrase in brackets."""
    words = text.replace("[", "").replace("]", "").split()
    given = text.split()
    start = next(i for i, word in enumerate(given) if word.startswith("["))
    end = next(i for i, word in enumerate(given) if word.endswith("]")) + 1
    return words_beside(words, start, end, Orthography(STOP_WORDS, code))


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
        # an acronym goes on with capitals, not with a capitalized word
        ("a Turkish [PKU] patient", "", ""),
        ("the USA [NATO] and so on it goes", "usa", ""),
        ("the [NATO] Council met", "", "council"),
        # a hyphen or a slash goes on with lower case
        ("breast / [ovarian cancer] and", "/", ""),
        ("a [tumor] - suppressor gene", "", "-"),
        # what ends in -ing introduces it
        ("mutations causing [cancer] in", "", ""),
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


def test_where_all_nouns_are_capitalized_capitals_show_nothing():
    assert beside("Die Firma [Siemens] wächst") == Beside("firma", "")
    assert beside("Die Firma [Siemens] wächst", "de") == Beside()
    assert beside("ein akuter [krebs] war", "de") == Beside("akuter", "")


def test_in_headlines_longer_predictions_are_names():
    words = ["CHANDA", "RUBIN", "OUT", "OF", "U.S.", "OPEN", "BY", "INJURY"]
    assert is_part_in_headline(words, 4, 5, around=(4, 6))
    table = ["SAN", "DIEGO", "7", "MONTREAL", "2", "CHICAGO"]
    assert not is_part_in_headline(table, 0, 2, around=(0, 4))  # with a number
    text = ["He", "is", "out", "of", "the", "U.S.", "Open", "by", "an", "injury"]
    assert not is_part_in_headline(text, 5, 6, around=(5, 7))  # words show it here


def test_headlines_are_mostly_in_capitals():
    assert is_headline(["SOCCER", "-", "JAPAN", "GET", "LUCKY", "WIN"], 2, 3)
    assert not is_headline(
        ["The", "US", "and", "the", "UK", "agree", "on", "NATO"], 1, 2
    )
    assert not is_headline(["US"], 0, 1)


def test_sentences_end_with_their_punctuation_and_quotation_marks():
    assert all(map(ends_sentence, [".", "?", "!", "。", "”"]))
    assert not any(map(ends_sentence, ["-", "(", "'", ":", "York"]))
