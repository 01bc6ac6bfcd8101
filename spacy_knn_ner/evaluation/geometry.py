"""Geometry of vectors: how well those of one entity type are apart from others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..components.knn_ner import KnnNer
from ..datastore.distances import to_search_space
from ..errors import Errors, KnnNerError
from ..reading.annotations import annotated_entities, annotated_text

_OUTSIDE = "O"
_BATCH = 64


@dataclass(frozen=True)
class TypedVectors:
    """Vectors of tokens with their entity types.

    vectors (ndarray): Of length 1, shape (n_tokens, width).
    types (ndarray): Names, shape (n_tokens,).
    """

    vectors: np.ndarray
    types: np.ndarray


def entity_vectors(
    nlp: Language,
    docs: Sequence[Doc],
    *,
    name: str = "knn_ner",
    most: int = 3000,
    show_progress: bool = False,
) -> TypedVectors:
    """Encode the tokens of entities as keys.

    nlp (Language): With an encoder; the keys are those of its `knn_ner`, or what those
        of a new one would be.
    docs (Sequence[Doc]): With entities.
    name (str): Of the `knn_ner`. Default: "knn_ner".
    most (int): Of more tokens, as many are drawn, always the same ones.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (TypedVectors): With one entity type, as many tokens outside of entities
        are there as well.
    RAISES (KnnNerError): If there are not two tokens in entities.
    """
    has_own = name in nlp.component_names
    knn: Any = nlp.get_pipe(name) if has_own else nlp.add_pipe("knn_ner", name=name)
    assert isinstance(knn, KnnNer)
    try:
        found, types = [], []
        bar = tqdm(range(0, len(docs), _BATCH), unit="batch", disable=not show_progress)
        for start in bar:
            some = docs[start : start + _BATCH]
            encoder = knn.memory.encoder
            texts = encoder.with_contexts([annotated_text(doc, name) for doc in some])
            for doc, keys in zip(some, encoder.read(encoder.docs(texts)), strict=True):
                if len(keys):
                    found.append(keys.vectors)
                    types.append(_types(doc)[keys.tokens])
    finally:
        if not has_own:
            nlp.remove_pipe(name)
    vectors = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    return _sample(vectors, np.concatenate([*types, np.array([], "U1")]), most)


def _types(doc: Doc) -> np.ndarray:
    """The entity type of each token, `"O"`, or an empty text without annotation."""
    types = np.full(len(doc), _OUTSIDE, dtype=object)
    entities, missing = annotated_entities(doc)
    types[missing] = ""
    for start, end, label in entities:
        types[start:end] = label
    return types


def _sample(vectors: np.ndarray, types: np.ndarray, most: int) -> TypedVectors:
    rng = np.random.default_rng(0)
    entities = np.flatnonzero((types != _OUTSIDE) & (types != ""))
    if len(entities) < 2:
        raise KnnNerError(Errors.E090)
    rows = entities
    if len(set(types[entities])) == 1:
        outside = np.flatnonzero(types == _OUTSIDE)
        n = min(len(entities), len(outside))
        rows = np.concatenate([entities, rng.choice(outside, n, replace=False)])
    if len(rows) > most:
        rows = rng.choice(rows, most, replace=False)
    rows = np.sort(rows)
    unit = to_search_space(vectors[rows], "cosine")
    return TypedVectors(unit, types[rows].astype(str))


def geometry(typed: TypedVectors) -> dict[str, Any]:
    """Measure how far types are apart, by cosine distance.

    typed (TypedVectors): From `entity_vectors`.
    RETURNS (dict): JSON. `within`: mean distance of two tokens of one type; `between`:
        of two types; `silhouette` (Rousseeuw 1987): the mean over tokens of (b − a) /
        max(a, b), where a is the mean distance to the others of its type, and b that to
        the nearest other type; −1 to 1.
    """
    names, classes = np.unique(typed.types, return_inverse=True)
    distances = 1.0 - typed.vectors @ typed.vectors.T
    np.fill_diagonal(distances, 0.0)
    members = np.eye(len(names))[classes]  # (n_tokens, n_types)
    sums, counts = distances @ members, members.sum(axis=0)
    rows = np.arange(len(classes))
    n_others = counts[classes] - 1
    own = sums[rows, classes] / np.maximum(n_others, 1)
    means = sums / counts
    means[rows, classes] = np.inf
    other = means.min(axis=1)
    alone = (n_others == 0) | ~np.isfinite(other)
    finite = np.where(alone, 1.0, other)
    values = np.where(alone, 0.0, (finite - own) / np.maximum(finite, own))
    pairs = members @ members.T > 0
    np.fill_diagonal(pairs, False)
    different = classes[:, None] != classes
    return {
        "tokens": len(classes),
        "types": {str(n): int(c) for n, c in zip(names, counts, strict=True)},
        "silhouette": float(values.mean()),
        "within": float(distances[pairs].mean()) if pairs.any() else None,
        "between": float(distances[different].mean()) if different.any() else None,
    }


def plane(vectors: np.ndarray) -> np.ndarray:
    """Project vectors to the two directions in which they differ most (PCA).

    vectors (ndarray): Shape (n, width).
    RETURNS (ndarray): Shape (n, 2).
    """
    centered = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centered, full_matrices=False)
    points = centered @ directions[:2].T
    if points.shape[1] < 2:
        points = np.hstack([points, np.zeros((len(points), 2 - points.shape[1]))])
    # The sign of a direction is arbitrary: the same picture every time.
    return points * np.where(points[np.abs(points).argmax(0), [0, 1]] < 0, -1.0, 1.0)
