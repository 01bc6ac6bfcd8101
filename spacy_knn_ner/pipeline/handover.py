"""What `ner_tagger` leaves on a Doc for whoever comes after it.

`doc._.ner_tagger` holds a plain dict of strings and arrays, so that it
survives `doc.to_bytes()` and with it `nlp.pipe(n_process=…)`.
"""

import os
from typing import Any, TypedDict

import numpy as np
from spacy.tokens import Doc

EXTENSION = "ner_tagger"


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


if not Doc.has_extension(EXTENSION):
    Doc.set_extension(EXTENSION, default=None)


def identity(component: Any) -> str:
    """Names a component as long as its process lives."""
    return f"{os.getpid()}:{id(component)}"


def write(doc: Doc, value: HandOver) -> None:
    """Leave the hand-over on the Doc."""
    doc._.set(EXTENSION, value)


def read(doc: Doc) -> HandOver | None:
    """The Doc's hand-over, or None where no `ner_tagger` has run."""
    return doc._.get(EXTENSION)
