"""One cache of encodings: what the components in front compute, kept on disk.

`build` keeps the keys of each batch, so that an interrupted build goes on where it
ended. `tune`, `evaluate` and `audit` keep p_base and keys of a corpus. A file is named
by a digest of everything its contents depend on, so it is never taken for another's.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from spacy import __version__ as spacy_version
from spacy import util
from spacy.tokens import Doc
from thinc.api import Model
from tqdm import tqdm

from ..datastore.datastore import Datastore
from ..errors import Errors, KnnNerError
from ..folders import writing
from ..tags import TagSet
from ..types import AnnotatedText, TokenBatch, TokenKeys
from .annotations import annotated_text
from .batch import BatchReader
from .encoder import KeyEncoder
from .fingerprint import hash_model
from .vectors import concatenate_keys

_UNREADABLE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile)


class EncodingCache:
    """A folder of arrays, by digest."""

    def __init__(self, folder: str | Path, encoder: KeyEncoder) -> None:
        """folder (str | Path): Made if missing.
        encoder (KeyEncoder): What is in front of the component is part of each digest.
        """
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._encoder = encoder

    @cached_property
    def _upstream(self) -> str:
        return _upstream(self._encoder)

    def path(self, texts: Sequence[AnnotatedText], *others: Any) -> Path:
        """Name the file for the encodings of some texts.

        texts (Sequence[AnnotatedText]): Their words count, and not their entities.
        others (Any): What else the contents depend on, as JSON.
        """
        digest = hashlib.sha256(self._upstream.encode())
        digest.update(json.dumps(others, sort_keys=True, default=str).encode())
        for text in texts:
            parts: list[Any] = [text.words, text.spaces, text.sentence_starts]
            if text.contexts is not None:
                parts.append(text.contexts)
            digest.update(json.dumps(parts).encode())
        return self.folder / f"{digest.hexdigest()[:32]}.npz"

    def read(self, path: Path) -> dict[str, np.ndarray] | None:
        """Read arrays; None if they are not there, or not readable any more."""
        try:
            with np.load(path, allow_pickle=False) as saved:
                return {name: saved[name] for name in saved.files}
        except _UNREADABLE:
            return None

    def write(self, path: Path, **arrays: np.ndarray) -> None:
        """Write arrays. The file is complete, if it exists."""
        # A name of its own, for another process may be writing the same.
        partial = path.with_suffix(f".{os.getpid()}.part")
        with writing(self.folder):
            with partial.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            partial.replace(path)

    def keys(
        self, encoder: KeyEncoder, texts: list[AnnotatedText], scheme: str
    ) -> tuple[str, list[TokenKeys]]:
        """Encode texts, or read what was encoded; see `KeyEncoder.keys`."""
        path = self.path(texts, "keys", scheme)
        saved = self.read(path)
        if saved is not None:
            return str(saved["scheme"]), _split_keys(saved)
        scheme, keys = encoder.keys(texts, scheme)
        self.keep(path, scheme, keys)
        return scheme, keys

    def keep(self, path: str | Path, scheme: str, keys: list[TokenKeys]) -> None:
        """Write keys.

        path (str | Path): From `path`.
        scheme (str), keys (list[TokenKeys]): As from `KeyEncoder.keys`.
        """
        with_keys = [key.vectors for key in keys if len(key)]
        self.write(
            Path(path),
            scheme=np.array(scheme),
            vectors=np.concatenate(with_keys) if with_keys else np.zeros((0, 0), "f4"),
            tokens=np.concatenate([key.tokens for key in keys]),
            n_keys=np.array([len(key) for key in keys]),
            n_tokens=np.array([key.n_tokens for key in keys]),
        )

    def remove(self) -> None:
        """Delete what was written; anything else in the folder stays."""
        for path in [*self.folder.glob("*.npz"), *self.folder.glob("*.part")]:
            path.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


def encode(
    reader: BatchReader,
    docs: Sequence[Doc],
    *,
    cache: str | Path | None = None,
    batch_size: int = 64,
    show_progress: bool = False,
) -> TokenBatch:
    """Encode a corpus: p_base and keys, as if it had passed through the pipeline.

    reader (BatchReader): With entries in its datastore.
    docs (Sequence[Doc]): Their words are encoded; their entities are not read.
    cache (str | Path | None): A folder for an `EncodingCache`. Default: none.
    batch_size (int): Docs encoded at once. Default: 64.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (TokenBatch): Of all Docs, one after the other.
    RAISES (KnnNerError): If there is no token in them, the datastore was built with
        another encoder, or a search for contexts fails.
    """
    if not any(map(len, docs)):
        raise KnnNerError(Errors.E063)
    encoder, datastore = reader.encoder, reader.datastore
    words = [token.text for doc in docs for token in doc]
    texts: list[AnnotatedText] = []
    for some_docs in util.minibatch(docs, size=batch_size):
        new = [annotated_text(doc, encoder.name) for doc in some_docs]
        texts += encoder.with_contexts(new)
    store = None if cache is None else EncodingCache(cache, encoder)
    if store is not None:
        tag_set = datastore.tag_set
        confidence = reader.settings.base_confidence
        path = store.path(texts, "batch", confidence, tag_set.scheme, tag_set.labels)
        saved = store.read(path)
        if saved is not None:
            batch = _saved_batch(saved, words)
            encoder.check(datastore)
            datastore.check_width(batch.keys.vectors)
            return batch
    batches = []
    bar = tqdm(texts, desc="Encoding", unit="doc", disable=not show_progress)
    for some in util.minibatch(bar, size=batch_size):
        batches.append(reader.read(encoder.docs(list(some))))
    batch = _concatenated(batches, words)
    if store is not None:
        store.write(
            path,
            scheme=np.array(batch.tag_set.scheme),
            labels=np.array(batch.tag_set.labels, dtype=str),
            lengths=np.array(batch.lengths, dtype=np.int64),
            p_base=batch.p_base,
            vectors=batch.keys.vectors,
            tokens=batch.keys.tokens,
        )
    return batch


def _concatenated(batches: list[TokenBatch], words: list[str]) -> TokenBatch:
    tag_set = batches[0].tag_set
    for batch in batches:
        tag_set = TagSet(batch.tag_set.scheme, tag_set.labels)
        tag_set = tag_set.union(batch.tag_set.labels)
    p_base = np.zeros((sum(map(len, batches)), len(tag_set)))
    row = 0
    for batch in batches:
        p_base[row : row + len(batch), batch.tag_set.columns_in(tag_set)] = batch.p_base
        row += len(batch)
    lengths = [length for batch in batches for length in batch.lengths]
    keys = concatenate_keys([batch.keys for batch in batches])
    return TokenBatch(tag_set, lengths, words, p_base, keys)


def _saved_batch(saved: dict[str, np.ndarray], words: list[str]) -> TokenBatch:
    tag_set = TagSet(str(saved["scheme"]), tuple(map(str, saved["labels"])))
    keys = TokenKeys(saved["vectors"], saved["tokens"], len(saved["p_base"]))
    lengths = saved["lengths"].tolist()
    return TokenBatch(tag_set, lengths, words, saved["p_base"], keys)


def _split_keys(saved: dict[str, np.ndarray]) -> list[TokenKeys]:
    ends = np.cumsum(saved["n_keys"])[:-1]
    columns = zip(
        np.split(saved["vectors"], ends),
        np.split(saved["tokens"], ends),
        saved["n_tokens"].tolist(),
        strict=True,
    )
    return [TokenKeys(*column) for column in columns]


def _hash_entries(datastore: Datastore) -> str:
    """A SHA-256 over what a datastore is searched for."""
    digest = hashlib.sha256(repr(datastore.tag_set.tags).encode())
    for table in datastore.tables.values():
        for column in (table.keys, table.entries, table.tags):
            digest.update(np.ascontiguousarray(column.array()).data)
        digest.update(table.removed.data)
    return digest.hexdigest()


def _upstream(encoder: KeyEncoder) -> str:
    """Everything in front of the component that encodings depend on."""
    nlp, parts = encoder.nlp, []
    for name, component in nlp.components:
        if component is encoder.component:
            break
        model = getattr(component, "model", None)
        weights = hash_model(model, nlp) if isinstance(model, Model) else None
        labels = list(getattr(component, "labels", ()))
        store = getattr(component, "datastore", None)  # of another knn_ner
        entries = _hash_entries(store) if isinstance(store, Datastore) else None
        parts.append([name, nlp.get_pipe_config(name), labels, weights, entries])
    # Another version may compute keys otherwise.
    versions = [spacy_version, version("spacy-knn-ner")]
    is_projected = encoder.projection is not None
    projection = encoder.projection_digest() if is_projected else None
    settings = {**vars(encoder.settings), "projection": projection}
    everything = [parts, nlp.config["nlp"], settings, versions]
    return json.dumps(everything, sort_keys=True, default=str)
