"""What `knn_ner` does for its user: correct, teach, forget, explain."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, SpanGroup
from util import (
    SENTENCES,
    TEXTS,
    annotated,
    annotated_docs,
    cnn_pipeline,
    configure,
    initialized,
    neighbors,
    planted_pipeline,
    transformer_pipeline,
    view,
)

from spacy_knn_ner.datastore.entries import EntryTable
from spacy_knn_ner.errors import KnnNerError, KnnNerWarning
from spacy_knn_ner.reading.annotations import annotated_text
from spacy_knn_ner.reading.tagger_output import read
from spacy_knn_ner.types import TokenKeys


def entities(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_build_returns_an_id_per_doc_and_stores_every_token(cnn):
    knn = cnn.get_pipe("knn_ner")
    docs = annotated_docs(cnn)
    assert knn.build(iter(docs), batch_size=2, show_progress=False) == [*range(1, 7)]
    assert len(knn.datastore) == sum(len(doc) for doc in docs)
    assert knn.labels == ("person", "location")


def test_build_does_not_depend_on_batches(cnn):
    knn = cnn.get_pipe("knn_ner")
    results = []
    for batch_size in (1, 2, 64):
        knn.build(annotated_docs(cnn), batch_size=batch_size, show_progress=False)
        results.append([view(doc) for doc in cnn.pipe(TEXTS)])
    assert results[0] == results[1] == results[2]


def test_build_shows_its_progress(cnn, capsys):
    cnn.get_pipe("knn_ner").build(annotated_docs(cnn))
    assert "6/6" in capsys.readouterr().err


def test_building_again_replaces_the_store_and_keeps_the_corrections(built):
    knn = built.get_pipe("knn_ner")
    (correction,) = knn.add([annotated(built.vocab, "Ada read", [(0, 1, "person")])])
    ids = knn.build(annotated_docs(built)[:2], show_progress=False)
    assert ids == [8, 9]
    assert len(knn.datastore.store) == 11
    assert len(knn.datastore.corrections) == 2
    assert knn.datastore.example(correction).annotated.words == ["Ada", "read"]


def test_a_failing_build_changes_nothing(built):
    knn = built.get_pipe("knn_ner")
    before = [view(doc) for doc in built.pipe(TEXTS)]

    def docs():
        yield from annotated_docs(built)
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="ends here"):
        knn.build(docs(), batch_size=2, show_progress=False)
    assert [view(doc) for doc in built.pipe(TEXTS)] == before


def test_annotated_docs_are_not_changed(cnn):
    docs = annotated_docs(cnn)
    before = [doc.to_bytes() for doc in docs]
    cnn.get_pipe("knn_ner").build(docs, show_progress=False)
    assert [doc.to_bytes() for doc in docs] == before


def test_a_correction_is_heeded_at_once(built):
    knn = built.get_pipe("knn_ner")
    text = "Frankenstein was written in Geneva"
    right = [("Frankenstein", "work"), ("Geneva", "location")]
    before = view(built(text))
    ids = knn.add([annotated(built.vocab, text, [(0, 1, "work"), (4, 5, "location")])])
    doc = built(text)
    assert entities(doc) == right
    assert min(doc.spans["knn_ner"].attrs["scores"]) > 0.8
    knn.forget(ids)
    assert view(built(text)) == before


def test_a_tag_that_only_the_datastore_knows(built):
    """A new entity type from one example, nothing retrained."""
    knn = built.get_pipe("knn_ner")
    knn.add([annotated(built.vocab, "We read Frankenstein", [(2, 3, "work")])])
    doc = built("We read Frankenstein")
    assert entities(doc) == [("Frankenstein", "work")]
    assert "U-work" not in read(doc)["tags"]


def test_a_partial_correction_poisons_nothing():
    """One span is annotated; the rest of its sentence is not made O."""
    vectors = dict(zip("abc", np.eye(3), strict=True))
    p = dict.fromkeys("abc", np.array([0.3, 0.7, 0.0]))
    nlp = planted_pipeline(vectors, p)
    knn = nlp.get_pipe("knn_ner")
    knn.add([annotated(nlp.vocab, "a b c", [(1, 2, "thing")], default="missing")])
    assert len(knn.datastore.corrections) == 1
    (found,) = knn.predict([nlp(Doc(nlp.vocab, words=["a", "b", "c"]))])
    np.testing.assert_allclose(found.p[0], [0.3, 0.7, 0])
    assert found.p[1, 1] > 0.9


def test_an_example_without_any_annotation_changes_nothing_and_says_so(built):
    knn = built.get_pipe("knn_ner")
    size = len(knn.datastore)
    with pytest.warns(KnnNerWarning, match="KNN-W002.*: 7"):
        ids = knn.add([Doc(built.vocab, words=["Who", "knows"])])
    assert ids == [7]
    assert len(knn.datastore) == size


def test_something_else_than_docs_is_refused(built):
    knn = built.get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match="KNN-E049"):
        knn.build(["Ada lived in London"], show_progress=False)
    for wrong in ("Ada lived", ["Ada lived"], 7, [("Ada", 1, 2)], {"Ada": "person"}):
        with pytest.raises(KnnNerError, match="KNN-E054"):
            knn.add(wrong)


def test_forgetting_restores_the_entities_and_scores_exactly(built):
    knn = built.get_pipe("knn_ner")
    before = [view(doc) for doc in built.pipe(TEXTS)]
    ids = knn.add(annotated_docs(built))
    assert [view(doc) for doc in built.pipe(TEXTS)] != before
    assert knn.forget(ids) == sum(len(text.split()) for text, _ in SENTENCES)
    assert [view(doc) for doc in built.pipe(TEXTS)] == before


def test_one_search_per_batch_and_tier(built, monkeypatch):
    """Of the component, and of FAISS under it."""
    import faiss

    knn = built.get_pipe("knn_ner")
    configure(knn, k=2, mode="all", other_words_radius=0.5)
    near = [annotated(built.vocab, f"{text} too", ents) for text, ents in SENTENCES]
    knn.add(near)  # more than is fetched for k = 2
    searches, calls = [], []
    search, faiss_knn = EntryTable.search, faiss.knn

    def counting(tier, queries, k, **kwargs):
        searches.append(len(queries))
        return search(tier, queries, k, **kwargs)

    def counting_faiss(queries, *args, **kwargs):
        calls.append(len(queries))
        return faiss_knn(queries, *args, **kwargs)

    monkeypatch.setattr(EntryTable, "search", counting)
    monkeypatch.setattr(faiss, "knn", counting_faiss)
    texts = [text for text in TEXTS if text] * 4  # 16 texts
    list(built.pipe(texts, batch_size=8))
    distinct = sum(
        len(text.split()) for text in TEXTS
    )  # equal vectors are searched once
    corrections, nearer, store = searches[:3]  # second: where corrections are near
    assert store == corrections == distinct >= nearer
    assert searches == [corrections, nearer, store] * 2
    assert calls == searches


def test_scores_stand_beside_the_entities(built):
    built.get_pipe("knn_ner").add(annotated_docs(built))
    doc = built(SENTENCES[0][0])
    group = doc.spans["knn_ner"]
    assert list(group) == list(doc.ents) != []
    (found,) = built.get_pipe("knn_ner").predict([doc])
    for span, score in zip(group, group.attrs["scores"], strict=True):
        p = [found.p[i, found.ids[i]] for i in range(span.start, span.end)]
        assert score == pytest.approx(np.mean(p))
    again = Doc(built.vocab).from_bytes(doc.to_bytes())
    assert view(again) == view(doc)


def test_evidence_for_a_token(built):
    knn = built.get_pipe("knn_ner")
    knn.k, knn.temperature = 5, 0.1
    doc = annotated(built.vocab, "Ada read", [(0, 1, "person")], "missing")
    (added,) = knn.add([doc])
    evidence = neighbors(knn, built("Ada lived in London"), 0)
    assert [e.part for e in evidence] == ["corrections"] + ["store"] * 5
    assert [e.same_words for e in evidence] == [True] + [False] * 5
    doc = built("Ada Lovelace lived in London")
    assert evidence[0].example_id == added
    store = neighbors(knn, doc, 4)
    assert [e.part for e in store] == ["store"] * 5
    assert store[0].words == ["Ada", "Lovelace", "lived", "in", "London"]
    assert (store[0].token, store[0].tag, store[0].example_id) == (4, "U-location", 1)
    assert store[0].distance == pytest.approx(0, abs=1e-6)
    assert [e.distance for e in store] == sorted(e.distance for e in store)
    assert sum(e.share for e in store) == pytest.approx(1)
    shares = np.exp(-np.array([e.distance for e in store]) / knn.temperature)
    np.testing.assert_allclose([e.share for e in store], shares / shares.sum())


@pytest.mark.parametrize("pooling", ["mean", "pieces"])
def test_shares_are_of_the_whole_vote_even_if_few_neighbors_are_shown(
    tiny_bert, pooling
):
    nlp = transformer_pipeline(tiny_bert, keys={"pooling": pooling})
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    doc = nlp("Ada Lovelace lived in London")
    for k in (20, None):
        knn.k = k
        few, many = neighbors(knn, doc, 0, n=3), neighbors(knn, doc, 0, n=1000)
        assert few == many[:3]
        assert neighbors(knn, doc, 0, n=0) == []
        total = sum(e.share for e in many)
        assert total == pytest.approx(1)


def test_no_evidence_for_whitespace_or_from_an_empty_datastore(cnn):
    knn = cnn.get_pipe("knn_ner")
    assert neighbors(knn, cnn("Ada"), 0) == []
    knn.build(annotated_docs(cnn), show_progress=False)
    assert neighbors(knn, cnn("Ada  lived"), 1) == []


def test_it_scores_like_any_recognizer(built):
    from spacy.training import Example

    docs = annotated_docs(built)
    built.get_pipe("knn_ner").add(docs)
    examples = [Example(built.make_doc(doc.text), doc) for doc in docs]
    assert built.evaluate(examples)["ents_f"] == 1


def test_components_that_merge_tokens_are_noticed(cnn):
    cnn.add_pipe("merge_entities", before="knn_ner")
    ruler = cnn.add_pipe(
        "entity_ruler", before="merge_entities", config={"overwrite_ents": True}
    )
    ruler.add_patterns([{"label": "person", "pattern": "Ada Lovelace lived"}])
    with pytest.raises(KnnNerError, match="KNN-E045"):
        cnn.get_pipe("knn_ner").add(annotated_docs(cnn)[:1])
    with pytest.raises(KnnNerError, match="KNN-E045"):
        cnn("Ada Lovelace lived in London")


def test_another_scheme_than_the_taggers_is_refused(built):
    nlp = spacy.blank("en").from_config(built.config)
    nlp.from_bytes(built.to_bytes())
    nlp.get_pipe("ner_tagger").cfg["tag_scheme"] = "BIO"
    nlp.get_pipe("ner_tagger").cfg["labels"] = ["a", "b", "c", "d"]
    with pytest.raises(KnnNerError, match="KNN-E035"):
        nlp("Ada lived in London")


def test_settings_change_what_is_found(built):
    """Weight 0 is the tagger alone; weight 1 the neighbors alone."""
    knn = built.get_pipe("knn_ner")
    doc = built.make_doc(SENTENCES[0][0])
    for name, component in built.pipeline:
        doc = component(doc) if name != "knn_ner" else doc
    p_base = read(doc)["probabilities"]
    configure(knn, weight=0)
    np.testing.assert_allclose(knn.predict([doc])[0].p, p_base, atol=1e-7)
    configure(knn, weight=1, k=1)
    ids = knn.predict([doc])[0].ids
    spans = knn.predict([doc])[0].tag_set.spans(ids)
    assert spans == SENTENCES[0][1]


def test_an_emptied_datastore_starts_anew(built):
    """With keys of another kind, even."""
    knn = built.get_pipe("knn_ner")
    knn.forget(range(1, 7))
    assert len(knn.datastore) == 0
    knn.keys = {"dtype": "float16"}
    docs = annotated_docs(built)
    assert knn.add(docs) == [*range(7, 13)]
    assert knn.datastore.corrections.keys.dtype == np.float16
    assert entities(built(SENTENCES[0][0])) == [
        ("Ada Lovelace", "person"),
        ("London", "location"),
    ]


def test_a_component_copied_from_another_pipeline_says_that_it_cannot_check(built):
    nlp = cnn_pipeline()
    nlp.remove_pipe("knn_ner")
    nlp.add_pipe("knn_ner", source=built)
    with pytest.warns(KnnNerWarning, match="KNN-W003"):
        nlp("Ada lived in London")


def test_so_does_one_that_a_config_takes_from_another_pipeline(built, tmp_path):
    built.to_disk(tmp_path / "old")
    config = cnn_pipeline().config
    config["components"]["knn_ner"] = {"source": str(tmp_path / "old")}
    nlp = spacy.blank("en").from_config(config)
    initialized(nlp)  # tells the component where it is …
    nlp("Ada lived in London")
    nlp = spacy.blank("en").from_config(config)
    nlp.from_disk(cnn_saved(tmp_path / "new"), exclude=["knn_ner"])  # … this does not
    with pytest.warns(KnnNerWarning, match="KNN-W003"):
        nlp("Ada lived in London")


def cnn_saved(path):
    cnn_pipeline().to_disk(path)
    return path


def test_every_wrong_token_of_a_taught_sentence_is_right(built):
    """Default settings; also after tuning has made the store's votes broad."""
    knn = built.get_pipe("knn_ner")
    for temperature in (knn.temperature, 1.0):
        knn.temperature = temperature
        for text, spans in SENTENCES:
            # Labels that nothing in the store speaks for.
            spans = [(start, end, f"new-{label}") for start, end, label in spans]
            ids = knn.add([annotated(built.vocab, text, spans)])
            found = [(ent.start, ent.end, ent.label_) for ent in built(text).ents]
            assert found == spans
            knn.forget(ids)


