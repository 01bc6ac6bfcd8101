"""What is added applies at once, what is forgotten is gone."""

import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
import spacy
from datastores import full_disk
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from spacy.tokens import Span
from spacy.training import Example
from util import (
    SENTENCES,
    TEXTS,
    annotated,
    annotated_docs,
    configure,
    neighbors,
    planted_pipeline,
    run_python,
    view,
)

from spacy_knn_ner.datastore.datastore import PARTS
from spacy_knn_ner.datastore.disk.persistence import only_writer
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.locking import Lock
from spacy_knn_ner.reading.encoder import KeyEncoder

TEXT, ENTITIES = SENTENCES[0]


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def partly(nlp, text, start, end, label):
    """One span is annotated; the rest is missing."""
    doc = nlp.make_doc(text)
    spans = [Span(doc, start, end, label=label)] if label else []
    outside = [] if label else [doc[start:end]]
    doc.set_ents(spans, outside=outside, default="missing")
    return doc


# --- adding --------------------------------------------------------------------


def test_examples_can_be_added_as_well_as_docs(built):
    knn = built.get_pipe("knn_ner")
    doc = annotated_docs(built)[0]
    ids = knn.add([Example(built.make_doc(doc.text), doc)])
    assert knn.datastore.example(ids[0]).annotated.entities == ENTITIES


def test_the_same_example_is_added_once_by_default(built):
    knn = built.get_pipe("knn_ner")
    first = knn.add(annotated_docs(built)[:2])
    assert knn.add(annotated_docs(built)[:2]) == first
    size = len(knn.datastore.corrections)
    again = knn.add(annotated_docs(built)[:1], allow_duplicates=True)
    assert again[0] not in first
    assert len(knn.datastore.corrections) > size


def test_within_one_call_too(built):
    doc = annotated_docs(built)[0]
    ids = built.get_pipe("knn_ner").add([doc, doc])
    assert ids[0] == ids[1]


def test_a_later_correction_is_right_about_what_it_says(built):
    """And the earlier one about the rest."""
    knn = built.get_pipe("knn_ner")
    first = knn.add([partly(built, TEXT, 0, 2, "writer")])
    knn.add([partly(built, TEXT, 4, 5, "city")])  # no contradiction: both hold
    assert len(knn.datastore.examples.ids("corrections")) == 2
    new = knn.add([annotated(built.vocab, TEXT, [(0, 2, "scientist")], "missing")])
    assert first[0] not in knn.datastore.examples.ids()
    assert {(0, 2, "scientist"), (4, 5, "city")} <= set(entities(built(TEXT)))
    last = knn.add([annotated(built.vocab, TEXT, [(1, 2, "name")])])
    found = knn.datastore.examples.ids("corrections")
    assert found == last and last != new
    assert entities(built(TEXT)) == [(1, 2, "name")]


def test_what_an_earlier_correction_said_in_part_is_unknown_again(built):
    """ "Ada Lovelace" was an entity, "Lovelace" is none: so what is "Ada"?"""
    knn = built.get_pipe("knn_ner")
    knn.add([partly(built, TEXT, 0, 2, "writer")])
    ids = knn.add([partly(built, TEXT, 1, 2, None)])
    text = knn.datastore.example(ids[0]).annotated
    assert text.entities == [] and text.missing == [0, 2, 3, 4]


def test_an_older_correction_is_no_witness_against_a_newer_one(built):
    """And what is left of it keeps its id and its source."""
    knn = built.get_pipe("knn_ner")
    both = [(0, 1, "one"), (2, 3, "two")]
    (ada,) = knn.add([annotated(built.vocab, TEXT, both, "missing")], source="ada")
    (bob,) = knn.add([partly(built, TEXT, 2, 3, "three")], source="bob")
    (eve,) = knn.add([partly(built, TEXT, 0, 1, "four")], source="eve")
    found = knn.datastore.examples.ids("corrections")
    assert found == [bob, eve] and ada not in found
    more = [*both, (4, 5, "five")]
    (ada,) = knn.add([annotated(built.vocab, TEXT, more, "missing")], source="ada")
    assert knn.datastore.examples.ids("corrections") == [ada]
    (bob,) = knn.add([partly(built, TEXT, 2, 3, "three")], source="bob")
    left = knn.datastore.example(ada)
    assert left.annotated.entities == [(0, 1, "one"), (4, 5, "five")]
    assert (left.annotated.missing, left.source) == ([1, 2, 3], "ada")
    assert {(0, 1, "one"), (2, 3, "three"), (4, 5, "five")} <= set(
        entities(built(TEXT))
    )
    assert knn.forget(source="ada") == 2


