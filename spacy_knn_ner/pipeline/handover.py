"""What `ner_tagger` leaves on a Doc for whoever comes after it.

`doc._.ner_tagger` holds a plain dict of strings and arrays, so that it
survives `doc.to_bytes()` and with it `nlp.pipe(n_process=…)`.
"""

import os
from typing import Any, TypedDict

import numpy as np
from spacy.tokens import Doc

from ..tags import SpanTuple

EXTENSION = "ner_tagger"
BASE = "knn_ner_base"


class HandOver(TypedDict):
    """p_NER of one Doc.

    scheme (str): The tag scheme, `"BILUO"` or `"BIO"`.
    tags (list[str]): Names of the columns.
    probabilities (ndarray): p_NER, shape (n_tokens, n_tags), float32.
    vectors (ndarray | None): The encoder's output, shape (n_tokens, width),
        where the tagger has an encoder of its own; None where it listens to a
        component that leaves its output on the Doc.
    tagger (str | None): The tagger's `identity`, to tell pipelines apart.
    """

    scheme: str
    tags: list[str]
    probabilities: np.ndarray
    vectors: np.ndarray | None
    tagger: str | None


class Base(TypedDict):
    """What `knn_ner` was told by components that hand nothing over, and whose entities
    it has replaced.

    scheme (str), tags (list[str]), probabilities (ndarray): As in `HandOver`.
    entities (list[SpanTuple]): What it has set instead.
    """

    scheme: str
    tags: list[str]
    probabilities: np.ndarray
    entities: list[SpanTuple]


for name in (EXTENSION, BASE):
    if not Doc.has_extension(name):
        Doc.set_extension(name, default=None)


def identity(component: Any) -> str:
    """Names a component as long as its process lives."""
    return f"{os.getpid()}:{id(component)}"


def write(doc: Doc, value: HandOver) -> None:
    """Leave the hand-over on the Doc."""
    doc._.set(EXTENSION, value)


def read(doc: Doc) -> HandOver | None:
    """The Doc's hand-over, or None where no `ner_tagger` has run."""
    return doc._.get(EXTENSION)


def write_base(doc: Doc, value: Base) -> None:
    """Remember what a Doc's entities were mixed with."""
    doc._.set(BASE, value)


def read_base(doc: Doc, *, again: bool) -> HandOver | Base | None:
    """What a Doc's entities are, or were, to be mixed with.

    doc (Doc): The Doc.
    again (bool): Whether it is asked how the entities came about that were found.
        Otherwise what is remembered counts only while they are still there.
    RETURNS (HandOver | Base | None): None where the Doc's entities have to tell.
    """
    value = read(doc)
    if value is not None:
        return value
    base: Base | None = doc._.get(BASE)
    if base is None or again:
        return base
    now = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return base if now == [tuple(entity) for entity in base["entities"]] else None
