"""`span._.knn_score` and `span._.knn_unknown`: what `knn_ner` knows of an entity."""

from bisect import bisect_left
from functools import partial
from typing import Any

import numpy as np
from spacy.tokens import Span

FACTORY = {"factory": "knn_ner"}  # marks the span groups whose values are ours
# Extension → the values in the attrs of `doc.spans`.
EXTENSIONS = {"knn_score": "scores", "knn_unknown": "unknown"}


def value_of(span: Span, *, values: str) -> float | bool | None:
    """Read a value of an entity that a `knn_ner` has predicted.

    span (Span): One of `doc.ents`, say.
    values (str): `"scores"` or `"unknown"`.
    RETURNS (float | bool | None): None if it is no such entity, or was not computed.
    """
    for group in reversed(list(span.doc.spans.values())):  # the last component's
        ours = group.attrs.get("factory") == FACTORY["factory"]
        if ours and values in group.attrs:
            i = bisect_left(group, span.start, key=lambda other: other.start)
            if i < len(group):
                other = group[i]
                if (other.end, other.label) == (span.end, span.label) and (
                    other.start == span.start
                ):
                    return _plain(group.attrs[values][i])
    return None


def _plain(value: Any) -> float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    return None if np.isnan(value) else float(value)


for _name, _values in EXTENSIONS.items():
    if not Span.has_extension(_name):
        Span.set_extension(_name, getter=partial(value_of, values=_values))