def test_the_ids_of_a_call_are_those_that_are_there(built):
    knn = built.get_pipe("knn_ner")
    docs = [partly(built, TEXT, 0, 2, label) for label in ("writer", "scientist")]
    ids = knn.add(docs)
    assert set(ids) == set(knn.datastore.examples.ids("corrections"))


# --- forgetting ------------------------------------------------------------------


def test_forgetting_restores_what_was_found_bit_for_bit(built):
    knn = built.get_pipe("knn_ner")
    before = [view(doc) for doc in built.pipe(TEXTS)]
    ids = knn.add([annotated(built.vocab, text, [(0, 1, "new")]) for text in TEXTS[:2]])
    assert [view(doc) for doc in built.pipe(TEXTS)] != before
    knn.forget(ids)
    assert [view(doc) for doc in built.pipe(TEXTS)] == before


def test_labels_go_with_the_last_example_that_has_them(built):
    """Otherwise sums over tags would differ in the last bit."""
    knn = built.get_pipe("knn_ner")
    before = knn.labels
    one, two, three = (
        partly(built, text, 0, 2, label)
        for text, label in zip(
            TEXTS[:2] + TEXTS[3:4], ("one", "two", "one"), strict=True
        )
    )
    first = knn.add([one])
    second = knn.add([two, three])
    assert knn.labels == (*before, "one", "two")
    knn.forget(second[:1])
    assert knn.labels == (*before, "one")
    knn.forget(first)
    assert knn.labels == (*before, "one")
    knn.forget(second[1:])
    assert knn.labels == before
    knn.add([two])
    assert knn.labels == (*before, "two")
    assert entities(built(TEXTS[1]))[0] == (0, 2, "two")
    knn.relabel("two", "three")  # also among what was forgotten
    assert entities(built(TEXTS[1]))[0] == (0, 2, "three")


def test_forgetting_by_source_and_by_text(built):
    knn = built.get_pipe("knn_ner")
    docs = annotated_docs(built)
    knn.add(docs[:2], source="ada@example.org")
    knn.add(docs[2:4], source="import")
    store = len(knn.datastore.examples.ids("store"))
    assert knn.forget(source="import") > 0
    assert knn.forget(source="import") == 0
    assert len(knn.datastore.examples.ids("corrections")) == 2
    knn.forget(source="ada@example.org", text="Lovelace")  # both must hold
    assert len(knn.datastore.examples.ids("corrections")) == 1
    assert len(knn.datastore.examples.ids("store")) == store
    knn.forget(text="Turing")
    assert not knn.datastore.examples.ids("corrections")
    assert len(knn.datastore.examples.ids("store")) == store - 1


def test_nothing_is_forgotten_by_accident(built):
    knn = built.get_pipe("knn_ner")
    ids = knn.add(annotated_docs(built)[:2], source="me")
    with pytest.raises(KnnNerError, match="KNN-E075"):
        knn.forget()
    with pytest.raises(KnnNerError, match="KNN-E037"):
        knn.forget([ids[0], 10**6])
    assert knn.forget([], source="me") == 0
    for empty in ({"text": ""}, {"source": ""}):  # it would be in every text
        with pytest.raises(KnnNerError, match="KNN-E075"):
            knn.forget(**empty)
    assert knn.forget(text="ada lovelace") == 0  # letter by letter
    assert knn.datastore.examples.ids("corrections") == ids


