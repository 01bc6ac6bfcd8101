"""Spans ⇄ tags: both schemes, valid sequences, decoding."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.inference.decoding import (
    decode,
    invalid_sequences,
    transitions,
    viterbi,
)
from spacy_knn_ner.tags import MISSING, TagSet, tags_to_spans

SCHEMES = ["BILUO", "BIO"]
LABELS = ("person", "creative-work")


def is_valid(ids, tag_set):
    """Every tag may follow the one before it."""
    return not len(invalid_sequences(ids, tag_set, [len(ids)]))


@st.composite
def spans_of(draw, length=12):
    """Entities that do not overlap."""
    spans, start = [], 0
    while start < length:
        start += draw(st.integers(0, 3))
        end = start + draw(st.integers(1, 4))
        if end > length:
            break
        spans.append((start, end, draw(st.sampled_from(LABELS))))
        start = end
    return spans


@pytest.mark.parametrize("scheme", SCHEMES)
@given(spans=spans_of())
def test_spans_survive_encoding(scheme, spans):
    tag_set = TagSet(scheme, LABELS)
    ids = tag_set.encode(12, spans)
    assert tag_set.spans(ids) == spans
    assert is_valid(ids, tag_set)


def test_tags_of_each_scheme():
    spans = [(0, 1, "a"), (1, 4, "a")]
    biluo, bio = TagSet("BILUO", ("a",)), TagSet("BIO", ("a",))
    assert [biluo.tags[i] for i in biluo.encode(5, spans)] == [
        *["U-a", "B-a", "I-a", "L-a", "O"]
    ]
    assert [bio.tags[i] for i in bio.encode(5, spans)] == [
        *["B-a", "B-a", "I-a", "I-a", "O"]
    ]


def test_a_new_label_keeps_all_ids():
    small, large = TagSet("BILUO", ("a",)), TagSet("BILUO", ("a",)).union(["b", "a"])
    assert large.tags[: len(small)] == small.tags
    assert large.labels == ("a", "b")


def test_unannotated_tokens_are_not_outside():
    ids = TagSet("BIO", ("a",)).encode(3, [(0, 1, "a")], missing=[2])
    assert ids.tolist() == [1, 0, MISSING]


@pytest.mark.parametrize(
    ("spans", "code"),
    [
        ([(0, 2, "a"), (1, 3, "a")], "KNN-E002"),
        ([(2, 5, "a")], "KNN-E003"),
        ([(-1, 1, "a")], "KNN-E003"),
        ([(1, 1, "a")], "KNN-E003"),
    ],
)
def test_impossible_spans_are_refused(spans, code):
    with pytest.raises(KnnNerError) as caught:
        TagSet("BIO", ("a",)).encode(4, spans)
    assert caught.value.code == code


def test_unknown_scheme_is_refused():
    with pytest.raises(KnnNerError, match="KNN-E001"):
        TagSet("BIOX")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_valid_sequences_are_those_that_encode_some_spans(scheme):
    tag_set = TagSet(scheme, ("a", "b"))
    for length in (1, 2, 3):
        for ids in itertools.product(range(len(tag_set)), repeat=length):
            again = tag_set.encode(length, tag_set.spans(ids))
            assert is_valid(np.array(ids), tag_set) == (again.tolist() == list(ids))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_viterbi_finds_the_best_valid_sequences(scheme, seed, lengths):
    tag_set = TagSet(scheme, ("a",))
    rng = np.random.default_rng(seed)
    every = [rng.dirichlet(np.full(len(tag_set), 0.3), size=n) for n in lengths]
    for p, found in zip(every, viterbi(every, transitions(tag_set)), strict=True):
        valid = [
            ids
            for ids in itertools.product(range(len(tag_set)), repeat=len(p))
            if is_valid(np.array(ids), tag_set)
        ]

        def product(ids, p=p):
            return np.log(np.maximum(p[np.arange(len(p)), list(ids)], 1e-30)).sum()

        assert is_valid(found, tag_set)
        assert product(found) == pytest.approx(max(map(product, valid)))
        assert product(decode(p, tag_set)) == pytest.approx(product(found))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(0, 6))
def test_argmax_is_repaired_into_a_valid_sequence(scheme, seed, length):
    tag_set = TagSet(scheme, ("a", "b"))
    p = np.random.default_rng(seed).dirichlet(np.ones(len(tag_set)), size=length)
    ids = decode(p, tag_set, "argmax")
    assert is_valid(ids, tag_set)
    assert tag_set.spans(ids) == tag_set.spans(p.argmax(axis=1))


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-a I-a O", [(0, 2, "a")]),  # IOB1
        ("I-a B-a", [(0, 1, "a"), (1, 2, "a")]),
        ("B-a I-b", [(0, 1, "a"), (1, 2, "b")]),
        ("B-a E-a S-a", [(0, 2, "a"), (2, 3, "a")]),  # BIOES, BMES
        ("B-a M-a E-a", [(0, 3, "a")]),
        ("L-a L-a", [(0, 1, "a"), (1, 2, "a")]),
        ("B-a", [(0, 1, "a")]),
        ("", []),
    ],
)
def test_broken_sequences_are_read_as_conlleval_reads_them(tags, spans):
    assert tags_to_spans(tags.split()) == spans
