"""The contrastive loss, compared with the paper's sums written out."""

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from util import run_python

from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.ml.contrast import contrastive_loss, vote_loss

TAU = 0.1


def oracle(vectors, classes, reduction, include_outside=False):
    """Pair by pair, in float64."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    s = unit @ unit.T / TAU
    losses = {}
    for i, query in enumerate(classes):
        if query < 0 or (query == 0 and not include_outside):
            continue
        others = [n for n, c in enumerate(classes) if c >= 0 and c != query]
        negatives = sum(math.exp(s[i, n]) for n in others)
        for j, c in enumerate(classes):
            if j != i and c == query:
                positive = math.exp(s[i, j])
                loss = -math.log(positive / (positive + negatives))
                losses.setdefault(query, []).append(loss)
    every = [loss for of_class in losses.values() for loss in of_class]
    if reduction == "sum":
        return sum(every)
    if reduction == "mean":
        return sum(every) / max(1, len(every))
    return sum(sum(of_class) / len(of_class) for of_class in losses.values())


@pytest.mark.parametrize("include_outside", [False, True])
@pytest.mark.parametrize("reduction", ["sum", "class_mean", "mean"])
@settings(max_examples=40, deadline=None)
@given(
    classes=st.lists(st.integers(-1, 4), min_size=1, max_size=12),
    seed=st.integers(0, 1000),
    duplicated=st.booleans(),
)
def test_it_is_the_sum_over_pairs(
    reduction, include_outside, classes, seed, duplicated
):
    vectors = np.random.default_rng(seed).normal(size=(len(classes), 3))
    if duplicated:
        vectors[-1] = vectors[0]
    found = contrastive_loss(
        torch.tensor(vectors),
        torch.tensor(classes),
        temperature=TAU,
        reduction=reduction,
        include_outside=include_outside,
    )
    expected = oracle(vectors, classes, reduction, include_outside)
    assert float(found) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "class_mean", "mean"])
def test_its_gradient(reduction):
    vectors = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    classes = torch.tensor([1, 1, 2, 0, 0, 2, 3, 1, -1])

    def loss(vectors):
        return contrastive_loss(vectors, classes, temperature=TAU, reduction=reduction)

    assert torch.autograd.gradcheck(loss, vectors)


@pytest.mark.parametrize("classes", [[0, 0, 0], [1, 2, 0], [-1, -1, 1], [1]])
def test_without_pairs_there_is_no_loss_and_no_gradient(classes):
    vectors = torch.randn(len(classes), 4, requires_grad=True)
    loss = contrastive_loss(vectors, torch.tensor(classes))
    loss.backward()
    assert float(loss) == 0 and not vectors.grad.any()


@pytest.mark.parametrize("classes", [[1, 1, 1], [1, 1, 0]])
def test_gradients_are_finite_without_negatives_and_between_equal_vectors(classes):
    vectors = torch.ones(3, 4, requires_grad=True)
    loss = contrastive_loss(vectors, torch.tensor(classes), reduction="sum")
    loss.backward()
    assert loss.isfinite() and vectors.grad.isfinite().all()


def test_half_precision_is_computed_in_full():
    vectors = torch.randn(20, 8)
    classes = torch.arange(20) % 3
    full = contrastive_loss(vectors.half().float(), classes)
    assert float(contrastive_loss(vectors.half(), classes)) == pytest.approx(
        float(full), rel=1e-5
    )


def test_a_step_downhill_brings_classes_together():
    torch.manual_seed(0)
    vectors = torch.randn(30, 8, requires_grad=True)
    classes = torch.arange(30) % 3

    def cosines():
        unit = torch.nn.functional.normalize(vectors.detach())
        same = classes[:, None] == classes
        entities = (classes[:, None] > 0) & (classes > 0)
        s = unit @ unit.T
        return float(s[same & entities].mean() - s[~same].mean())

    before = cosines()
    optimizer = torch.optim.Adam([vectors], lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        contrastive_loss(vectors, classes).backward()
        optimizer.step()
    assert cosines() > before + 0.5


def test_an_unknown_reduction():
    with pytest.raises(KnnNerError, match=r"KNN-E087.*class_mean"):
        contrastive_loss(torch.ones(2, 2), torch.tensor([1, 1]), reduction="average")


@settings(max_examples=40, deadline=None)
@given(
    classes=st.lists(st.integers(0, 3), min_size=1, max_size=10),
    n_queries=st.integers(1, 10),
    seed=st.integers(0, 1000),
)
def test_votes_are_equation_3_without_the_token_itself(classes, n_queries, seed):
    n_queries = min(n_queries, len(classes))
    vectors = np.random.default_rng(seed).normal(size=(len(classes), 3))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = 1 - unit @ unit.T
    expected = []
    for i in range(n_queries):
        votes = np.exp(-distances[i] / TAU)
        votes[i] = 0
        for_class = votes[np.array(classes) == classes[i]].sum()
        if for_class:
            expected.append(-math.log(for_class / votes.sum()))
    found = vote_loss(
        torch.tensor(vectors), torch.tensor(classes), n_queries, temperature=TAU
    )
    mean = sum(expected) / max(1, len(expected))
    assert float(found) == pytest.approx(mean, rel=1e-6, abs=1e-6)


def test_the_gradient_of_votes():
    vectors = torch.randn(8, 4, dtype=torch.float64, requires_grad=True)
    classes = torch.tensor([1, 2, 0, 1, 0, 3, 2, 1])
    assert torch.autograd.gradcheck(lambda v: vote_loss(v, classes, 6), vectors)


MEMORY = r"""
import json, re, sys, torch
from spacy_knn_ner.ml.contrast import contrastive_loss
def peak():
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
n = int(sys.argv[1])
contrastive_loss(torch.randn(8, 8, requires_grad=True), torch.arange(8) % 2).backward()
vectors = torch.randn(n, 128, requires_grad=True)
before = peak()
contrastive_loss(vectors, torch.arange(n) % 4 + 1).backward()
print(json.dumps(peak() - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_memory_is_linear_in_pairs(tmp_path):
    """Every pair takes a few numbers; a list of negatives per pair would not."""
    per_pair = [run_python(MEMORY, tmp_path, 120, n) / n**2 for n in (512, 1024, 2048)]
    assert max(per_pair) < 100  # bytes
    assert per_pair[2] < 2 * per_pair[1]
