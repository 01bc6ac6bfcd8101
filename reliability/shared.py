"""A store in PostgreSQL: see a correction from other processes, kill the server while
processes add and search, and let many processes change the store at once.

python reliability/shared.py --output shared.json

Every correction is a pair of texts that are added in one step. Each one that was
acknowledged must be there after a kill, and a pair is never seen by half.
"""

import multiprocessing
import random
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import postgres
import spacy
import srsly
import typer
from small_model import pipeline
from spacy.language import Language
from wasabi import msg

from spacy_knn_ner.datastore.datastore import CORRECTIONS, Datastore
from spacy_knn_ner.datastore.postgres.place import Postgres
from spacy_knn_ner.errors import KnnNerError

PLACE = "spacy_knn_ner.Postgres.v1"
AWAY = "KNN-E118"
SPAWN = multiprocessing.get_context("spawn")


def texts_of(writer: int, i: int) -> list[tuple[str, dict[str, str]]]:
    """The two texts of a correction."""
    words = f"W{writer}x{i}a", f"W{writer}x{i}b"
    return [(f"we saw {word} there", {word: "THING"}) for word in words]


def component_of(nlp: Language) -> Any:
    """The component."""
    return nlp.get_pipe("knn_ner")


def pairs(datastore: Datastore) -> dict[str, int]:
    """How many texts there are of each correction, by source."""
    counts: dict[str, int] = {}
    with datastore.home.reading(datastore):
        entries = datastore.corrections.entries.array()["example_id"]
        alive = set(entries[~datastore.corrections.removed].tolist())
        for example in datastore.examples:
            source = example.source
            if example.part == CORRECTIONS and source:
                counts[source] = counts.get(source, 0) + (example.example_id in alive)
    return counts


def write(folder: Path, writer: int, stop: Event, acknowledged: Any) -> None:
    """Add corrections until it is told to stop; what fails is tried no more."""
    knn = component_of(spacy.load(folder))
    acknowledged.put(("ready", writer))
    i = 0
    while not stop.is_set():
        i += 1
        try:
            knn.add(texts_of(writer, i), source=f"{writer}:{i}")
        except KnnNerError as error:
            if error.code != AWAY:
                acknowledged.put(("wrong", f"{error}"))
            time.sleep(0.05)
        else:
            acknowledged.put(("added", f"{writer}:{i}"))
    acknowledged.put(("ended", {"written": i}))


def read(folder: Path, stop: Event, found: Any) -> None:
    """Predict, and look for halves."""
    nlp = spacy.load(folder)
    knn, n_texts, n_away, n_known = component_of(nlp), 0, 0, 0
    found.put(("ready", folder))
    while not stop.is_set():
        try:
            doc = nlp("we saw W0x1a there")  # its setting says: go on
            n_known += any(ent.label_ == "THING" for ent in doc.ents)
            n_texts += 1
            halves = [s for s, n in pairs(knn.datastore).items() if n != 2]
            if halves:
                found.put(("wrong", f"half seen: {halves}"))
        except KnnNerError as error:
            n_away += 1
            if error.code != AWAY:
                found.put(("wrong", f"{error}"))
        except Exception as error:
            found.put(("wrong", repr(error)))
    found.put(("ended", {"texts": n_texts, "away": n_away, "known": n_known}))


def saved(folder: Path, url: str, when_away: str) -> Path:
    """A pipeline whose store is on the server."""
    nlp: Language = pipeline()
    store = {"@knn_stores": PLACE, "url": url, "when_away": when_away}
    component_of(nlp).set_settings(store={**store, "name": "kills"})
    nlp.to_disk(folder)
    return folder


def kill(kills: int, seed: int) -> dict[str, Any]:
    """Kill the server so many times.

    kills (int): How many.
    seed (int): Of the times.
    RETURNS (dict[str, Any]): Counts.
    """
    times = random.Random(seed)
    wrong: set[str] = set()
    added: set[str] = set()
    reports: list[dict[str, int]] = []
    results, stop = SPAWN.Queue(), SPAWN.Event()
    with (
        tempfile.TemporaryDirectory() as temporary,
        postgres.running(Path(temporary) / "server") as server,
    ):
        strict = saved(Path(temporary) / "strict", server.url, "raise")
        lenient = saved(Path(temporary) / "lenient", server.url, "tagger")
        before = set(pairs(component_of(spacy.load(strict)).datastore))
        processes = [
            SPAWN.Process(target=write, args=(strict, i, stop, results))
            for i in range(2)
        ]
        processes += [
            SPAWN.Process(target=read, args=(folder, stop, results))
            for folder in (strict, lenient)
        ]
        for process in processes:
            process.start()
        n_ready = 0
        while n_ready < len(processes):
            what, value = results.get(timeout=300)
            if what == "ready":
                n_ready += 1
            else:
                (added if what == "added" else wrong).add(value)
        for _ in range(kills):
            time.sleep(times.uniform(0.3, 2))
            server.kill()
            time.sleep(times.uniform(0, 0.5))
            server.start()
            time.sleep(1)
        stop.set()
        n_ended = 0
        while n_ended < len(processes):
            what, value = results.get(timeout=120)
            if what == "added":
                added.add(value)
            elif what == "wrong":
                wrong.add(value)
            else:
                n_ended += 1
                reports.append(value)
        for process in processes:
            process.join()
        counts = pairs(component_of(spacy.load(strict)).datastore)
    there = set(counts) - before
    return {
        "kills": kills,
        "acknowledged": len(added),
        "lost": len(added - there),
        "halves": sum(counts[source] != 2 for source in there),
        "not acknowledged, but there": len(there - added),
        "processes": reports,
        "wrong": sorted(wrong),
    }