def test_words_with_norms_are_found_at_distance_zero(cnn):
    """The tokenizer knows that "n't" means "not", and this encoder looks at it."""
    knn = cnn.get_pipe("knn_ner")
    text = "I can't meet Ada, I'm gonna see London"
    gold = cnn.make_doc(text)
    gold.set_ents([])
    knn.add([gold])
    doc = cnn(text)
    distances = [neighbors(knn, doc, i, n=1)[0].distance for i in range(len(doc))]
    np.testing.assert_allclose(distances, 0, atol=1e-6)


def test_building_while_this_component_is_disabled(cnn):
    knn = cnn.get_pipe("knn_ner")
    with cnn.select_pipes(disable="knn_ner"):
        knn.build(annotated_docs(cnn), show_progress=False)
    assert len(knn.datastore) > 0


def test_a_component_in_no_pipeline_cannot_encode(cnn):
    knn = cnn.create_pipe("knn_ner")
    with pytest.raises(KnnNerError, match="KNN-E048"):
        knn.add(annotated_docs(cnn))


def test_a_text_that_a_component_in_front_lets_go_adds_nothing(cnn):
    @cnn.component("picky")
    def picky(doc):
        if "Paris" in doc.text:
            raise ValueError("no")
        return doc

    cnn.add_pipe("picky", before="knn_ner")
    cnn.set_error_handler(lambda name, proc, docs, error: None)
    knn = cnn.get_pipe("knn_ner")
    with pytest.raises(KnnNerError, match=r"KNN-E050.*1 of 6"):
        knn.add(annotated_docs(cnn))
    assert len(knn.datastore) == 0


