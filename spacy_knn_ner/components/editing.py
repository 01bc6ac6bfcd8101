"""Editing: corrections are added and examples forgotten, one at a time."""

from collections.abc import Iterable

from spacy.tokens import Doc
from spacy.training import Example

from ..corrections.conflicts import add_corrections
from ..datastore.datastore import CORRECTIONS, Datastore
from ..errors import Errors, KnnNerError
from ..reading.annotations import annotated_text
from ..reading.encoder import KeyEncoder
from ..types import AnnotatedText, TokenKeys


def read_corrections(
    docs: Iterable[Doc | Example], encoder: KeyEncoder, scheme: str
) -> tuple[str, list[AnnotatedText], list[TokenKeys]]:
    """Read and encode corrections. Nothing is changed.

    docs (Iterable[Doc | Example]): With `doc.ents`; of Examples the reference is read.
    encoder (KeyEncoder): Makes the keys.
    scheme (str): The datastore's tag scheme.
    RETURNS (tuple[str, list[AnnotatedText], list[TokenKeys]]): The tagger's scheme,
        texts and keys.
    RAISES (KnnNerError): If one of them is no Doc, or cannot be encoded.
    """
    given = (doc.reference if isinstance(doc, Example) else doc for doc in docs)
    texts = [annotated_text(doc, encoder.name) for doc in given]
    scheme, keys = encoder.keys(texts, scheme)
    return scheme, texts, keys


def add(
    datastore: Datastore,
    encoder: KeyEncoder,
    scheme: str,
    texts: list[AnnotatedText],
    keys: list[TokenKeys],
    *,
    source: str | None,
    allow_duplicates: bool,
) -> list[int]:
    """Add corrections; see `KnnNer.add`.

    datastore (Datastore): Is changed.
    encoder (KeyEncoder): Made the keys.
    scheme, texts, keys: From `read_corrections`.
    source (str | None), allow_duplicates (bool): As for `KnnNer.add`.
    RETURNS (list[int]): The examples' ids, in order.
    RAISES (KnnNerError): If the datastore was built with another encoder.
    """
    if len(datastore):
        encoder.check(datastore)
    else:
        dtype = encoder.settings.dtype
        datastore.start_empty(dtype=dtype, fingerprint=encoder.fingerprint())
    datastore.set_scheme(scheme)
    if allow_duplicates:
        return datastore.add(texts, keys, part=CORRECTIONS, source=source)
    return add_corrections(datastore, texts, keys, source=source)


def find_examples(
    datastore: Datastore,
    name: str,
    example_ids: Iterable[int] | None = None,
    *,
    source: str | None = None,
    text: str | None = None,
) -> list[int]:
    """Find the examples for which all that is given holds.

    datastore (Datastore): Is searched.
    name (str): The component, for messages.
    example_ids, source, text: As for `KnnNer.forget`.
    RETURNS (list[int]): Their ids.
    RAISES (KnnNerError): For an unknown id, or if nothing is given, or an empty text.
    """
    if "" in (source, text):  # every text contains it
        raise KnnNerError(Errors.E075, name=name)
    ids = None if example_ids is None else [int(i) for i in example_ids]
    for i in ids or ():
        datastore.example(i)
    if source is not None or text is not None:
        found = datastore.examples.ids(source=source, contains=text)
        ids = found if ids is None else sorted(set(ids) & set(found))
    if ids is None:
        raise KnnNerError(Errors.E075, name=name)
    return ids
