"""What the neighbors' votes are mixed with: a tagger, other entities, or nothing."""

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from util import (
    SENTENCES,
    TEXTS,
    TOK2VEC,
    annotated,
    annotated_docs,
    configure,
    knn_config,
    planted_pipeline,
    same,
    view,
)

from spacy_knn_ner.inference.decoding import decode
from spacy_knn_ner.reading.cache import encode
from spacy_knn_ner.tags import TagSet


def trained(*, tok2vec=True):
    """spaCy's own ner, with random weights, and perhaps a tok2vec in front."""
    nlp = spacy.blank("en")
    if tok2vec:
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("ner")
    examples = [Example(nlp.make_doc(d.text), d) for d in annotated_docs(nlp)]
    nlp.initialize(lambda: examples)
    return nlp


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


class SetsEntities:
    """Stands for any component that sets entities: those it is told, by text."""

    def __init__(self):
        self.found, self.default = {}, "outside"

    def __call__(self, doc):
        spans = [
            Span(doc, start, end, label=label, kb_id="".join(kb_id))
            for start, end, label, *kb_id in self.found.get(doc.text, [])
        ]
        doc.set_ents(spans, default=self.default)
        return doc


@Language.factory("sets_entities")
def make_sets_entities(nlp, name):
    return SetsEntities()


def with_entities(found, default="outside", **settings):
    """Vectors of words are given, and entities of texts; no tagger hands over."""
    words = sorted({word for text, _ in SENTENCES for word in text.split()})
    vectors = dict(zip(words, np.eye(len(words)), strict=True))
    nlp = planted_pipeline(vectors, {}, **settings)
    nlp.get_pipe("planted").writes_output = False
    sets_entities = nlp.add_pipe("sets_entities", after="planted")
    sets_entities.found, sets_entities.default = found, default
    return nlp


# --- spaCy's own recognizer ----------------------------------------------------


def test_it_can_be_added_to_spacys_own_ner():
    nlp = trained()
    before = [entities(doc) for doc in nlp.pipe(TEXTS)]
    knn = nlp.add_pipe("knn_ner", after="ner")
    assert [entities(doc) for doc in nlp.pipe(TEXTS)] == before
    configure(knn, weight=0.7)  # more than the entities' base_confidence
    knn.build(annotated_docs(nlp), show_progress=False)
    for text, right in SENTENCES:
        assert entities(nlp(text)) == right


def test_it_survives_saving_and_several_processes(tmp_path):
    nlp = trained()
    nlp.add_pipe("knn_ner", config=knn_config(**{"weight": 0.7}))
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    before = [view(doc) for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    assert same([view(doc) for doc in again.pipe(TEXTS)], before)
    spread = again.pipe(TEXTS, n_process=2, batch_size=2)
    assert same([view(doc) for doc in spread], before, tolerance=1e-4)


def test_entities_count_as_much_as_their_confidence():
    """A neighbor of weight w outvotes confidence c where w > (1 − w) · (c − rest)."""
    text = "Paris is lovely in spring"
    tags = TagSet("BILUO", ("location",))
    rest = (1 - 0.6) / (len(tags) - 1)
    for weight in (0.3, 0.4):
        nlp = with_entities({}, weight=weight, k=1, base_confidence=0.6)
        knn = nlp.get_pipe("knn_ner")
        knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
        wins = weight > (1 - weight) * (0.6 - rest)
        assert entities(nlp(text)) == (SENTENCES[4][1] if wins else [])
    assert wins
    score = view(nlp(text))[0][3]
    assert score == pytest.approx(0.4 + 0.6 * rest)


def test_what_was_encoded_with_another_confidence_is_not_taken_from_the_cache(tmp_path):
    nlp = with_entities({})
    knn = nlp.get_pipe("knn_ner")
    docs = [annotated(nlp.vocab, *SENTENCES[4])]
    knn.build(docs, show_progress=False)
    for confidence in (0.6, 0.9):
        knn.base_confidence = confidence
        for _ in range(2):
            assert encode(knn.reader, docs, cache=tmp_path).p_base.max() == confidence


def test_labels_that_the_datastore_lacks_stay():
    nlp = with_entities({"Paris is lovely in spring": [(4, 5, "season")]})
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, *SENTENCES[0])], show_progress=False)
    assert entities(nlp("Paris is lovely in spring")) == [(4, 5, "season")]


