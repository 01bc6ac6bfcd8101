"""Leave a pipeline alone: predict, teach, forget and save for an hour.

python reliability/soak.py --minutes 60 --output soak.json --plot docs/soak.png

Threads predict while one adds and forgets corrections and another one saves; a process
of its own loads what was saved. Predictions of texts that no correction is about must
stay the same; at the end the store must hold what a plain model says.
"""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from small_model import TEXTS, answers, saved
from wasabi import msg

from spacy_knn_ner.components.memory.pipelines import save_pipeline
from spacy_knn_ner.datastore.datastore import CORRECTIONS

_WINDOW = 10.0  # seconds of a point in the picture
_READER = """
import sys, time
sys.path.insert(0, sys.argv[1])
import spacy
from small_model import answers
n = 0
while True:
    answers(spacy.load(sys.argv[2]))
    n += 1
    print(n, flush=True)
    time.sleep(0.5)
"""


class Soak:
    """What the threads share.

    errors (list[str]): What went wrong.
    latencies (list[tuple[float, float]]): When a text was predicted, and how long it
        took, in seconds.
    words (dict[str, list[int]]): The corrections that there should be: ids by word.
    """

    def __init__(self, folder: Path) -> None:
        """folder (Path): With the pipeline."""
        self.folder, self.nlp = folder, spacy.load(folder)
        self.knn: Any = self.nlp.get_pipe("knn_ner")
        self.expected = answers(self.nlp)
        self.errors: list[str] = []
        self.latencies: list[tuple[float, float]] = []
        self.words: dict[str, list[int]] = {}
        self.n_saved = 0
        self.stop = threading.Event()

    def run(self, work: Any) -> None:
        """Repeat work until the end, or until something is wrong."""
        numbers = random.Random(work.__name__)
        try:
            while not self.stop.is_set():
                work(numbers)
        except BaseException as error:
            self.errors.append(f"{work.__name__}: {type(error).__name__}: {error}")
            self.stop.set()

    def predict(self, numbers: random.Random) -> None:
        """A text that no correction is about, and one that perhaps some are."""
        i = numbers.randrange(len(TEXTS))
        start = time.perf_counter()
        doc = self.nlp(TEXTS[i])
        now = time.perf_counter()
        self.latencies.append((now, now - start))
        found = [(e.start, e.end, e.label_) for e in doc.ents]
        expected = [ent[:3] for ent in self.expected[i]]
        if found != expected:
            raise ValueError(f"{TEXTS[i]}: {found} instead of {expected}")
        self.nlp(f"we saw Word{numbers.randrange(200)} there")

    def edit(self, numbers: random.Random) -> None:
        """Add or forget a correction; it must take effect at once."""
        word = f"Word{numbers.randrange(200)}"
        text = f"we saw {word} there"
        if word in self.words:
            self.knn.forget(self.words.pop(word))
        else:
            self.words[word] = self.knn.teach(text, {word: "THING"}).ids
        labels = [ent.label_ for ent in self.nlp(text).ents]
        if ("THING" in labels) != (word in self.words):
            raise ValueError(f"{word}: {labels}, taught: {word in self.words}")
        time.sleep(0.01)

    def save(self, numbers: random.Random) -> None:
        """Save the component, or the whole pipeline."""
        if numbers.random() < 0.5:
            self.knn.to_disk(self.folder / "knn_ner")
        else:
            save_pipeline(self.nlp, self.folder)
        self.n_saved += 1
        time.sleep(0.2)

    def check(self) -> None:
        """Compare the store with the plain model, in memory and on disk."""
        save_pipeline(self.nlp, self.folder)
        loaded: Any = spacy.load(self.folder).get_pipe("knn_ner")
        for knn in (self.knn, loaded):
            store = knn.datastore
            texts = [store.example(i).annotated.words[2] for i in ids_of(store)]
            if sorted(texts) != sorted([*self.words, "in"]):
                self.errors.append(f"{len(texts)} corrections, not those of the model")


def ids_of(store: Any) -> list[int]:
    """Of the corrections."""
    return store.examples.ids(CORRECTIONS)


def memory() -> int:
    """Resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def plot(points: list[dict[str, float]], path: Path) -> None:
    """Draw latencies and memory over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    minutes = [point["minute"] for point in points]
    for name in ("p50 ms", "p99 ms"):
        left.plot(minutes, [point[name] for point in points], label=name)
    left.set(xlabel="minutes", ylabel="ms per text", ylim=0)
    left.legend(frameon=False)
    right.plot(minutes, [point["MiB"] for point in points])
    right.set(xlabel="minutes", ylabel="resident memory, MiB", ylim=0)
    figure.savefig(path, dpi=120)


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    minutes: Annotated[float, typer.Option(help="How long.")] = 60.0,
    figure: Annotated[Path | None, typer.Option("--plot", help="PNG.")] = None,
) -> None:
    """Run all of it, and report latencies and memory."""
    with tempfile.TemporaryDirectory() as temporary:
        soak = Soak(saved(Path(temporary) / "model"))
        work = [soak.predict, soak.predict, soak.edit, soak.save]
        threads = [threading.Thread(target=soak.run, args=(step,)) for step in work]
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", _READER, here, str(soak.folder)]
        begin, points = time.perf_counter(), list[dict[str, float]]()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            for thread in threads:
                thread.start()
            while not soak.stop.is_set():
                soak.stop.wait(_WINDOW)
                now = time.perf_counter()
                taken, soak.latencies = soak.latencies, []
                ms = [1000 * seconds for _, seconds in taken] or [np.nan]
                point = {
                    "minute": (now - begin) / 60,
                    "p50 ms": float(np.percentile(ms, 50)),
                    "p99 ms": float(np.percentile(ms, 99)),
                    "texts": len(taken),
                    "MiB": memory() / 2**20,
                }
                points.append(point)
                if reader.poll() is not None:
                    soak.errors.append(f"the reader ended with {reader.returncode}")
                    soak.stop.set()
                if now - begin > 60 * minutes:
                    soak.stop.set()
            for thread in threads:
                thread.join()
            reader.terminate()
            assert reader.stdout is not None
            loads = reader.stdout.read().splitlines()
        soak.check()
    found = {
        "minutes": points[-1]["minute"],
        "texts": sum(point["texts"] for point in points),
        "saves": soak.n_saved,
        "loads in another process": int(loads[-1]) if loads else 0,
        "errors": soak.errors,
        "points": points,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)
    if figure is not None:
        plot(points, figure)
    msg.table([(k, v) for k, v in found.items() if k != "points"])
    if soak.errors:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
