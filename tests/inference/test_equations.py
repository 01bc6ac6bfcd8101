"""The paper's equations: p_final against an oracle written straight from them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from util import annotated, planted_pipeline

from spacy_knn_ner.datastore.all_votes import AllVotes
from spacy_knn_ner.datastore.distribution import knn_distribution
from spacy_knn_ner.inference.interpolation import interpolate

WIDTH = 6
TAGS = ("O", "B-thing", "I-thing")
TEMPERATURE, WEIGHT = 0.3, 0.4
CORRECTION_WEIGHT, CORRECTION_TEMPERATURE, RADIUS = 0.9, 0.2, 5.0


# --- the oracle: equation 3, equation 4, and the corrections, token by token ---


def distance(x, y, metric):
    x, y = np.float64(x), np.float64(y)
    if metric == "cosine":
        return 1 - (x * y).sum() / (np.sqrt((x * x).sum()) * np.sqrt((y * y).sum()))
    squared = ((x - y) ** 2).sum()
    return squared if metric == "sqeuclidean" else np.sqrt(squared)


def equation_3(query, keys, tags, k, metric, temperature):
    """p_kNN(y) ∝ Σ 1[tag = y] · exp(−d/T), and the distance of the nearest."""
    distances = np.array([distance(query, key, metric) for key in keys])
    order = np.argsort(distances, kind="stable")[:k]
    logits = -distances[order] / temperature
    votes = np.exp(logits - logits.max())
    p = np.array([votes[tags[order] == tag].sum() for tag in range(len(TAGS))])
    return p / votes.sum(), distances[order[0]]


def oracle(query, p_base, store, corrections, k, metric, temperature):
    """Equation 4 (weight is 1 − λ), then p' = (1 − w_c) · p + w_c · p_kNN, of those
    corrections that are nearer than the store."""
    p_knn, least = equation_3(query, *store, k, metric, temperature)
    p = (1 - WEIGHT) * p_base + WEIGHT * p_knn
    if corrections is None:
        return p
    keys, tags = corrections
    distances = np.array([distance(query, key, metric) for key in keys])
    near = (distances < RADIUS) & (distances < least - 1e-9)
    if not near.any():
        return p
    temperature = CORRECTION_TEMPERATURE * RADIUS
    p_knn, nearest = equation_3(query, keys[near], tags[near], k, metric, temperature)
    w = CORRECTION_WEIGHT * (1 - nearest / RADIUS)
    return (1 - w) * p + w * p_knn


# --- cases -------------------------------------------------------------------


def random_keys(rng, n):
    return rng.normal(size=(n, WIDTH)).astype("float32")


def plain(rng):
    return random_keys(rng, 200), 1.0


def duplicates(rng):
    """Every key five times, with different tags: ties at every rank."""
    return np.tile(random_keys(rng, 40), (5, 1)), 1.0


def ties(rng):
    """Corners of a cube: few distances, each many times."""
    return rng.choice([-1.0, 1.0], size=(200, WIDTH)).astype("float32"), 1.0


def underflow(rng):
    """exp(−d/T) of every entry is 0 in float64."""
    return random_keys(rng, 200) + 100, 1e-6


def self_query(rng):
    """Queries are found among the keys: distances of 0."""
    return plain(rng)


CASES = [plain, duplicates, ties, underflow, self_query]


def arrange(case, metric, k, with_corrections, dtype="float32"):
    """A pipeline with planted vectors, and what the oracle needs."""
    rng = np.random.default_rng(7)
    keys, scale = case(rng)
    tags = rng.integers(0, 3, size=len(keys))
    tags[0] = 0
    for i in range(1, len(tags)):
        if tags[i] == 2 and tags[i - 1] == 0:
            tags[i] = 1  # an I needs a B or I before it, so that Docs can say it
    queries = random_keys(rng, 20)
    if case is self_query:
        queries = keys[:20].copy()
    if case is ties:
        queries = rng.choice([-1.0, 1.0], size=(20, WIDTH)).astype("float32")
    p_base = rng.dirichlet(np.ones(3), size=20)
    extra = random_keys(rng, 12)
    extra[:3] = queries[:3]
    extra_tags = np.array([1, 2, 0] * 4)

    words = {f"k{i}": key for i, key in enumerate(keys)}
    words |= {f"c{i}": key for i, key in enumerate(extra)}
    words |= {f"q{i}": key for i, key in enumerate(queries)}
    ps = {word: np.full(3, 1 / 3) for word in words}
    ps |= {f"q{i}": p for i, p in enumerate(p_base)}
    nlp = planted_pipeline(
        words,
        ps,
        k=k,
        temperature=TEMPERATURE * scale,
        weight=WEIGHT,
        metric=metric,
        mode="all",
        correction_weight=CORRECTION_WEIGHT,
        correction_temperature=CORRECTION_TEMPERATURE,
        other_words_radius=RADIUS,
        keys={"dtype": dtype},
    )
    knn = nlp.get_pipe("knn_ner")
    knn.build([tagged(nlp, "k", tags)], show_progress=False)
    corrections = None
    if with_corrections:
        knn.add([tagged(nlp, "c", extra_tags)])
        corrections = (extra, extra_tags)
    doc = nlp(Doc(nlp.vocab, words=[f"q{i}" for i in range(20)]))
    (found,) = knn.predict([doc])
    assert found.tag_set.tags == TAGS

    def expected(rounded=False):
        store = (keys.astype(dtype) if rounded else keys, tags)
        added = corrections
        if rounded and corrections is not None:
            added = (extra.astype(dtype), extra_tags)
        return np.array(
            [
                oracle(x, p, store, added, k, metric, TEMPERATURE * scale)
                for x, p in zip(queries, p_base, strict=True)
            ]
        )

    return found.p, expected


def tagged(nlp, prefix, tags):
    doc = Doc(nlp.vocab, words=[f"{prefix}{i}" for i in range(len(tags))])
    spans = []
    for i, tag in enumerate(tags):
        if tag == 1:
            spans.append([i, i + 1])
        elif tag == 2:
            spans[-1][1] = i + 1
    return annotated(nlp.vocab, doc.text, [(a, b, "thing") for a, b in spans])


@pytest.mark.parametrize("with_corrections", [False, True])
@pytest.mark.parametrize("k", [1, 8, 64, None])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_p_final_is_what_the_equations_say(case, metric, k, with_corrections):
    found, expected = arrange(case, metric, k, with_corrections)
    np.testing.assert_allclose(found, expected(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("k", [8, None])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_float16_keys_are_exact_for_what_is_stored_and_close_to_float32(metric, k):
    found, expected = arrange(plain, metric, k, True, dtype="float16")
    np.testing.assert_allclose(found, expected(rounded=True), rtol=0, atol=1e-6)
    # The stated tolerance of float16 keys, here for vectors with entries of size
    # 1: a rounding of 2⁻¹¹ shifts distances by some 1e-3, and votes by that / T.
    np.testing.assert_allclose(found, expected(), rtol=0, atol=0.02)


# --- the parts ---------------------------------------------------------------


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.floats(0, 1e3), min_size=n, max_size=n), min_size=1, max_size=20
        )
    ),
    st.floats(1e-6, 1e3),
    st.data(),
)
@settings(deadline=None)
def test_all_entry_votes_does_not_depend_on_blocks(columns, temperature, data):
    """Nor on which other temperatures are counted along."""
    distances = np.array(columns).T  # (queries, entries)
    n_entries = distances.shape[1]
    tags = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=n_entries, max_size=n_entries))
    )
    cut = data.draw(st.integers(0, n_entries))
    temperatures = [temperature, temperature / 4, temperature * 3, temperature * 2]
    votes = AllVotes(len(distances), temperatures, 4)
    weights = np.arange(n_entries) % 3 + 1
    votes.add(torch.tensor(distances[:, :cut]), tags[:cut], weights[:cut])
    votes.add(torch.tensor(distances[:, cut:]), tags[cut:], weights[cut:])
    order = np.argsort(distances, axis=1, kind="stable")
    ordered = np.take_along_axis(distances, order, axis=1)
    for p, t in zip(votes.distributions(), temperatures, strict=True):
        whole = knn_distribution(ordered, tags[order], t, 4, weights[order])
        np.testing.assert_allclose(p, whole, atol=1e-12)
    np.testing.assert_array_equal(votes.nearest, distances.min(axis=1))


def test_an_entry_at_no_distance_does_not_vote():
    votes = AllVotes(3, [0.5], 2)
    inf = np.inf
    distances = torch.tensor([[inf, inf], [inf, 1.0], [2.0, inf]])
    votes.add(distances, np.array([0, 1]), np.ones(2))
    votes.add(torch.tensor([[inf], [inf], [1.0]]), np.array([1]), np.ones(1))
    np.testing.assert_array_equal(votes.distributions()[0, :2], [[0, 0], [0, 1]])
    far = np.exp(-2.0)
    np.testing.assert_allclose(
        votes.distributions()[0, 2], [far / (1 + far), 1 / (1 + far)]
    )


def test_no_neighbors_means_no_distribution_and_p_ner_stays():
    p_knn = knn_distribution(np.zeros((2, 0)), np.zeros((2, 0), int), 1.0, 3)
    assert not p_knn.any()
    p_base = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    np.testing.assert_array_equal(interpolate(p_base, p_knn, 0.4), p_base)


def test_a_missing_neighbor_has_no_vote():
    p = knn_distribution(np.array([[1.0, np.inf]]), np.array([[2, 0]]), 1.0, 3)
    np.testing.assert_array_equal(p, [[0, 0, 1]])
