"""A linear projection of keys, fitted by contrast: fewer numbers per key, in which
neighbors vote for the tag of a token more often.

    key = (x − mean) / deviation · W, scaled so that keys have length 1 on average

It is kept as one array of shape (width + 1, n_numbers): the matrix, and in the last row
what is added.
"""

import math

import numpy as np

from ..errors import Errors, KnnNerError
from .contrast import OUTSIDE, vote_loss
from .extras import require_torch

# Tokens of a step, in entities and outside: those that are voted for, and the others.
_QUERIES, _VOTERS = (128, 64), (640, 704)


def fit_projection(
    vectors: np.ndarray,
    classes: np.ndarray,
    *,
    width: int = 128,
    steps: int = 600,
    temperature: float = 0.1,
    learn_rate: float = 1e-3,
    seed: int = 0,
) -> np.ndarray:
    """Fit a projection so that the other tokens vote for a token's class (see
    contrast.py), by AdamW with a cosine schedule.

    vectors (ndarray): Shape (n_keys, n_inputs), float32.
    classes (ndarray): Shape (n_keys,); 0 outside of entities. Keys vote for tags, so
        these are tags and not types: those at the beginning and at the end of an
        entity are told apart.
    width (int): Numbers per key, at most as many as inputs. Default: 128.
    steps (int), temperature (float), learn_rate (float), seed (int): Of the training.
    RETURNS (ndarray): Shape (n_inputs + 1, width), float32.
    RAISES (KnnNerError): If no two keys have the same class.
    """
    require_torch("keys.projection")
    import torch

    entities = np.flatnonzero(classes != OUTSIDE)
    others = np.flatnonzero(classes == OUTSIDE)
    if not len(entities) or np.bincount(classes[entities]).max() < 2:
        raise KnnNerError(Errors.E089)
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    deviation[deviation < 1e-6] = 1.0
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    W = torch.empty(vectors.shape[1], min(width, vectors.shape[1]))
    torch.nn.init.orthogonal_(W, generator=generator)
    W.requires_grad_()
    optimizer = torch.optim.AdamW([W], lr=learn_rate)
    for step in range(steps):
        samples = [
            rng.choice(rows, min(n_queries + n_voters, len(rows)), replace=False)
            for rows, n_queries, n_voters in zip(
                (entities, others), _QUERIES, _VOTERS, strict=True
            )
        ]
        queries = [s[:n] for s, n in zip(samples, _QUERIES, strict=True)]
        voters = [s[n:] for s, n in zip(samples, _QUERIES, strict=True)]
        rows = np.concatenate([*queries, *voters])
        inputs = torch.as_tensor((vectors[rows] - mean) / deviation)
        loss = vote_loss(
            inputs @ W,
            torch.as_tensor(classes[rows]),
            sum(map(len, queries)),
            temperature=temperature,
        )
        for group in optimizer.param_groups:
            group["lr"] = learn_rate * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    matrix = W.detach().numpy() / deviation[:, None]
    projection = np.vstack([matrix, -mean @ matrix]).astype(np.float32)
    sample = project(vectors[:: max(1, len(vectors) // 10_000)], projection)
    return projection / np.linalg.norm(sample, axis=1).mean()


def project(vectors: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Project vectors.

    vectors (ndarray): Shape (n, n_inputs).
    projection (ndarray): From `fit_projection`.
    RETURNS (ndarray): Shape (n, width), float32.
    RAISES (KnnNerError): If they have another width than those it was fitted to.
    """
    expected = len(projection) - 1
    if vectors.shape[1] != expected:
        raise KnnNerError(Errors.E034, found=vectors.shape[1], expected=expected)
    return vectors.astype(np.float32) @ projection[:-1] + projection[-1]
