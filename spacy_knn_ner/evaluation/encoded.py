"""What the components in front leave on a corpus: computed once, kept on disk."""

import hashlib
import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from spacy import __version__ as spacy_version
from spacy import util
from spacy.tokens import Doc
from tqdm import tqdm

from ..errors import Errors, KnnNerError
from ..pipeline.fingerprint import hash_model
from ..pipeline.keys import joined
from ..pipeline.knn_ner import KnnNer
from ..pipeline.labelled import labelled_text
from ..pipeline.mixing import Queries
from ..tags import TagSet
from ..ty import TokenKeys


def encode(
    knn: KnnNer,
    docs: Sequence[Doc],
    *,
    cache: str | Path | None = None,
    batch_size: int = 64,
    show_progress: bool = False,
) -> Queries:
    """p_NER and keys of a corpus, as if it had passed through the pipeline.

    knn (KnnNer): With entries in its datastore.
    docs (Sequence[Doc]): Their words are encoded; their entities are not looked at.
    cache (str | Path | None): A folder for what was computed, by a hash over the
        components in front, the key settings and the words. Default: none.
    batch_size (int): Docs encoded at once.
    show_progress (bool): Show a progress bar. Default: False.
    RETURNS (Queries): Of all Docs, one after the other.
    RAISES (KnnNerError): If there is no token in them, or the datastore was built with
        another encoder.
    """
    if not any(map(len, docs)):
        raise KnnNerError(Errors.E063)
    words = [token.lower_ for doc in docs for token in doc]
    path = None
    if cache is not None:
        path = Path(cache) / f"{_digest(knn, docs)}.npz"
        if path.exists():
            queries = _load(path, words)
            knn.encoder.check(knn.datastore)
            knn.datastore.check_width(queries.keys.vectors)
            return queries
    batches = []
    shown = tqdm(docs, desc="Encoding", unit="doc", disable=not show_progress)
    for batch in util.minibatch(shown, size=batch_size):
        texts = [labelled_text(doc, knn.name) for doc in batch]
        batches.append(knn.queries(knn.encoder.docs(texts)))
    queries = _joined(batches, words)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(queries, path)
    return queries


def _joined(batches: list[Queries], words: list[str]) -> Queries:
    tag_set = batches[0].tag_set
    for batch in batches:
        tag_set = TagSet(batch.tag_set.scheme, tag_set.labels)
        tag_set = tag_set.union(batch.tag_set.labels)
    p_ner = np.zeros((sum(len(b.p_ner) for b in batches), len(tag_set)))
    row = 0
    for batch in batches:
        columns = [tag_set.ids[tag] for tag in batch.tag_set.tags]
        p_ner[row : row + len(batch.p_ner), columns] = batch.p_ner
        row += len(batch.p_ner)
    lengths = [length for batch in batches for length in batch.lengths]
    keys = joined([batch.keys for batch in batches])
    return Queries(tag_set, lengths, words, p_ner, keys)


def _digest(knn: KnnNer, docs: Sequence[Doc]) -> str:
    """Over everything that the result depends on."""
    nlp = knn.nlp
    front: list[Any] = []
    for name, component in nlp.components:
        if component is knn:
            break
        model = getattr(component, "model", None)
        weights = None if model is None else hash_model(model, nlp)
        labels = list(getattr(component, "labels", ()))
        front.append([name, nlp.get_pipe_config(name), labels, weights])
    about = [front, nlp.lang, knn.settings.config()["keys"]]
    about += [
        knn.base_confidence,
        knn.tag_set.scheme,
        knn.labels,
        spacy_version,
        package_version(),
    ]
    found = hashlib.sha256(json.dumps(about, default=str).encode())
    for doc in docs:
        text = labelled_text(doc, knn.name)
        parts = [text.words, text.spaces, text.sentence_starts]
        found.update(json.dumps(parts).encode())
    return found.hexdigest()[:32]


def package_version() -> str:
    """Of this package: another one may compute keys otherwise."""
    return version("spacy-knn-ner")


def _save(queries: Queries, path: Path) -> None:
    # A name of its own, for another process may be writing the same.
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(
        partial,
        scheme=np.array(queries.tag_set.scheme),
        labels=np.array(queries.tag_set.labels, dtype=str),
        lengths=np.array(queries.lengths, dtype=np.int64),
        p_ner=queries.p_ner,
        vectors=queries.keys.vectors,
        tokens=queries.keys.tokens,
    )
    partial.replace(path)


def _load(path: Path, words: list[str]) -> Queries:
    with np.load(path, allow_pickle=False) as saved:
        tag_set = TagSet(str(saved["scheme"]), tuple(map(str, saved["labels"])))
        p_ner = saved["p_ner"]
        keys = TokenKeys(saved["vectors"], saved["tokens"], len(p_ner))
        return Queries(tag_set, saved["lengths"].tolist(), words, p_ner, keys)