def test_a_component_behind_that_merges_tokens(tiny_bert):
    """Entities are found; evidence is only for Docs as they were before it."""
    nlp = transformer_pipeline(tiny_bert)
    knn = nlp.get_pipe("knn_ner")
    knn.add(annotated_docs(nlp))
    nlp.add_pipe("merge_entities")
    doc = nlp("Ada Lovelace lived in London")
    assert doc[0].text == "Ada Lovelace"
    with pytest.raises(KnnNerError, match="KNN-E045"):
        neighbors(knn, doc, 3)


def test_corrections_made_while_building_are_not_lost(built):
    knn = built.get_pipe("knn_ner")
    before = len(knn.datastore)

    def docs():
        yield from annotated_docs(built)
        knn.add([annotated(built.vocab, "Ada read", [(0, 1, "person")])])

    with pytest.raises(KnnNerError, match="KNN-E052"):
        knn.build(docs(), show_progress=False)
    assert len(knn.datastore) == before + 2


def test_docs_of_another_process_are_not_suspected(built):
    doc = built("Ada lived in London")
    doc._.ner_tagger["tagger"] = "0:1"
    built.get_pipe("knn_ner")(doc)


def test_threads_search_while_one_adds_and_forgets(built):
    from concurrent.futures import ThreadPoolExecutor

    knn = built.get_pipe("knn_ner")
    doc = built("Ada Lovelace lived in London")
    right = knn.predict([doc])[0].ids.tolist()
    done = []

    def search():
        while not done:
            assert knn.predict([doc])[0].ids.tolist() == right

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search) for _ in range(2)]
        for _ in range(100):
            text = annotated(built.vocab, "Nobody read", [])
            ids = knn.datastore.add(*knn_arguments(knn, text), part="store")
            knn.forget(ids)
        done.append(True)
        for future in searches:
            future.result()