@pytest.mark.parametrize("tier", ["store", "corrections"])
@pytest.mark.parametrize("index", ["exact", "flat", "HNSW16"])
def test_deleted_means_gone(built, tier, index, tmp_path):
    """From search, evidence and disk, and a rebuild does not bring it back."""
    knn = built.get_pipe("knn_ner")
    configure(knn, index=index, k=100)
    secret = annotated(built.vocab, "Eve Moneypenny told nobody", [(0, 2, "person")])
    if tier == "store":
        docs = [*annotated_docs(built), secret]
        ids = knn.build(docs, show_progress=False)[-1:]
    else:
        ids = knn.add([secret])
    built(TEXT)
    built.to_disk(tmp_path / "before")
    assert any(b"Moneypenny" in p.read_bytes() for p in files(tmp_path))
    knn.forget(ids)
    shutil.rmtree(tmp_path / "before")
    for nlp in (built, saved(built, tmp_path / "after")):
        again = nlp.get_pipe("knn_ner")
        doc = nlp("Eve Moneypenny told nobody")
        found = [e for i in range(len(doc)) for e in neighbors(again, doc, i, n=100)]
        assert found
        assert not any("Moneypenny" in neighbor.words for neighbor in found)
        again.rebuild(show_progress=False)
        assert not again.datastore.examples.ids(contains="Moneypenny")
    # As a word of a text: the vocabulary of a pipeline knows many words.
    datastore = tmp_path / "after" / "knn_ner"
    assert not any(b"Moneypenny" in path.read_bytes() for path in files(datastore))


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def saved(nlp, path):
    nlp.to_disk(path)
    return spacy.load(path)


# --- labels, tiers, encoders -------------------------------------------------------


def test_a_label_is_renamed_everywhere(built, tmp_path):
    knn = built.get_pipe("knn_ner")
    knn.add([annotated(built.vocab, "Ada wrote", [(0, 1, "location")])])
    before = [entities(doc) for doc in built.pipe(TEXTS)]
    assert knn.relabel("location", "place") == 5
    configure(knn, weight=1.0)  # the tagger goes on to say "location"
    found = [ents for _, ents in SENTENCES]
    for nlp in (built, saved(built, tmp_path)):
        assert nlp.get_pipe("knn_ner").labels == ("person", "place")
        for (text, _), ents in zip(SENTENCES[1:], found[1:], strict=True):
            renamed = [(s, e, x.replace("location", "place")) for s, e, x in ents]
            assert entities(nlp(text)) == renamed
    assert before is not None


def test_two_labels_become_one(built):
    knn = built.get_pipe("knn_ner")
    knn.relabel("location", "person")
    assert knn.labels == ("person",)
    configure(knn, weight=1.0, k=1)
    assert entities(built(TEXT)) == [(0, 2, "person"), (4, 5, "person")]


def test_a_label_that_is_not_there_cannot_be_renamed(built):
    knn = built.get_pipe("knn_ner")
    for pair in (("animal", "person"), ("person", "")):
        with pytest.raises(KnnNerError, match="KNN-E074"):
            knn.relabel(*pair)
    assert knn.labels == ("person", "location")


def test_corrections_can_become_part_of_the_store(built):
    knn = built.get_pipe("knn_ner")
    ids = knn.add([annotated(built.vocab, "Eve left Rome", [(2, 3, "city")])])
    size = len(knn.datastore.store)
    assert knn.consolidate() == 1
    assert len(knn.datastore.store) == size + 3
    assert len(knn.datastore.corrections) == 0
    assert knn.datastore.example(ids[0]).part == "store"
    configure(knn, weight=1.0, k=1)
    assert entities(built("Eve left Rome")) == [(2, 3, "city")]
    assert knn.consolidate() == 0
    assert knn.forget(ids) == 3


def test_after_the_encoder_has_changed_it_is_rebuilt(built):
    knn = built.get_pipe("knn_ner")
    ids = knn.add([annotated(built.vocab, "Eve left Rome", [(2, 3, "city")])])
    tok2vec = built.get_pipe("tok2vec").model
    for node in tok2vec.walk():
        if node.has_param("W"):
            node.set_param("W", -node.get_param("W"))
    with pytest.raises(KnnNerError, match="KNN-E044"):
        built(TEXT)
    assert knn.rebuild(show_progress=False) == 7
    assert knn.datastore.example(ids[0]).part == "corrections"
    assert entities(built("Eve left Rome")) == [(2, 3, "city")]


def test_a_rebuild_loses_nothing_that_happens_meanwhile(built, monkeypatch, tmp_path):
    knn = built.get_pipe("knn_ner")
    knn.add([annotated(built.vocab, "Eve left Rome", [(2, 3, "city")])])
    keys_of = KeyEncoder.keys

    def meanwhile(change):
        def keys(self, texts, scheme):
            monkeypatch.setattr(KeyEncoder, "keys", keys_of)
            change()
            return keys_of(self, texts, scheme)

        monkeypatch.setattr(KeyEncoder, "keys", keys)

    meanwhile(lambda: knn.relabel("city", "town"))
    with pytest.raises(KnnNerError, match="KNN-E052"):
        knn.rebuild(show_progress=False)
    assert "town" in knn.labels
    meanwhile(lambda: knn.to_disk(tmp_path))
    knn.rebuild(show_progress=False)
    knn.to_disk(tmp_path)  # no other process has saved


