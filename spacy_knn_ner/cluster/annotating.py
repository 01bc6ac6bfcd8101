"""Annotating many texts: shards of JSON lines, in this process or on a cluster."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from spacy import util
from spacy.language import Language
from tqdm import tqdm

from ..components.knn_ner import KnnNer
from ..datastore.home import SharedHome
from ..errors import Errors, KnnNerError
from ..folders import write_text
from ..reading.texts import check_text, pipe_texts
from .pipelines import Traveled, packed
from .workers import Row, cluster, mapped

_NAME = "part-{:06}.jsonl"  # of a shard
_AT_ONCE = 1 << 13  # keys that are read
_MADE_BY = "made_by.json"


def annotated(nlp: Language, texts: list[str]) -> str:
    """Annotate texts.

    nlp (Language): The pipeline.
    texts (list[str]): The texts.
    RETURNS (str): One JSON object a line: `text`, and `spans` with `start`, `end`
        (characters), `label` and `score`.
    """
    lines = []
    with nlp.memory_zone():  # words of texts are not kept
        for doc in pipe_texts(nlp, texts):
            spans = [
                {
                    "start": ent.start_char,
                    "end": ent.end_char,
                    "label": ent.label_,
                    "score": ent._.knn_score if ent._.has("knn_score") else None,
                }
                for ent in doc.ents
            ]
            found = {"text": doc.text, "spans": spans}
            lines.append(json.dumps(found, ensure_ascii=False) + "\n")
    return "".join(lines)


class Annotator:
    """Annotates shards, in a process of its own."""

    def __init__(self, reference: Any, on_gpu: bool) -> None:
        """reference (ray.ObjectRef): To a packed pipeline.
        on_gpu (bool): Whether it predicts on a GPU.
        """
        import ray

        self._pipeline = Traveled(ray.get(reference), on_gpu=on_gpu)

    def __call__(self, row: Row) -> Row:
        """Annotate the texts of a row.

        row (Row): `path` and `texts`, JSON.
        RETURNS (Row): `path` and `lines`.
        """
        lines = annotated(self._pipeline.nlp, json.loads(row["texts"]))
        return {"path": row["path"], "lines": lines}


def annotate(
    nlp: Language,
    texts: Iterable[str],
    folder: Path,
    *,
    shard_size: int = 1000,
    address: str | None = None,
    workers: int | None = None,
    on_gpu: bool = False,
    show_progress: bool = True,
) -> int:
    """Annotate texts, and write a file per shard. Those that are there stay, so that
    what was interrupted goes on.

    nlp (Language): The pipeline.
    texts (Iterable[str]): The texts, always in the same order.
    folder (Path): Is made.
    shard_size (int): Texts per file. Default: 1,000.
    address (str | None): Of a cluster; see `cluster`. Default: this process.
    workers (int | None), on_gpu (bool): See `mapped`.
    show_progress (bool): Show a progress bar. Default: True.
    RETURNS (int): How many files were written.
    RAISES (KnnNerError): If the folder has other shards, or a text cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_made_by(folder, {"pipeline": _digest(nlp), "shard_size": shard_size})
    checked = (check_text(nlp, text) for text in texts)
    missing = _missing(folder, util.minibatch(checked, size=shard_size))
    if address is None:
        found = ((path, annotated(nlp, shard)) for path, shard in missing)
        return _write(found, show_progress)
    rows = [{"path": str(p), "texts": json.dumps(shard)} for p, shard in missing]
    with cluster(address) as ray:
        arguments = ray.put(packed(nlp)), on_gpu
        done = mapped(ray, rows, Annotator, arguments, workers=workers, on_gpu=on_gpu)
        return _write(((Path(r["path"]), r["lines"]) for r in done), show_progress)


def _digest(nlp: Language) -> str:
    """Of what decides about entities: settings, weights, and the stores' contents."""
    found = hashlib.sha256(nlp.config.to_str().encode())
    found.update(nlp.vocab.vectors.data.tobytes())
    for name, component in nlp.components:
        if isinstance(component, KnnNer):
            _add_store(component, found)
        elif hasattr(component, "to_bytes"):
            found.update(name.encode() + component.to_bytes(exclude=["vocab"]))
    return found.hexdigest()


def _add_store(knn: KnnNer, found: Any) -> None:
    with knn.memory.reading():
        datastore = knn.datastore
        home = datastore.home
        version = home.version if isinstance(home, SharedHome) else None
        about = datastore.tag_set.scheme, datastore.tag_set.labels, version
        found.update(repr((*about, knn.calibration)).encode())
        if datastore.projection is not None:
            found.update(datastore.projection.tobytes())
        for table in datastore.tables.values():
            there = np.flatnonzero(~table.removed)
            found.update(table.entries.take(there).tobytes())
            found.update(table.tags.take(there).tobytes())
            if version is None:
                for i in range(0, len(there), _AT_ONCE):
                    found.update(table.keys.take(there[i : i + _AT_ONCE]).tobytes())


def _check_made_by(folder: Path, made_by: dict[str, Any]) -> None:
    """Refuse a folder that another pipeline, or the same with another store, has begun.

    folder (Path): With the shards.
    made_by (dict[str, Any]): What the shards depend on.
    """
    file, text = folder / _MADE_BY, json.dumps(made_by)
    if file.exists() and file.read_bytes() != text.encode():
        raise KnnNerError(Errors.E131, path=folder)
    write_text(file, text)


def _missing(
    folder: Path, shards: Iterable[list[str]]
) -> Iterator[tuple[Path, list[str]]]:
    """The shards that are not there; those that are must have the same texts."""
    n = 0
    for shard in shards:
        path = folder / _NAME.format(n)
        n += 1
        if not path.exists():
            yield path, shard
        elif _texts_of(path) != shard:
            raise KnnNerError(Errors.E131, path=path)
    if (folder / _NAME.format(n)).exists():  # of a longer input
        raise KnnNerError(Errors.E131, path=folder)


def _texts_of(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf8") as lines:
            return [json.loads(line)["text"] for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise KnnNerError(Errors.E131, path=path) from error


def _write(shards: Iterator[tuple[Path, str]], show_progress: bool) -> int:
    n, hidden = 0, not show_progress
    for path, lines in tqdm(shards, "Annotating", unit="file", disable=hidden):
        write_text(path, lines)
        n += 1
    return n