def knn_arguments(knn, doc):
    """Far from everything: what is found does not depend on it."""
    text = annotated_text(doc, "test")
    n, width = len(text.words), knn.datastore.width
    return [text], [TokenKeys(np.full((n, width), -50, "float32"), np.arange(n), n)]


def test_an_index_that_is_not_faithful_says_so(built, monkeypatch):
    from spacy_knn_ner.datastore.index.fidelity import Fidelity
    from spacy_knn_ner.inference import retriever

    def unfaithful(index, probe):
        return Fidelity(0.5, 100)

    monkeypatch.setattr(retriever, "calibrate", unfaithful)
    knn = built.get_pipe("knn_ner")
    configure(knn, index="IVF2,Flat")
    with pytest.warns(KnnNerWarning, match="KNN-W004.*IVF2,Flat.*50.0%"):
        knn.make_index()


def test_a_build_whose_index_cannot_be_made_changes_nothing(built):
    knn = built.get_pipe("knn_ner")
    before = [view(doc) for doc in built.pipe(TEXTS)]
    configure(knn, index="IVF1024,Flat")
    with pytest.raises(KnnNerError, match="KNN-E071"):
        knn.build(annotated_docs(built)[:3], show_progress=False)
    configure(knn, index="exact")
    assert [view(doc) for doc in built.pipe(TEXTS)] == before


def test_a_span_knows_its_score(built):
    configure(built.get_pipe("knn_ner"), weight=1.0)
    doc = built(SENTENCES[0][0])
    scores = doc.spans["knn_ner"].attrs["scores"]
    assert [ent._.knn_score for ent in doc.ents] == pytest.approx(scores)
    assert doc[0:1]._.knn_score is None  # no entity
    other = SpanGroup(doc, name="sc", spans=[doc[2:3]], attrs={"scores": [0.5]})
    doc.spans["sc"] = other  # such as a spancat's
    assert doc[2:3]._.knn_score is None
    again = type(doc)(built.vocab).from_bytes(doc.to_bytes())
    assert [ent._.knn_score for ent in again.ents] == pytest.approx(scores)


def test_a_score_that_was_not_computed_is_none(built):
    knn = built.get_pipe("knn_ner")
    configure(knn, score_entities=False, mode="margin", margin=0.0, decoding="argmax")
    docs = [doc for doc in built.pipe(text for text, _ in SENTENCES) if doc.ents]
    assert docs
    assert {ent._.knn_score for doc in docs for ent in doc.ents} == {None}
