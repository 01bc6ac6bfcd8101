"""Building: annotated Docs → a new datastore, as functions of the old one and an
encoder.

They return a datastore, and change none. So if anything fails, nothing has changed.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from spacy import util
from spacy.tokens import Doc
from tqdm import tqdm

from ...datastore.datastore import CORRECTIONS, PARTS, STORE, Datastore
from ...errors import Warnings, warning
from ...inference.retriever import StoreRetriever, warn_if_unfaithful
from ...reading.annotations import annotated_text
from ...reading.cache import EncodingCache
from ...reading.encoder import KeyEncoder
from ...settings import Settings
from ...types import AnnotatedText, TokenKeys
from .projecting import projected


@dataclass
class Built:
    """What was built.

    datastore (Datastore): The new datastore.
    ids (list[int]): The examples' ids, in order.
    without_entry (list[int]): Those that have no entry.
    """

    datastore: Datastore
    ids: list[int] = field(default_factory=list)
    without_entry: list[int] = field(default_factory=list)


def build_store(
    old: Datastore,
    encoder: KeyEncoder,
    docs: Iterable[Doc],
    *,
    batch_size: int = 64,
    show_progress: bool = True,
    cache: EncodingCache | None = None,
) -> Built:
    """Fill a store from annotated Docs. Corrections stay: they are encoded again.

    old (Datastore): Whose corrections stay, and whose ids are not used again.
    encoder (KeyEncoder): Makes the keys.
    docs (Iterable[Doc]): With `doc.ents`; read once, in batches. Tokens without
        annotation (`ent_iob == 0`) are not stored.
    batch_size (int): Docs encoded at once. Default: 64.
    show_progress (bool): Show a progress bar. Default: True.
    cache (EncodingCache | None): Keeps the keys of each batch. Default: none.
    RETURNS (Built): The new datastore.
    RAISES (KnnNerError): If the pipeline's encoder leaves no vectors.
    """
    vectors = encoder.with_projection(None)
    built = Built(_copy_examples(old, vectors, [CORRECTIONS]))
    datastore = built.datastore
    bar = tqdm(docs, desc="Building", unit="doc", disable=not show_progress)
    for batch in util.minibatch(bar, size=batch_size):
        texts = [annotated_text(doc, encoder.name) for doc in batch]
        texts = vectors.with_contexts(texts)
        keys = _encode(datastore, vectors, texts, cache)
        added = datastore.add(texts, keys, part=STORE)
        built.without_entry += without_entry(added, texts, keys)
        built.ids += added
    _encode_examples(datastore, vectors, CORRECTIONS, batch_size, False, cache)
    built.datastore = projected(datastore, encoder)
    return built


def rebuild_entries(
    old: Datastore,
    encoder: KeyEncoder,
    *,
    batch_size: int = 64,
    show_progress: bool = True,
) -> Datastore:
    """Make the entries of all examples again.

    old (Datastore): Whose examples are encoded.
    encoder, batch_size, show_progress: As for `build_store`.
    RETURNS (Datastore): The new datastore.
    RAISES (KnnNerError): If the pipeline's encoder leaves no vectors.
    """
    vectors = encoder.with_projection(None)
    datastore = _copy_examples(old, vectors, PARTS)
    for part in PARTS:
        _encode_examples(datastore, vectors, part, batch_size, show_progress, None)
    return projected(datastore, encoder)


def _copy_examples(
    old: Datastore, encoder: KeyEncoder, parts: Iterable[str]
) -> Datastore:
    return old.copy_examples(
        list(parts),
        dtype=encoder.settings.dtype,
        scheme=old.tag_set.scheme,
        fingerprint=encoder.fingerprint(),
    )


def _encode(
    datastore: Datastore,
    encoder: KeyEncoder,
    texts: list[AnnotatedText],
    cache: EncodingCache | None,
) -> list[TokenKeys]:
    scheme = datastore.tag_set.scheme
    if cache is None:
        scheme, keys = encoder.keys(texts, scheme)
    else:
        scheme, keys = cache.keys(encoder, texts, scheme)
    datastore.set_scheme(scheme)
    return keys


def _encode_examples(
    datastore: Datastore,
    encoder: KeyEncoder,
    part: str,
    batch_size: int,
    show_progress: bool,
    cache: EncodingCache | None,
) -> None:
    """Make the entries of the examples of one part, which have none; and find the
    contexts of those for which nothing has searched yet."""
    ids = datastore.examples.ids(part)
    if not ids:
        return
    bar = tqdm(ids, desc=part, unit="example", disable=not show_progress)
    for batch in util.minibatch(bar, size=batch_size):
        stored = [datastore.example(i).annotated for i in batch]
        texts = encoder.with_contexts(stored)
        keys = _encode(datastore, encoder, texts, cache)
        with datastore.transaction():
            for i, before, text in zip(batch, stored, texts, strict=True):
                if text != before:
                    datastore.examples.replace(i, text)
            datastore.add_entries(batch, texts, keys, part=part)


def without_entry(
    ids: list[int], texts: list[AnnotatedText], keys: list[TokenKeys]
) -> list[int]:
    """List the examples that have no entry: no annotated token with a key.

    ids, texts, keys (list): Of the examples.
    """
    columns = zip(ids, texts, keys, strict=True)
    return [i for i, text, key in columns if not set(key.tokens) - set(text.missing)]


def warn_without_entry(ids: list[int]) -> None:
    """Warn of examples that have no entry.

    ids (list[int]): The examples.
    """
    if ids:
        listed = ", ".join(map(str, ids[:10])) + (", …" if len(ids) > 10 else "")
        message = warning(Warnings.W002, n=len(ids), ids=listed)
        warnings.warn(message, stacklevel=4)


def make_index(datastore: Datastore, settings: Settings, name: str) -> dict[str, Any]:
    """Make the index of a store, unless it is made; with a warning if it is not
    faithful.

    datastore (Datastore): With the store.
    settings (Settings), name (str): Of the component.
    RETURNS (dict[str, Any]): A description of the index.
    """
    StoreRetriever(datastore, settings).prepare()
    warn_if_unfaithful(datastore.store, name)
    return datastore.store.index_info()
