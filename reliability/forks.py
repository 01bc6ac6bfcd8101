"""Fork while another thread predicts, and predict in the child.

python reliability/forks.py --forks 400 --output forks.json

Python warns against it: a lock that another thread holds at the fork is never released
in the child. Locks of this package are made again there. BLIS, which multiplies the
matrices of spaCy's models on CPUs, has such a lock. So forks are also tried with
numpy's matrix products, and without `knn_ner`.
"""

import faulthandler
import os
import re
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
from thinc.api import NumpyOps, set_current_ops
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
        innermost = re.search(
            r'File ".*?([^/]+/[^/]+/[^/]+)", line', report.read_text()
        )
        return f"hang in {innermost[1] if innermost else 'an unknown place'}"
    return {b"=": "the same answers", b"!": "OTHER ANSWERS"}.get(found, "CRASH")


def while_predicting(nlp: Any, forks: int, report: Path) -> Counter[str]:
    """Fork again and again while a thread predicts."""
    stop = threading.Event()
    expected = answers(nlp)

    def predict() -> None:
        while not stop.is_set():
            list(nlp.pipe(TEXTS * 20))

    thread = threading.Thread(target=predict)
    thread.start()
    try:
        return Counter(in_a_child(nlp, expected, report) for _ in tqdm(range(forks)))
    finally:
        stop.set()
        thread.join()


def main(
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    forks: Annotated[int, typer.Option(help="How many.")] = 400,
) -> None:
    """Fork with BLIS, with numpy's matrix products, and without `knn_ner`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = saved(Path(temporary) / "model")
        report = Path(temporary) / "traceback"
        counts = {}
        for setup in ("BLIS", "numpy", "BLIS, without knn_ner"):
            set_current_ops(NumpyOps(use_blis=setup != "numpy"))
            without = ["knn_ner"] if "without" in setup else []
            nlp: Any = spacy.load(folder, exclude=without)
            counts[setup] = while_predicting(nlp, forks, report)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, counts)
    outcomes = sorted({outcome for setup in counts.values() for outcome in setup})
    rows = [[setup, *(found[o] for o in outcomes)] for setup, found in counts.items()]
    msg.table(rows, header=["", *outcomes])
    for setup, found in counts.items():
        known = [o for o in found if "thinc/" in o and setup != "numpy"]
        if set(found) - {"the same answers", *known}:
            raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
