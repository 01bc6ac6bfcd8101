"""The front door: what can be given, what is told, and what is taken back."""

import numpy as np
import pytest
from spacy.tokens import Span
from spacy.training import Example
from util import annotated, annotated_docs, cnn_pipeline, entities, view

from spacy_knn_ner.errors import KnnNerError

TEXT = "Ada Lovelace lived in London"
OTHER = "Ada met Ada in Paris"


def taught(knn, *given, **how):
    (example_id,) = knn.teach(*given, **how)
    text = knn.datastore.example(example_id).annotated
    return text.entities, text.missing


# --- what can be given -----------------------------------------------------------


def test_words_wherever_they_stand(built):
    knn = built.get_pipe("knn_ner")
    assert taught(knn, OTHER, {"Ada": "cat"}) == (
        [(0, 1, "cat"), (2, 3, "cat")],
        [1, 3, 4],
    )
    # The longer ones first; None is no entity.
    text = "Ada Lovelace met Ada in London"
    found = taught(knn, text, {"Ada": "x", "Ada Lovelace": "writer", "London": None})
    assert found == ([(0, 2, "writer"), (3, 4, "x")], [2, 4])


def test_spans_are_trimmed(built):
    knn = built.get_pipe("knn_ner")
    text = "Ada\nlived  in London"
    assert taught(knn, text, [(3, 9, "x")]) == ([(2, 3, "x")], [0, 1, 3, 4, 5])
    with pytest.raises(KnnNerError, match="KNN-E055"):
        knn.teach(text, [(3, 4, "x")])
    assert len(knn.datastore.corrections) == 1


def test_characters(built):
    knn = built.get_pipe("knn_ner")
    expected = [(4, 5, "city")], [0, 1, 2, 3]
    assert taught(knn, TEXT, [(22, 28, "city")]) == expected
    assert taught(knn, built.make_doc(TEXT), [(22, 28, "city")]) == expected
    complete = taught(knn, (TEXT, {"entities": [(22, 28, "city")]}))
    assert complete == ([(4, 5, "city")], [])


def test_spans_docs_and_examples(built):
    knn = built.get_pipe("knn_ner")
    doc = built(TEXT)
    expected = [(1, 2, "x")], [0, 2, 3, 4]
    assert taught(knn, Span(doc, 1, 2, label="x")) == expected
    assert taught(knn, doc[1:2]) == ([], [0, 2, 3, 4])  # no label: no entity
    gold = annotated(built.vocab, TEXT, [(0, 2, "person")])
    for given in (gold, Example(built.make_doc(TEXT), gold)):
        assert taught(knn, given) == ([(0, 2, "person")], [])


