"""Annotated texts and their keys → tag ids and vectors, as they are stored."""

from collections.abc import Sequence

import numpy as np

from ..errors import Errors, KnnNerError
from ..tags import TagSet
from ..types import AnnotatedText, TokenKeys

# The tag set with the texts' labels; the tag id and the vector of each key, by text.
Encoded = tuple[TagSet, list[np.ndarray], list[np.ndarray]]


def encoded(
    texts: Sequence[AnnotatedText],
    keys: Sequence[TokenKeys],
    tag_set: TagSet,
    *,
    dtype: str,
    width: int | None,
) -> Encoded:
    """Encode texts as they would be stored.

    texts (Sequence[AnnotatedText]), keys (Sequence[TokenKeys]): As for `Datastore.add`.
    tag_set (TagSet): Without their labels.
    dtype (str), width (int | None): Of the keys; None: theirs.
    RETURNS (Encoded): See above.
    RAISES (KnnNerError): For overlapping entities, or keys that do not fit.
    """
    labels = [label for text in texts for _, _, label in text.entities]
    tag_set = tag_set.union(labels)
    tags = [
        tag_set.encode(len(text.words), text.entities, text.missing)[key.tokens]
        for text, key in zip(texts, keys, strict=True)
    ]
    with np.errstate(over="ignore"):  # noticed below
        vectors = [key.vectors.astype(dtype) for key in keys]
    widths = {vector.shape[1] for vector in vectors if len(vector)}
    for found in sorted(widths):
        expected = width or min(widths)
        if found != expected:
            raise KnnNerError(Errors.E034, found=found, expected=expected)
    # Too large becomes inf, too small a row of zeros.
    if not all((np.isfinite(v).all(1) & v.any(1)).all() for v in vectors):
        raise KnnNerError(Errors.E031, dtype=dtype)
    return tag_set, tags, vectors
