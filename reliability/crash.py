"""Kill processes while they save, and look at what they leave.

python reliability/crash.py --kills 1000 --output crash.json

A process adds one correction after the other, saves each, and acknowledges it. It is
killed (SIGKILL) at a random time. What is loaded then must have every correction that
was acknowledged, perhaps the one that was just being saved, and nothing else.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from small_model import answers, saved
from tqdm import tqdm
from wasabi import msg

from spacy_knn_ner.cli.app import app
from spacy_knn_ner.components.memory.pipelines import save_pipeline
from spacy_knn_ner.datastore.datastore import CORRECTIONS, Datastore
from spacy_knn_ner.datastore.disk.manifest import read

Work = Callable[[Path, Any, int], None]


def save_component(folder: Path, nlp: Any, i: int) -> None:
    """Add a correction, and save the component alone."""
    knn = nlp.get_pipe("knn_ner")
    knn.teach(text_of(i), {f"Word{i}": "THING"})
    knn.to_disk(folder / "knn_ner")


def save_whole(folder: Path, nlp: Any, i: int) -> None:
    """Add a correction, and save the pipeline over itself."""
    nlp.get_pipe("knn_ner").teach(text_of(i), {f"Word{i}": "THING"})
    save_pipeline(nlp, folder)


def run_verb(folder: Path, nlp: Any, i: int) -> None:
    """`spacy knn add`, which loads the pipeline by itself."""
    arguments = [str(folder), "--text", text_of(i), "--span", f"Word{i}=THING"]
    app(["add", *arguments, "--json"], standalone_mode=False)


WORK: dict[str, Work] = {
    "component": save_component,
    "pipeline": save_whole,
    "verb": run_verb,
}


def text_of(i: int) -> str:
    """The text of a correction."""
    return f"we saw Word{i} there"


def kill_once(work: Work, folder: Path, n_saved: int, seconds: float) -> int:
    """Run work in a process of its own, and kill it.

    RETURNS (int): The number of corrections that were acknowledged.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            nlp = None if work is run_verb else spacy.load(folder)
            os.write(writing, b"!")  # from here on
            for i in range(n_saved, n_saved + 10_000):
                work(folder, nlp, i)
                os.write(writing, b".")
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    acknowledged = 0
    while part := os.read(reading, 1 << 16):
        acknowledged += len(part)
    os.close(reading)
    return n_saved + acknowledged


def check(folder: Path, acknowledged: int, expected: Any) -> tuple[str, int]:
    """Load what was left.

    RETURNS (tuple[str, int]): What is wrong with it, or ""; and how many corrections
        there are.
    """
    try:
        store = Datastore().from_disk(folder / "knn_ner" / "datastore", verify=True)
        nlp = spacy.load(folder)
    except Exception as error:
        return f"not loaded: {error}", acknowledged
    texts = [store.example(i).annotated.text for i in store.examples.ids(CORRECTIONS)]
    n = len(texts) - 1  # the pipeline was made with one
    if not acknowledged <= n <= acknowledged + 1:
        return f"{n} corrections instead of {acknowledged}", n
    if texts[1:] != [text_of(i) for i in range(n)]:
        return "other corrections", n
    if answers(nlp) != expected:
        return "other entities", n
    return "", n


def run(kills: int, what: str, longest: float, seed: int) -> dict[str, Any]:
    """Kill so many processes.

    kills (int): How many.
    what (str): Of `WORK`.
    longest (float): Seconds, at most, until one is killed.
    seed (int): Of the times.
    RETURNS (dict[str, Any]): Counts.
    """
    times = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        original = saved(Path(temporary) / "original")
        expected = answers(spacy.load(original))
        folder, n_saved, wrong, total, remains = Path(temporary) / "m", 0, [], 0, 0
        shutil.copytree(original, folder)
        for _ in tqdm(range(kills), desc=what):
            if n_saved > 40:  # a small store is saved quickly, and killed more often
                shutil.rmtree(folder)
                shutil.copytree(original, folder)
                n_saved = 0
            before = n_saved
            acknowledged = kill_once(
                WORK[what], folder, n_saved, times.uniform(0, longest)
            )
            reason, n_saved = check(folder, acknowledged, expected)
            total += n_saved - before
            remains += len(left_behind(folder)) > 0
            if reason:
                wrong.append(reason)
                shutil.rmtree(folder)
                shutil.copytree(original, folder)
                n_saved = 0
    return {
        "what": what,
        "kills": kills,
        "saves that succeeded": total,
        "kills that left files behind": remains,
        "wrong": wrong,
    }


def left_behind(folder: Path) -> list[Path]:
    """Files of saves that were interrupted."""
    datastore = folder / "knn_ner" / "datastore"
    current = f"gen-{read(datastore).generation}"
    others = [path for path in datastore.glob("gen-*") if path.name != current]
    return [*others, *folder.parent.glob(f".{folder.name}.new*")]


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    kills: Annotated[int, typer.Option(help="Of each kind of work.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the times.")] = 0,
) -> None:
    """Kill processes that save a component, a whole pipeline, and `spacy knn add`."""
    longest = {"component": 0.15, "pipeline": 0.4, "verb": 1.5}
    rows = [run(kills, what, longest[what], seed) for what in WORK]
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)
    columns = list(rows[0])
    msg.table(
        [[row[c] if c != "wrong" else len(row[c]) for c in columns] for row in rows],
        header=columns,
    )
    if any(row["wrong"] for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