def test_several_at_once(built):
    knn = built.get_pipe("knn_ner")
    given = [(TEXT, {"Ada": "x"}), built(OTHER)[1:2], annotated_docs(built)[3]]
    added = knn.teach(given, source="me")
    assert len(added) == 3 and knn.forget(source="me") == 1 + 1 + 5


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ((TEXT, {"Eve": "x"}), "E070"),
        ((TEXT, {"Ada": "x", "Ada Lovelace": None}), "E080"),
        ((TEXT, {"entities": [(0, 3, "x"), (0, 12, "y")]}), "E080"),
        ((TEXT, {5: "x"}), "E055"),
        ((TEXT, {"Ada": 5}), "E055"),
        ((TEXT, [(0, 3, 5)]), "E055"),
        ((TEXT, [(1, 4, "x")]), "E055"),
        ((TEXT, [(0, 1 << 40, "x")]), "E055"),
        ((TEXT, [(0, 3)]), "E055"),
        ((TEXT, {"Ada": "x", "entities": []}), None),
        (([(TEXT, [(0, 3, "x"), (0, 12, "y")])],), "E080"),
        (("Ada lived",), "E054"),
        ((7,), "E054"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(built, given, code):
    knn = built.get_pipe("knn_ner")
    if code:
        with pytest.raises(KnnNerError, match=f"KNN-{code}"):
            knn.teach(*given)
        assert not len(knn.datastore.corrections)
    else:
        assert taught(knn, *given) == ([], [])  # as in spaCy's examples


# --- what is told -----------------------------------------------------------------


def test_before_and_after(built):
    knn = built.get_pipe("knn_ner")
    before = [f"{ent.text} {ent.label_}" for ent in built(TEXT).ents if ent.end <= 2]
    ((outcome,), text) = (lambda added: (added.outcomes, added.text))(
        knn.teach(TEXT, {"Ada Lovelace": "writer"})
    )
    (span,) = outcome.spans
    assert (span.before, span.found, outcome.is_new) == (before, True, True)
    assert (span.alike, span.otherwise) == (0, 1)  # a person in the store
    assert text.startswith("“Ada Lovelace” is now writer") and "otherwise: 1." in text
    again = knn.teach(TEXT, {"Ada Lovelace": "writer"})
    assert not again.outcomes[0].is_new and "as before" in again.text


def test_what_does_not_change_and_why(built):
    how = {"before": "knn_ner", "config": {"overwrite_ents": True}}
    ruler = built.add_pipe("entity_ruler", **how)
    ruler.add_patterns([{"label": "title", "pattern": "Ada Lovelace lived"}])
    added = built.get_pipe("knn_ner").teach(TEXT, {"Lovelace": "writer"})
    assert not added.outcomes[0].spans[0].found
    expected = "“Ada Lovelace lived” is set by an entity ruler"
    assert expected in added.text


# --- what is taken back --------------------------------------------------------------


def test_forgetting_brings_back_what_was_replaced(built):
    knn = built.get_pipe("knn_ner")
    states, steps = [], []
    for given in ({"Ada Lovelace": "one"}, {"Lovelace": "two"}, {"Ada": "three"}):
        states.append([view(doc) for doc in built.pipe([TEXT, OTHER])])
        steps.append(knn.teach(TEXT, given))
    assert steps[1].outcomes[0].revised[0].earlier.example_id == steps[0][0]
    for state, step in zip(reversed(states), reversed(steps), strict=True):
        knn.forget(step)
        assert [view(doc) for doc in built.pipe([TEXT, OTHER])] == state


CHAINS = [
    # corrections in order; those that are forgotten, in order; what is left
    (["A+P", "B"], [0, 1], ""),
    (["A", "B+P", "C"], [1, 2], "A"),
    (["A", "B+P", "C"], [1], "C"),
    (["A", "B", "C"], [1], "C"),
    (["A", "B", "C"], [2, 1], "A"),
    (["A", "B", "C"], [0, 2], "B"),
    (["A+P", "B", "Q"], [1], "A+Q"),
    (["A+P", "B", "Q"], [1, 2], "A+P"),
]
WORDS = {"A": "Ada", "B": "Ada", "C": "Ada", "P": "London", "Q": "London"}


@pytest.mark.parametrize(("given", "forgotten", "left"), CHAINS)
def test_forgetting_leaves_what_there_would_be_without_it(given, forgotten, left):
    def pipeline():
        nlp = cnn_pipeline()
        return nlp, nlp.get_pipe("knn_ner")

    def entities_of(names):
        return {WORDS[name]: name for name in names.split("+") if name}

    (nlp, knn), (other, expected) = pipeline(), pipeline()
    added = [knn.teach(TEXT, entities_of(names)) for names in given]
    for i in forgotten:
        knn.forget(added[i])
    if left:
        expected.teach(TEXT, entities_of(left))
    assert entities(nlp(TEXT)) == entities(other(TEXT))
    assert len(knn.datastore.corrections) == len(expected.datastore.corrections)


def test_what_was_moved_or_filtered_away_brings_nothing_back(built):
    knn = built.get_pipe("knn_ner")
    knn.teach(TEXT, {"Ada": "A", "London": "P"})
    later = knn.teach(TEXT, {"Ada": "B"}, source="ada")
    assert knn.forget(later, source="other") == 0
    assert ("Ada", "B") in {(e.text, e.label_) for e in built(TEXT).ents}
    knn.consolidate()
    n_entries = len(knn.datastore.store)
    assert knn.forget(later) == 1
    assert len(knn.datastore.corrections) == 0
    assert len(knn.datastore.store) == n_entries - 1


def test_a_duplicate_belongs_to_who_gave_it_first(built):
    knn = built.get_pipe("knn_ner")
    first = knn.teach(TEXT, {"Ada": "A"}, source="ada")
    assert knn.forget(knn.teach(TEXT, {"Ada": "A"}, source="bob")) == 0
    assert knn.forget(first) == 1


def test_a_wrong_source_changes_nothing(built):
    knn = built.get_pipe("knn_ner")
    knn.teach(TEXT, {"Ada": "A"})
    for source in (["ada"], 5, ""):
        with pytest.raises(KnnNerError, match="KNN-E057"):
            knn.teach(TEXT, {"Ada": "B"}, source=source)
    for wrong in ({"source": ["ada"]}, {"text": 5}):
        with pytest.raises(KnnNerError, match="KNN-E056"):
            knn.forget(**wrong)
    assert ("Ada", "A") in {(e.text, e.label_) for e in built(TEXT).ents}


def test_forgetting_by_text_id_and_nonsense(built):
    knn = built.get_pipe("knn_ner")
    first, _ = knn.teach([(TEXT, {"Ada": "x"}), (OTHER, {"met": None})])
    assert knn.forget("met Ada") == 1
    assert knn.forget(np.int64(first)) == 1
    with pytest.raises(KnnNerError, match="KNN-E037"):
        knn.forget(2**70)
    for wrong in (built.make_doc("Ada"), 0.5, ["Ada"], [built.make_doc("Ada")]):
        with pytest.raises(KnnNerError, match="KNN-E056"):
            knn.forget(wrong)
    assert entities(built(TEXT))
