"""Damage every file of a saved pipeline in every way, and load it.

python reliability/corrupt.py --output corrupt.json

Each of {5 bits flipped, truncated, emptied, removed, swapped with another file} is
tried in a process of its own. A file of `knn_ner` must give an error with a code that
names the file; the rest of a pipeline is read by spaCy.
"""

import os
import pickle
import select
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from small_model import answers, saved
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.errors import KnnNerError

INDEXES = ("spacy_knn_ner.Exact.v1", "IVF4,SQ8")
_SECONDS = 60  # until a process counts as hung


def damages(path: Path, other: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Ways to damage a file, with their names."""
    data = path.read_bytes()
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = min(len(data) - 1, int(share * len(data)))
        if data:
            flipped = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            yield f"bit flipped at {share:.0%}", partial(path.write_bytes, flipped)
    yield "truncated", partial(path.write_bytes, data[: len(data) // 2])
    yield "emptied", partial(path.write_bytes, b"")
    yield "removed", path.unlink
    yield "swapped", partial(shutil.copyfile, other, path)


def outcome(folder: Path, name: str, expected: Any) -> str:
    """Load a damaged pipeline, and compare what it says."""
    try:
        nlp = spacy.load(folder)
        found = answers(nlp)
        knn: Any = nlp.get_pipe("knn_ner")
        knn.datastore.verify()
    except KnnNerError as error:
        return "error with a code" if name in str(error) else "error, file not named"
    except Exception:
        return "error without a code"
    return "the same answers" if found == expected else "OTHER ANSWERS"


def in_a_process(*arguments: Any) -> str:
    """Call `outcome` where a crash or a hang does no harm."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.write(writing, pickle.dumps(outcome(*arguments)))
        finally:
            os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], _SECONDS)
    data = os.read(reading, 1 << 16) if ready else b""
    if not ready:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    os.close(reading)
    if not ready:
        return "HANG"
    return pickle.loads(data) if data else f"CRASH ({status})"


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
) -> None:
    """Damage one file after the other, with an exact and an approximate index."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, index in enumerate(INDEXES):
            original = saved(Path(temporary) / f"original{number}", index)
            expected = answers(spacy.load(original))
            files = sorted(p for p in original.rglob("*") if p.is_file())
            files = [path for path in files if path.name != ".lock"]
            for path, other in zip(tqdm(files), files[1:] + files[:1], strict=True):
                where = path.relative_to(original)
                for i, (damage, _) in enumerate(damages(path, other)):
                    copy = Path(temporary) / "copy"
                    shutil.copytree(original, copy)
                    list(damages(copy / where, other))[i][1]()
                    found = in_a_process(copy, path.name, expected)
                    row = {"file": str(where), "damage": damage, "outcome": found}
                    rows.append({"index": index, **row})
                    shutil.rmtree(copy)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)
    ours = [row for row in rows if row["file"].startswith("knn_ner")]
    counts = {
        "knn_ner": Counter(row["outcome"] for row in ours),
        "other files": Counter(r["outcome"] for r in rows if r not in ours),
    }
    kinds = sorted(set().union(*counts.values()))
    msg.table(
        [[name, *(count[kind] for kind in kinds)] for name, count in counts.items()],
        header=["", *kinds],
    )
    wrong = [row for row in ours if row["outcome"] != "error with a code"]
    for row in wrong:
        msg.fail(f"{row['file']}, {row['damage']}: {row['outcome']}")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