def watch(folder: Path, n: int, ready: Event, results: Any) -> None:
    """Predict one text after the other until it has its correction; and say when."""
    nlp = spacy.load(folder)
    nlp("we saw nothing there")
    ready.set()
    for i in range(n):
        ((text, _), _) = texts_of(0, i)
        while "THING" not in [ent.label_ for ent in nlp(text).ents]:
            pass
        results.put((i, time.time()))


def visible(n: int) -> dict[str, Any]:
    """Measure after how long two other processes predict what was corrected.

    n (int): Corrections.
    RETURNS (dict[str, Any]): Seconds from the beginning of `add` on.
    """
    results, ready = SPAWN.Queue(), [SPAWN.Event(), SPAWN.Event()]
    with (
        tempfile.TemporaryDirectory() as temporary,
        postgres.running(Path(temporary) / "server") as server,
    ):
        folder = saved(Path(temporary) / "model", server.url, "raise")
        readers = [
            SPAWN.Process(target=watch, args=(folder, n, event, results))
            for event in ready
        ]
        for reader in readers:
            reader.start()
        knn = component_of(spacy.load(folder))
        for event in ready:
            event.wait(300)
        delays, calls = [], []
        for i in range(n):
            started = time.time()
            knn.add(texts_of(0, i)[:1])
            calls.append(time.time() - started)
            found = [results.get(timeout=60) for _ in readers]
            assert {number for number, _ in found} == {i}
            delays += [seen - started for _, seen in found]
        for reader in readers:
            reader.join()
    return {
        "corrections": n,
        "call of add, median": round(float(np.median(calls)), 3),
        "median": round(float(np.median(delays)), 3),
        "longest": round(max(delays), 3),
    }


def change(url: str, writer: int, n: int, seed: int, results: Any) -> None:
    """Add and forget; the texts that are left."""
    nlp, numbers = pipeline(), random.Random(seed + writer)
    store = {"@knn_stores": PLACE, "url": url, "name": "crowd"}
    knn = component_of(nlp)
    knn.set_settings(store=store)
    left: dict[int, str] = {}
    for i in range(n):
        if left and numbers.random() < 0.4:
            knn.forget([gone := numbers.choice(list(left))])
            del left[gone]
        else:
            ((text, words), _) = texts_of(writer, i)
            (new,) = knn.add([(text, words)]).ids
            left[new] = text
    # What this process sees at the end has all of its own.
    seen = Postgres(url, "crowd").open()
    mine = {i: seen.example(i).annotated.text for i in left}
    results.put((left, mine == left))


def crowd(processes: int, n: int, seed: int) -> dict[str, Any]:
    """Let many processes add and forget.

    processes (int): How many.
    n (int): Changes of each.
    seed (int): Of what they do.
    RETURNS (dict[str, Any]): Counts.
    """
    with (
        tempfile.TemporaryDirectory() as temporary,
        postgres.running(Path(temporary) / "server") as server,
    ):
        nlp = pipeline()
        block = {"@knn_stores": PLACE, "url": server.url, "name": "crowd"}
        component_of(nlp).set_settings(store=block)
        store = Postgres(server.url, "crowd").open()
        expected = {e.example_id: e.annotated.text for e in store.examples}
        results = SPAWN.Queue()
        started = time.perf_counter()
        running = [
            SPAWN.Process(target=change, args=(server.url, i, n, seed, results))
            for i in range(processes)
        ]
        for process in running:
            process.start()
        wrong = 0
        for _ in running:
            left, own = results.get(timeout=3600)
            expected |= left
            wrong += not own
        for process in running:
            process.join()
        taken = time.perf_counter() - started
        final = Postgres(server.url, "crowd").open()
        with final.home.reading(final):
            found = {e.example_id: e.annotated.text for e in final.examples}
            corrected = set(final.examples.ids(CORRECTIONS))
            ids = final.corrections.entries.array()["example_id"]
            entries = set(ids[~final.corrections.removed].tolist())
    return {
        "processes": processes,
        "changes": processes * n,
        "seconds": round(taken, 1),
        "left": len(found),
        "as expected": found == expected and entries == corrected,
        "wrong": wrong,
    }


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    kills: Annotated[int, typer.Option(help="Of the server.")] = 50,
    processes: Annotated[int, typer.Option(help="That change it at once.")] = 10,
    changes: Annotated[int, typer.Option(help="Of each of them.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Try all three."""
    found = {
        "visible": visible(100),
        "kill": kill(kills, seed),
        "crowd": crowd(processes, changes, seed),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, found)
    msg.info(f"{found}")
    bad = [*found["kill"]["wrong"], found["kill"]["lost"], found["kill"]["halves"]]
    bad += [not found["crowd"]["as expected"], found["crowd"]["wrong"]]
    if any(bad) or found["visible"]["longest"] > 1:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
