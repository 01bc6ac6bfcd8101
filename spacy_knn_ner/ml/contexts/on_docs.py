"""`doc._.contexts`: the texts that the sentences of a Doc are read together with.

A list of `Context`, which survives `doc.to_bytes()` and a DocBin. A plain string in it
is a retrieved text for every sentence. None: no component has searched for contexts.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from spacy.tokens import Doc

from ...errors import Errors, KnnNerError
from ...types import AFTER, BEFORE, RETRIEVED, Context, valid_unicode

EXTENSION = "contexts"
# In doc.user_data.
_PLAIN, _PAIR = "spacy_knn_ner_plain", "spacy_knn_ner_pair"
_ENCODED = "spacy_knn_ner_encoded"
KINDS = (RETRIEVED, BEFORE, AFTER)

if not Doc.has_extension(EXTENSION):
    Doc.set_extension(EXTENSION, default=None)


def read(doc: Doc) -> list[Context] | None:
    """Read the contexts of a Doc.

    doc (Doc): Perhaps with `doc._.contexts`.
    RETURNS (list[Context] | None): None if no component has searched for them.
    RAISES (KnnNerError): If they are no contexts.
    """
    value: Any = doc._.get(EXTENSION)
    if value is None:
        return None
    contexts = checked(value)
    starts = (context["start"] for context in contexts)
    beyond = next((s for s in starts if s is not None and not 0 <= s < len(doc)), None)
    if beyond is not None:
        raise KnnNerError(Errors.E142, start=beyond, n=len(doc))
    return contexts


def checked(values: Iterable[str | Mapping[str, Any]]) -> list[Context]:
    """Convert what a user may set to contexts.

    values (Iterable[str | Mapping]): Texts, or fields of `Context`.
    RAISES (KnnNerError): For anything else.
    """
    if not isinstance(values, list | tuple):
        raise KnnNerError(Errors.E093, found=repr(values)[:80])
    return [_context(value) for value in values]


def write(doc: Doc, contexts: Iterable[Context]) -> None:
    """Set the contexts of a Doc."""
    doc._.set(EXTENSION, [{**context} for context in contexts])


def _context(value: Any) -> Context:
    if isinstance(value, str):
        return {"text": valid_unicode(value), "kind": RETRIEVED, "start": None}
    valid = isinstance(value, Mapping) and isinstance(value.get("text"), str)
    if valid:
        kind, start = value.get("kind", RETRIEVED), value.get("start")
        score = value.get("score")
        is_number = score is None or isinstance(score, int | float | np.floating)
        is_start = start is None or isinstance(start, int | np.integer)
        if kind in KINDS and is_start and is_number:
            start = None if start is None else int(start)
            text = valid_unicode(value["text"])
            context: Context = {"text": text, "kind": kind, "start": start}
            return context if score is None else {**context, "score": float(score)}
    raise KnnNerError(Errors.E093, found=repr(value)[:80])


def make_pair(doc: Doc, number: int) -> tuple[Doc, Doc]:
    """Make both views of a Doc, and note that the two belong together.

    doc (Doc): The Doc; it stays as it is.
    number (int): Other than that of any other pair in the batch.
    RETURNS (tuple[Doc, Doc]): Copies: one that is read with its contexts, and one that
        is read without them.
    """
    context, plain = doc.copy(), doc.copy()
    for view in (context, plain):
        view.user_data[_PAIR] = number
    plain.user_data[_PLAIN] = True
    return context, plain


def pair_of(doc: Doc) -> int | None:
    """Look up which pair of views a Doc belongs to."""
    return doc.user_data.get(_PAIR)


def is_plain(doc: Doc) -> bool:
    """Check whether a Doc is read without contexts, whatever it has."""
    return bool(doc.user_data.get(_PLAIN))


def note_encoded(doc: Doc) -> None:
    """Note that the vectors of a Doc were computed when its corpus was read."""
    doc.user_data[_ENCODED] = True


def is_encoded(doc: Doc) -> bool:
    """Check whether the vectors of a Doc were computed when its corpus was read."""
    return bool(doc.user_data.get(_ENCODED))
