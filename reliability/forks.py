"""Fork while another thread predicts, and predict in the child.

python reliability/forks.py --forks 400 --output forks.json

Python warns against it: a lock that another thread holds at the fork is never released
in the child. Those of this package are made again there.
"""

import faulthandler
import os
import select
import signal
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from small_model import TEXTS, answers, saved
from tqdm import tqdm
from wasabi import msg

_SECONDS = 20  # until a child counts as hung


def in_a_child(nlp: Any, expected: Any, report: Path) -> str:
    """Fork, predict there, and wait for it."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            with report.open("w") as file:
                faulthandler.dump_traceback_later(_SECONDS / 2, file=file)
                os.write(writing, b"=" if answers(nlp) == expected else b"!")
        finally:
            os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], _SECONDS)
    found = os.read(reading, 1) if ready else None
    os.close(reading)
    if found is None:
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    if found is None:
        return "HANG: " + " < ".join(report.read_text().splitlines()[1:5])
    return {b"=": "the same answers", b"!": "OTHER ANSWERS"}.get(found, "CRASH")


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    forks: Annotated[int, typer.Option(help="How many.")] = 400,
) -> None:
    """Fork again and again."""
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as temporary:
        nlp: Any = spacy.load(saved(Path(temporary) / "model"))
        expected = answers(nlp)

        def predict() -> None:
            while not stop.is_set():
                list(nlp.pipe(TEXTS * 20))

        thread = threading.Thread(target=predict)
        thread.start()
        report = Path(temporary) / "traceback"
        counts = Counter(
            in_a_child(nlp, expected, report) for _ in tqdm(range(forks), desc="forks")
        )
        stop.set()
        thread.join()
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, counts)
    msg.table(counts)
    if set(counts) != {"the same answers"}:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