# --- nothing in front ------------------------------------------------------------


def test_an_encoder_and_examples_are_a_recognizer():
    """Nothing was trained: neighbors decide alone, whatever the weight."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    knn = nlp.add_pipe("knn_ner", config=knn_config(**{"weight": 0.1, "k": 1}))
    nlp.initialize()
    assert entities(nlp("Ada lived in London")) == []
    knn.build(annotated_docs(nlp), show_progress=False)
    for text, right in SENTENCES:
        assert entities(nlp(text)) == right
        assert all(score == pytest.approx(1) for *_, score in view(nlp(text)))


def test_corrections_alone_do_as_well_for_their_words():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    knn = nlp.add_pipe("knn_ner")
    nlp.initialize()
    knn.add(annotated_docs(nlp)[:1])
    assert entities(nlp(SENTENCES[0][0])) == SENTENCES[0][1]
    assert entities(nlp("Mary Shelley slept in Paris")) == []


def test_missing_tokens_are_left_to_the_neighbors():
    """And only those."""
    text = "Paris is lovely in spring"
    found = {text: [(4, 5, "season")]}
    nlp = with_entities(found, default="missing", weight=0.1, k=1)
    knn = nlp.get_pipe("knn_ner")
    spring = annotated(nlp.vocab, text, [(0, 1, "location"), (4, 5, "other")])
    knn.build([spring], show_progress=False)
    assert entities(nlp(text)) == [(0, 1, "location"), (4, 5, "season")]


@pytest.mark.parametrize("mode", ["lossless", "all"])
def test_the_gate_lets_them_through(mode):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    knn = nlp.add_pipe(
        "knn_ner", config=knn_config(**{"mode": mode, "score_entities": False})
    )
    nlp.initialize()
    knn.build(annotated_docs(nlp), show_progress=False)
    assert [entities(doc) for doc in nlp.pipe(TEXTS)] == [
        tags_of_the_nearest(nlp, text) for text in TEXTS
    ]


def tags_of_the_nearest(nlp, text):
    """Equation 3 by hand, and Viterbi over it."""
    doc = nlp.make_doc(text)
    if not len(doc):
        return []
    nlp.get_pipe("tok2vec")(doc)
    knn = nlp.get_pipe("knn_ner")
    votes = knn.retriever.key_votes(np.asarray(doc.tensor))
    return knn.datastore.tag_set.spans(decode(votes.p_knn, knn.datastore.tag_set))


# --- rulers ----------------------------------------------------------------------

PATTERN = {"label": "holiday", "pattern": "spring", "id": "season"}
SPRING = "Paris is lovely in spring"


@pytest.mark.parametrize("factory", ["entity_ruler", "span_ruler"])
@pytest.mark.parametrize("behind", [False, True])
def test_what_a_ruler_finds_is_kept_wherever_it_stands(factory, behind):
    nlp = with_entities({}, weight=1.0, k=1)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
    config = {"annotate_ents": True, "overwrite": False}
    config = config if factory == "span_ruler" else {}
    ruler = nlp.add_pipe(factory, before=None if behind else "knn_ner", config=config)
    ruler.add_patterns([PATTERN])
    doc = nlp(SPRING)
    assert entities(doc) == [(0, 1, "location"), (4, 5, "holiday")]
    assert doc.ents[1].id_ == "season"
    scores = doc.spans["knn_ner"].attrs["scores"]
    assert scores[0] == 1.0
    if not behind:
        assert np.isnan(scores[1])  # a ruler gives no probability
        assert doc.ents[1]._.knn_score is None
    explained = [e for e in knn.explain(doc).entities if e.predicted]
    if not behind:
        assert [e.score for e in explained] == [1.0, None]
        assert [e.unknown for e in explained] == [None, None]


def test_behind_it_a_ruler_yields_unless_it_is_told_to_overwrite():
    """As it does behind spaCy's own ner."""
    for overwrite in (False, True):
        nlp = with_entities({}, weight=1.0, k=1)
        knn = nlp.get_pipe("knn_ner")
        knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
        ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": overwrite})
        ruler.add_patterns([{"label": "city", "pattern": "Paris"}])
        assert entities(nlp(SPRING)) == [(0, 1, "city" if overwrite else "location")]