# --- saving ----------------------------------------------------------------------


def test_who_saves_over_somebody_elses_changes_is_told(built, tmp_path):
    mine, yours = saved(built, tmp_path), spacy.load(tmp_path)
    yours.get_pipe("knn_ner").add(annotated_docs(built)[:1])
    yours.to_disk(tmp_path)
    mine.get_pipe("knn_ner").add(annotated_docs(built)[1:2])
    with pytest.raises(KnnNerError, match="KNN-E076"):
        mine.to_disk(tmp_path)
    assert len(spacy.load(tmp_path).get_pipe("knn_ner").datastore.examples) == 7
    mine.to_disk(tmp_path / "elsewhere")
    with pytest.raises(KnnNerError, match="KNN-E076"):
        mine.to_disk(tmp_path)  # a copy elsewhere changes nothing about that
    yours.get_pipe("knn_ner").add(annotated_docs(built)[2:3])
    yours.to_disk(tmp_path)  # one's own changes are no surprise


def test_only_one_saves_at_a_time(built, tmp_path):
    script = """
import sys, json
from pathlib import Path
import spacy
from spacy_knn_ner.errors import KnnNerError
nlp = spacy.load(sys.argv[1])
try:
    nlp.get_pipe("knn_ner").to_disk(Path(sys.argv[1]) / "knn_ner")
    print(json.dumps("saved"))
except KnnNerError as error:
    print(json.dumps(error.code))
"""
    built.to_disk(tmp_path / "model")
    datastore = tmp_path / "model" / "knn_ner" / "datastore"
    with only_writer(datastore), only_writer(datastore):
        assert run_python(script, tmp_path, 60, tmp_path / "model") == "KNN-E077"
        assert len(spacy.load(tmp_path / "model").get_pipe("knn_ner").datastore)
    assert run_python(script, tmp_path, 60, tmp_path / "model") == "saved"


# --- several threads ---------------------------------------------------------------


