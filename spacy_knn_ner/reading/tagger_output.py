"""What `ner_tagger` leaves on a Doc for components behind it.

`doc._.ner_tagger` is a plain dict of strings and arrays, so that it survives
`doc.to_bytes()` and with it `nlp.pipe(n_process=…)`.
"""

import os
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors, KnnNerError
from ..tags import OUTSIDE, PREFIXES, SpanTuple, split_tag

EXTENSION = "ner_tagger"
BASE = "knn_ner_base"
STAGES = "knn_ner_stages"


class TaggerOutput(TypedDict):
    """The distribution of a tagger for one Doc.

    scheme (str): The tag scheme, `"BILUO"` or `"BIO"`.
    tags (list[str]): Names of the columns.
    probabilities (ndarray): Shape (n_tokens, n_tags), float32.
    vectors (ndarray | None): The encoder's output, shape (n_tokens, width), where the
        tagger has an encoder of its own; None where it listens to a component that
        leaves its output on the Doc.
    tagger (str | None): The tagger's `identity`, to tell pipelines apart.
    """

    scheme: str
    tags: list[str]
    probabilities: np.ndarray
    vectors: np.ndarray | None
    tagger: str | None


class Distribution(TypedDict):
    """What a `knn_ner` leaves for the next one: p_final.

    scheme (str), tags (list[str]), probabilities (ndarray): As in `TaggerOutput`.
    """

    scheme: str
    tags: list[str]
    probabilities: np.ndarray


class SavedBase(TypedDict):
    """p_base of a Doc whose entities `knn_ner` has replaced, where no tagger left a
    distribution.

    scheme (str), tags (list[str]), probabilities (ndarray): As in `TaggerOutput`.
    entities (list[SpanTuple]): The entities that `knn_ner` has set instead.
    """

    scheme: str
    tags: list[str]
    probabilities: np.ndarray
    entities: list[SpanTuple]


for _name in (EXTENSION, BASE, STAGES):
    if not Doc.has_extension(_name):
        Doc.set_extension(_name, default=None)


def identity(component: Any) -> str:
    """Name a component as long as its process lives."""
    return f"{os.getpid()}:{id(component)}"


def write(doc: Doc, value: TaggerOutput) -> None:
    """Leave a tagger's output on a Doc."""
    doc._.set(EXTENSION, value)


def read(doc: Doc) -> TaggerOutput | None:
    """Read a tagger's output; None where no `ner_tagger` has run.

    RAISES (KnnNerError): If there is something else, as in a file of another program.
    """
    value = doc._.get(EXTENSION)
    if value is not None:
        vectors = _checked(value, EXTENSION).get("vectors")
        if vectors is not None and not _is_table(vectors):
            raise KnnNerError(Errors.E116, name=EXTENSION, found=_shown(vectors))
    return value


def write_base(doc: Doc, value: SavedBase) -> None:
    """Save p_base on a Doc whose entities are replaced."""
    doc._.set(BASE, value)


def write_stage(doc: Doc, name: str, value: Distribution) -> None:
    """Leave what the `knn_ner` of this name has predicted."""
    doc._.set(STAGES, {**(doc._.get(STAGES) or {}), name: value})


def read_stage(doc: Doc, names: Sequence[str]) -> Distribution | None:
    """Read what the first of some `knn_ner` that has left its prediction has left."""
    stages = doc._.get(STAGES) or {}
    if not isinstance(stages, dict):
        raise KnnNerError(Errors.E116, name=STAGES, found=_shown(stages))
    found = next((stages[name] for name in names if name in stages), None)
    return None if found is None else _checked(found, STAGES)


def refresh_base(doc: Doc) -> None:
    """Note that the entities of a Doc, whose base an earlier `knn_ner` has saved, were
    replaced again."""
    base = _saved_base(doc)
    if base is not None:
        entities = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
        doc._.set(BASE, {**base, "entities": entities})


def read_base(
    doc: Doc, *, use_saved: bool, previous: Sequence[str] = ()
) -> TaggerOutput | Distribution | SavedBase | None:
    """Read the distribution that a Doc's entities are, or were, mixed from.

    doc (Doc): The Doc.
    use_saved (bool): Whether the Doc has been through `knn_ner`, and how its entities
        came about is wanted. Otherwise what was saved counts only while these
        entities are still there.
    previous (Sequence[str]): From `previous_stages`: the base is the prediction of the
        first of them that has left one. Default: none.
    RETURNS (TaggerOutput | Distribution | SavedBase | None): None where `doc.ents` is
        the base.
    """
    stage = read_stage(doc, previous)
    if stage is not None:
        return stage
    value = read(doc)
    if value is not None:
        return value
    base = _saved_base(doc)
    if base is None or use_saved:
        return base
    now = [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    return base if now == [tuple(entity) for entity in base["entities"]] else None


def _saved_base(doc: Doc) -> SavedBase | None:
    base = doc._.get(BASE)
    if base is None:
        return None
    entities = _checked(base, BASE).get("entities")
    if not isinstance(entities, list) or not all(
        isinstance(entity, list | tuple) and len(entity) == 3 for entity in entities
    ):
        raise KnnNerError(Errors.E116, name=BASE, found=_shown(entities))
    return base


def _checked(value: Any, name: str) -> Any:
    """A distribution that was read from a Doc, whose user data may be anything."""
    is_one = (
        isinstance(value, dict)
        and isinstance(value.get("scheme"), str)
        and value["scheme"] in PREFIXES
        and isinstance(value.get("tags"), list)
        and all(_is_tag(tag, value["scheme"]) for tag in value["tags"])
        and _is_table(value.get("probabilities"))
        and value["probabilities"].shape[1] == len(value["tags"])
    )
    if not is_one:
        raise KnnNerError(Errors.E116, name=name, found=_shown(value))
    return value


def _is_tag(tag: Any, scheme: str) -> bool:
    if not isinstance(tag, str):
        return False
    prefix, label = split_tag(tag)
    return tag == OUTSIDE or (prefix in PREFIXES[scheme] and bool(label))


def _is_table(value: Any) -> bool:
    is_one = isinstance(value, np.ndarray) and value.ndim == 2
    return is_one and value.dtype.kind == "f"


def _shown(value: Any) -> str:
    return repr(value)[:60]