def test_in_front_of_it_a_ruler_beats_the_neighbors():
    nlp = with_entities({}, weight=1.0, k=1)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
    ruler = nlp.add_pipe("entity_ruler", before="knn_ner")
    ruler.add_patterns([{"label": "city", "pattern": "Paris is"}])
    assert entities(nlp(SPRING)) == [(0, 2, "city")]


def test_a_ruler_speaks_for_what_it_has_set_alone():
    """Not where it was told to set none, nor where it has yielded."""
    paris = {"label": "location", "pattern": "Paris"}
    for config in (
        {"annotate_ents": False},
        {"annotate_ents": True, "overwrite": False},
    ):
        nlp = with_entities({SPRING: [(0, 1, "org")]}, weight=0.9, k=1)
        knn = nlp.get_pipe("knn_ner")
        knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
        ruler = nlp.add_pipe("span_ruler", before="knn_ner", config=config)
        ruler.add_patterns([paris])
        doc = nlp(SPRING)
        assert entities(doc) == [(0, 1, "location")]
        assert doc.spans["knn_ner"].attrs["scores"][0] > 0.9


def test_beside_a_ruler_neighbors_decide_as_if_they_were_alone():
    """That a ruler finds nothing says nothing."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    knn = nlp.add_pipe("knn_ner", config=knn_config(**{"weight": 0.1, "k": 1}))
    nlp.initialize()
    ruler = nlp.add_pipe("entity_ruler", before="knn_ner")
    ruler.add_patterns([{"label": "x", "pattern": "lovely"}])
    knn.build(annotated_docs(nlp), show_progress=False)
    assert entities(nlp(SENTENCES[0][0])) == SENTENCES[0][1]
    assert entities(nlp(SPRING)) == [(0, 1, "location"), (2, 3, "x")]


def test_what_a_ruler_has_set_is_explained_as_that():
    nlp = with_entities({}, weight=1.0, k=1)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
    ruler = nlp.add_pipe("entity_ruler", before="knn_ner")
    ruler.add_patterns([{"label": "city", "pattern": "Paris is"}])
    (entity,) = knn.explain(nlp(SPRING)).entities
    assert (entity.label, entity.score, entity.predicted) == ("city", None, True)
    assert not entity.changed


def test_a_doc_may_pass_again():
    """What was found is no judgment of a component in front; what is new is."""
    found = {SPRING: [(0, 1, "org")]}
    nlp = with_entities(found, weight=0.1, k=1)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
    doc = nlp(SPRING)
    before = view(doc)
    assert view(knn(doc)) == before
    found[SPRING] = [(4, 5, "season")]
    assert view(nlp(doc)) == view(nlp(SPRING)) != before


def test_other_entities_keep_their_ids():
    """What an entity linker has found out, say, where neighbors do not object."""
    nlp = with_entities({SPRING: [(0, 1, "location", "Q90")]}, weight=0.1)
    knn = nlp.get_pipe("knn_ner")
    knn.build([annotated(nlp.vocab, *SENTENCES[4])], show_progress=False)
    assert [ent.kb_id_ for ent in nlp(SPRING).ents] == ["Q90"]
