"""Texts without whitespace, and what was named as no entity in them."""

from spacy_knn_ner.corrections.taught import no_entities
from spacy_knn_ner.corrections.texts import visible_text
from spacy_knn_ner.types import AnnotatedText


def text(words, entities=(), missing=()):
    words = words.split("|")
    return AnnotatedText(words, [False] * len(words), [*entities], [*missing])


def test_lines_end_at_line_breaks():
    seen = visible_text(["a", " ", "b", "\n\n", "c", "d"], first_token=10)
    assert seen.words == ["a", "b", "c", "d"] and seen.tokens == [10, 12, 14, 15]
    assert seen.line(0, 1) == (0, 2) and seen.line(2, 3) == (2, 4)
    assert seen.line(1, 3) == (0, 4)  # a phrase on both
    assert [seen.position(token) for token in (10, 11, 12, 16)] == [0, 1, 1, 4]


def test_phrases_are_named_as_no_entity_where_most_has_no_annotation():
    assert no_entities(text("Ada|met|Apple", [(0, 1, "X")], [1])) == [(2, 3)]
    assert no_entities(text("We|saw|New|\n|York|here", [], [0, 1, 5])) == [(2, 5)]
    assert no_entities(text("We|saw|Apple", [], [0])) == []  # annotated throughout
    assert no_entities(text("Ada|met|me", [(0, 1, "X")])) == []


def test_a_short_text_may_be_no_entity_as_a_whole():
    assert no_entities(text("Apple|Inc.")) == [(0, 2)]
    assert no_entities(text("a|b|c|d|e|f")) == []