def test_reading_while_somebody_adds(built):
    """A reader finds a correction as a whole or not at all."""
    knn = built.get_pipe("knn_ner")
    text, without = "Eve left Rome", entities(built("Eve left Rome"))
    found, errors, done = set(), [], threading.Event()

    def read():
        try:
            while not done.is_set():
                found.update(tuple(entities(doc)) for doc in built.pipe([text] * 3))
        except BaseException as error:
            errors.append(error)
            raise

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(30):
        labels = [(0, 1, f"who{i}"), (2, 3, f"where{i}")]
        ids = knn.add([annotated(built.vocab, text, labels)])
        if i == 15:
            knn.rebuild(show_progress=False)
        knn.forget(ids)
        if i == 20:
            knn.consolidate()
    done.set()
    for reader in readers:
        reader.join()
    assert not errors
    expected = {((0, 1, f"who{i}"), (2, 3, f"where{i}")) for i in range(30)}
    assert found <= expected | {tuple(without)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_does_not_wait_for_a_thread_that_stayed_behind():
    lock, held, done = Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        with lock:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join()
    assert status == 0


# --- any sequence of changes ---------------------------------------------------------

WORDS = ["a", "b", "c", "d", "e"]
LABELS = ["x", "y", "z"]
RNG = np.random.default_rng(0)
VECTORS = dict(zip(WORDS, RNG.normal(size=(5, 6)), strict=True))


@st.composite
def annotations(draw):
    """Words, and for each token the span it is in, O, or None where it is missing."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
    spans, missing, i = [], [], 0
    while i < len(words):
        kind = draw(st.sampled_from(["O", "missing", "span"]))
        end = i + 1
        if kind == "span":
            end = draw(st.integers(i + 1, len(words)))
            spans.append((i, end, draw(st.sampled_from(LABELS))))
        elif kind == "missing":
            missing.append(i)
        i = end
    assume(len(missing) < len(words))  # who says nothing at all is warned
    return tuple(words), tuple(spans), tuple(missing)


def said(words, spans, missing):
    """What an example says, token by token: a tag, or None."""
    tags = ["O"] * len(words)
    for start, end, label in spans:
        names = ["U"] if end - start == 1 else ["B", *"I" * (end - start - 2), "L"]
        tags[start:end] = [f"{name}-{label}" for name in names]
    return [None if i in missing else tag for i, tag in enumerate(tags)]


def test_an_id_given_twice_is_forgotten_once():
    p = dict.fromkeys(WORDS, np.array([1.0, 0, 0, 0, 0]))
    knn = planted_pipeline(VECTORS, p, scheme="BILUO").get_pipe("knn_ner")
    first = knn.teach("a", {"a": "x"})
    second = knn.teach("a", {"a": None})
    assert knn.datastore.examples.ids() == second.ids
    knn.forget([*second.ids, *second.ids])
    assert knn.datastore.examples.ids() == first.ids  # what it had replaced


def without(words, spans, missing, now):
    """What is left of an annotation beside a later one: spans, and what is missing."""
    then = said(words, spans, missing)
    pairs = enumerate(zip(now, then, strict=True))
    wrong = {j for j, (a, b) in pairs if a and b and a != b}
    kept = tuple(s for s in spans if wrong.isdisjoint(range(s[0], s[1])))
    for start, end, _ in set(spans) - set(kept):
        wrong |= set(range(start, end))
    return kept, tuple(sorted({*missing, *wrong}))


class Machine(RuleBasedStateMachine):
    """The memory beside a dict: id → (tier, source, words, spans, missing)."""

    @initialize()
    def start(self):
        p = dict.fromkeys(WORDS, np.array([1.0, 0, 0, 0, 0]))
        everything = {"k": 1000, "other_words_radius": 3.0}
        self.nlp = planted_pipeline(VECTORS, p, scheme="BILUO", **everything)
        self.knn = self.nlp.get_pipe("knn_ner")
        self.model, self.last = {}, 0
        self.history = {}  # by words: what contradicted each other, as it was added
        self.folder = Path(tempfile.mkdtemp())

    def teardown(self):
        shutil.rmtree(self.folder)

    def doc(self, words, spans, missing):
        doc = spacy.tokens.Doc(self.nlp.vocab, words=words)
        ents = [Span(doc, s, e, label=label) for s, e, label in spans]
        outside = [
            doc[i : i + 1]
            for i, t in enumerate(said(words, spans, missing))
            if t == "O"
        ]
        doc.set_ents(ents, outside=outside, default="missing")
        return doc

    def new(self, tier, source, annotation):
        self.last += 1
        self.model[self.last] = (tier, source, *annotation)
        return self.last

    @rule(annotation=annotations(), source=st.sampled_from(["p", "q"]))
    def add(self, annotation, source):
        words, spans, missing = annotation
        there = {
            i: ex
            for i, ex in self.model.items()
            if ex[0] == "corrections" and ex[2] == words
        }
        now, same, revised = said(words, spans, missing), [], {}
        for i, (tier, old_source, _, old_spans, old_missing) in sorted(there.items()):
            if said(words, old_spans, old_missing) == now:
                same.append(i)
            left = without(words, old_spans, old_missing, now)
            if left != (old_spans, old_missing):
                revised[i] = self.model.pop(i)
            if len(left[1]) < len(words):
                self.model[i] = (tier, old_source, words, *left)
        found = self.knn.add([self.doc(*annotation)], source=source)
        if same:
            assert found == same[:1]
        else:
            assert found == [self.new("corrections", source, (words, spans, missing))]
        if revised:
            revised[found[0]] = self.model[found[0]]
            self.history.setdefault(words, {})
            self.history[words] = {**revised, **self.history[words]}
            self.history[words] = dict(sorted(self.history[words].items()))

    @rule(annotation=annotations())
    def add_again(self, annotation):
        found = self.knn.add([self.doc(*annotation)], allow_duplicates=True)
        assert found == [self.new("corrections", None, annotation)]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def forget_ids(self, data):
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.model)), max_size=3))
        self.knn.forget(chosen)
        self.forgotten(set(chosen))

    def forgotten(self, ids):
        """What they had replaced comes back."""
        for i in ids:
            self.model.pop(i, None)
        for words, recorded in list(self.history.items()):
            if ids.isdisjoint(recorded):
                continue
            others = [(i, ex) for i, ex in recorded.items() if i not in ids]
            for n, (i, (tier, source, _, *left)) in enumerate(others):
                for _, (*_, spans, missing) in others[n + 1 :]:
                    left = without(words, *left, said(words, spans, missing))
                self.model.pop(i, None)
                if len(left[1]) < len(words):
                    self.model[i] = (tier, source, words, *left)
            self.history[words] = dict(others)
            if len(others) < 2:
                del self.history[words]

    @rule(source=st.sampled_from(["p", "q"]), part=st.sampled_from(["a", "b c", None]))
    def forget_some(self, source, part):
        self.knn.forget(source=source, text=part)
        recorded = [pair for group in self.history.values() for pair in group.items()]
        self.forgotten(
            {
                i
                for i, ex in [*self.model.items(), *recorded]
                if ex[1] == source and (part is None or part in " ".join(ex[2]))
            }
        )

    @precondition(lambda self: self.knn.labels)
    @rule(data=st.data(), new=st.sampled_from(LABELS))
    def relabel(self, data, new):
        old = data.draw(st.sampled_from(self.knn.labels))
        self.knn.relabel(old, new)
        self.history = {}
        for i, (tier, source, words, spans, missing) in self.model.items():
            spans = tuple((s, e, new if x == old else x) for s, e, x in spans)
            self.model[i] = (tier, source, words, spans, missing)

    @rule()
    def consolidate(self):
        self.knn.consolidate()
        self.history = {}
        self.model = {i: ("store", *ex[1:]) for i, ex in self.model.items()}

    @rule()
    def rebuild(self):
        self.knn.rebuild(show_progress=False)
        self.history = {}

    @rule(how=st.sampled_from(["disk", "bytes"]))
    def save_and_load(self, how):
        if how == "disk":
            self.knn.to_disk(self.folder)
            self.knn.from_disk(self.folder)
        else:
            self.knn.from_bytes(self.knn.to_bytes())
        self.history = {}

    @rule(
        annotation=annotations(),
        change=st.sampled_from(["add", "forget", "relabel", "consolidate"]),
    )
    def fail(self, annotation, change):
        """A change on a full disk: nothing happens, as the invariants see."""
        doc, labels, examples = self.doc(*annotation), self.knn.labels, [*self.model]
        assume(examples and labels)
        changes = {
            "add": lambda: self.knn.add([doc], allow_duplicates=True),
            "forget": lambda: self.knn.forget(examples[:2]),
            "relabel": lambda: self.knn.relabel(labels[0], "other"),
            "consolidate": self.knn.consolidate,
        }
        history = self.knn.memory.history
        with full_disk(self.knn.datastore), pytest.raises(KnnNerError, match="is full"):
            changes[change]()
        assert self.knn.memory.history is history

    @invariant()
    def the_examples_are_those_of_the_model(self):
        found = {
            e.example_id: (
                e.part,
                e.source,
                tuple(e.annotated.words),
                tuple(map(tuple, e.annotated.entities)),
                tuple(e.annotated.missing),
            )
            for e in self.knn.datastore.examples
        }
        assert found == self.model

    def at(self, tier, word):
        """Which entries of a tier lie where a word does."""
        datastore = self.knn.datastore
        if not len(datastore.tables[tier]):
            return
        table = datastore.tables[tier]
        query = np.float32(VECTORS[word])[None]
        near = table.search(query, 10_000, metric="cosine")
        rows = near.rows[0][near.distances[0] < 1e-9]
        columns = table.entries.take(rows), table.tags.take(rows)
        for entry, tag_id in zip(*columns, strict=True):
            tag = datastore.tag_set.tags[tag_id]
            yield tier, int(entry["example_id"]), int(entry["token"]), tag

    @invariant()
    def what_is_found_is_what_the_model_says(self):
        """Every entry, by exhaustive search around each word."""
        doc = self.nlp.make_doc(" ".join(WORDS))
        self.nlp.get_pipe("planted")(doc)
        for i, word in enumerate(WORDS):
            found = [hit for tier in PARTS for hit in self.at(tier, word)]
            shown = [
                (e.part, e.example_id, e.token, e.tag)
                for e in neighbors(self.knn, doc, i, n=10_000)
                if e.words[e.token] == word and e.distance < 1e-9
            ]
            assert {*shown} <= {*found}
            expected = [
                (tier, number, j, tag)
                for number, (tier, _, words, spans, missing) in self.model.items()
                for j, tag in enumerate(said(words, spans, missing))
                if tag is not None and words[j] == word
            ]
            assert sorted(found) == sorted(expected)


Machine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None
)
test_any_sequence_of_changes = Machine.TestCase
