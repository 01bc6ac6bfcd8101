"""Annotating many texts: shards of JSON lines, in this process or on a cluster."""

import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from spacy import util
from spacy.language import Language
from tqdm import tqdm

from .pipelines import Traveled, packed
from .ray import Row, cluster, mapped


def annotated(nlp: Language, texts: list[str]) -> str:
    """Annotate texts.

    nlp (Language): The pipeline.
    texts (list[str]): The texts.
    RETURNS (str): One JSON object a line: `text`, and `spans` with `start`, `end`
        (characters), `label` and `score`.
    """
    lines = []
    with nlp.memory_zone():  # words of texts are not kept
        for doc in nlp.pipe(texts):
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
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = zip(count(), util.minibatch(texts, size=shard_size), strict=False)
    paths = ((folder / f"part-{i:06}.jsonl", list(shard)) for i, shard in shards)
    missing = ((path, shard) for path, shard in paths if not path.exists())
    if address is None:
        found = ((path, annotated(nlp, shard)) for path, shard in missing)
        return _write(found, show_progress)
    rows = [{"path": str(p), "texts": json.dumps(shard)} for p, shard in missing]
    with cluster(address) as ray:
        arguments = ray.put(packed(nlp)), on_gpu
        done = mapped(ray, rows, Annotator, arguments, workers=workers, on_gpu=on_gpu)
        return _write(((Path(r["path"]), r["lines"]) for r in done), show_progress)


def _write(shards: Iterator[tuple[Path, str]], show_progress: bool) -> int:
    """Write each file in one step."""
    n, hidden = 0, not show_progress
    for path, lines in tqdm(shards, "Annotating", unit="file", disable=hidden):
        partial = path.with_suffix(".partial")
        partial.write_text(lines, encoding="utf8")
        partial.replace(path)
        n += 1
    return n
