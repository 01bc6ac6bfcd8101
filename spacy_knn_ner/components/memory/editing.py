"""Editing: corrections are added, and examples found that are to be forgotten."""

from collections.abc import Iterable

import numpy as np

from ...corrections.revising import Addition, History, add_corrections
from ...datastore.datastore import CORRECTIONS, Datastore
from ...errors import Errors, KnnNerError
from ...reading.encoder import KeyEncoder
from ...types import AnnotatedText, StoredExample, TokenKeys, check_unicode


def add(
    datastore: Datastore,
    encoder: KeyEncoder,
    scheme: str,
    texts: list[AnnotatedText],
    keys: list[TokenKeys],
    *,
    source: str | None,
    allow_duplicates: bool,
    history: History | None = None,
) -> list[Addition]:
    """Add corrections; see `KnnNer.add`.

    datastore (Datastore): Is changed.
    encoder (KeyEncoder): Made the keys.
    scheme (str): The tagger's tag scheme.
    texts (list[AnnotatedText]), keys (list[TokenKeys]): The corrections.
    source (str | None), allow_duplicates (bool): As for `KnnNer.add`.
    history (History | None): Records what is revised. Default: none.
    RETURNS (list[Addition]): What was added, in order.
    RAISES (KnnNerError): If the datastore was built with another encoder.
    """
    if len(datastore):
        encoder.check(datastore)
    else:
        dtype = encoder.settings.dtype
        datastore.start_empty(dtype=dtype, fingerprint=encoder.fingerprint())
    datastore.set_scheme(scheme)
    if allow_duplicates:
        ids = datastore.add(texts, keys, part=CORRECTIONS, source=source)
        return [Addition(i, True) for i in ids]
    return add_corrections(datastore, texts, keys, source=source, history=history)


def find_examples(
    datastore: Datastore,
    history: History,
    name: str,
    example_ids: Iterable[int] | None = None,
    *,
    source: str | None = None,
    text: str | None = None,
) -> list[int]:
    """Find the examples for which all that is given holds.

    datastore (Datastore), history (History): Are searched.
    name (str): The component, for messages.
    example_ids, source, text: As for `KnnNer.forget`.
    RETURNS (list[int]): Their ids.
    RAISES (KnnNerError): For an unknown id, or if nothing is given, or an empty text.
    """
    for given in (source, text):
        if given == "":  # every text contains it
            raise KnnNerError(Errors.E075, name=name)
        if not isinstance(given, str | None):
            raise KnnNerError(Errors.E056, name=name, found=f"{given!r}")
        check_unicode(given or "")
    ids = None if example_ids is None else list(example_ids)
    for i in ids or ():
        if not isinstance(i, int | np.integer):
            raise KnnNerError(Errors.E056, name=name, found=f"{i!r}")
    for i in ids or ():
        if i not in history:
            datastore.example(i)
    if source is not None or text is not None:
        found = datastore.examples.ids(source=source, contains=text)
        found += history.ids(source, text)
        ids = sorted(set(found) if ids is None else set(ids) & set(found))
    if ids is None:
        raise KnnNerError(Errors.E075, name=name)
    return ids


def has(datastore: Datastore, example: StoredExample) -> bool:
    """Check whether an example is stored as it is.

    datastore (Datastore): Is searched.
    example (StoredExample): The example.
    """
    present = datastore.examples.present([example.example_id])
    same = [datastore.example(i).annotated == example.annotated for i in present]
    return any(same)
