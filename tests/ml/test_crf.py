"""The CRF, compared with the sum over every sequence of tags."""

import itertools

import numpy as np
import pytest
import torch

from spacy_knn_ner.ml.crf import (
    INVALID,
    Chain,
    best_tags,
    log_partition,
    marginals,
    negative_log_likelihood,
)

N_TAGS = 3


def random_case(seed, lengths, invalid=0.3):
    """Emissions with padding, a mask, and transitions of which some are not valid."""
    rng = np.random.default_rng(seed)
    emissions = rng.normal(size=(len(lengths), max(lengths), N_TAGS)) * 2
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    start, step, end = (rng.normal(size=s) for s in (N_TAGS, (N_TAGS, N_TAGS), N_TAGS))
    forbidden = rng.random((N_TAGS, N_TAGS)) < invalid
    np.fill_diagonal(forbidden, False)
    step[forbidden] = INVALID
    if invalid:
        start[rng.integers(N_TAGS)] = INVALID
    chain = Chain(*(torch.tensor(a) for a in (start, step, end)))
    return torch.tensor(emissions), torch.tensor(mask), chain


def every_sequence(emissions, chain):
    """Each sequence of tags of one sentence → its score."""
    start, step, end = (t.numpy() for t in (chain.start, chain.step, chain.end))
    scores = {}
    for tags in itertools.product(range(N_TAGS), repeat=len(emissions)):
        score = start[tags[0]] + end[tags[-1]]
        score += sum(emissions[i, tag] for i, tag in enumerate(tags))
        score += sum(step[a, b] for a, b in itertools.pairwise(tags))
        scores[tags] = float(score)
    return scores


def log_sum(scores):
    return float(np.logaddexp.reduce(list(scores)))


@pytest.mark.parametrize("seed", range(8))
def test_partition_marginals_and_best_sequence(seed):
    lengths = [1, 6, 3, 2, 5, 4]
    emissions, mask, chain = random_case(seed, lengths)
    log_z = log_partition(emissions, mask, chain)
    p = marginals(emissions, mask, chain)
    best = best_tags(emissions, mask, chain)
    for row, length in enumerate(lengths):
        scores = every_sequence(emissions[row, :length].numpy(), chain)
        total = log_sum(scores.values())
        assert float(log_z[row]) == pytest.approx(total, abs=1e-9)
        expected = np.zeros((length, N_TAGS))
        for tags, score in scores.items():
            expected[np.arange(length), tags] += np.exp(score - total)
        np.testing.assert_allclose(p[row, :length], expected, atol=1e-9)
        np.testing.assert_allclose(p[row, :length].sum(1), 1.0, atol=1e-9)
        assert not p[row, length:].any()
        assert tuple(best[row, :length].tolist()) == max(scores, key=scores.get)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("missing", [False, True])
def test_loss_and_its_gradient(seed, missing):
    lengths = [4, 1, 6]
    emissions, mask, chain = random_case(seed, lengths, invalid=0.0)
    rng = np.random.default_rng(seed)
    tags = torch.tensor(rng.integers(-1 if missing else 0, N_TAGS, size=mask.shape))
    found = negative_log_likelihood(emissions, tags, mask, chain)
    for row, length in enumerate(lengths):
        scores = every_sequence(emissions[row, :length].numpy(), chain)
        gold = tags[row, :length].tolist()
        fits = [
            score
            for sequence, score in scores.items()
            if all(g in (-1, t) for g, t in zip(gold, sequence, strict=True))
        ]
        expected = log_sum(scores.values()) - log_sum(fits)
        assert float(found[row]) == pytest.approx(expected, abs=1e-9)

    def loss(emissions, start, step, end):
        chain = Chain(start, step, end)
        return negative_log_likelihood(emissions, tags, mask, chain)

    inputs = [emissions, chain.start, chain.step, chain.end]
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(loss, leaves)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite(dtype):
    emissions, mask, chain = random_case(0, [40, 7])
    emissions = (emissions * 1000).to(dtype)  # sums overflow float16
    tags = torch.zeros(mask.shape, dtype=torch.int64)
    chain = Chain(chain.start.float(), chain.step.float(), chain.end.float())
    assert negative_log_likelihood(emissions, tags, mask, chain).isfinite().all()
    p = marginals(emissions, mask, chain)
    assert p.isfinite().all()
    torch.testing.assert_close(p.sum(2), mask.float())
