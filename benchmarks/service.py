"""Measure the API under load: clients that send requests for a while, and `nlp.pipe` in
this process on the same texts, by turns.

python benchmarks/service.py model test.spacy --output service.json
"""

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs


@contextmanager
def serving(model: Path) -> Any:
    """The API in a process of its own. Yields its port."""
    code = "from spacy_knn_ner.cli.app import app; app()"
    command = [sys.executable, "-W", "ignore", "-uc", code, "serve", str(model)]
    command += ["--api", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None
            yield int(found[1])
        finally:
            process.terminate()


def load(
    port: int, texts: list[str], n_clients: int, size: int, seconds: float
) -> tuple[list[float], list[int], int]:
    """Send requests. Times of the requests, texts that were answered, and errors."""
    latencies: list[float] = []
    answered: list[int] = []
    errors: list[str] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        numbers = np.random.default_rng(number)
        while time.perf_counter() < end:
            chosen = numbers.integers(0, len(texts), size).tolist()
            body = json.dumps({"texts": [texts[i] for i in chosen]})
            headers = {"Content-Type": "application/json"}
            started = time.perf_counter()
            try:
                connection.request("POST", "/v1/entities", body, headers)
                answer = connection.getresponse()
                found = json.loads(answer.read())
                if answer.status != 200 or len(found["entities"]) != size:
                    errors.append(str(found))
            except (OSError, ValueError, http.client.HTTPException) as error:
                errors.append(repr(error))
                connection.close()
            latencies.append(time.perf_counter() - started)
            answered.extend(chosen)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(n_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors[:3]:
        msg.warn(error)
    return latencies, answered, len(errors)


def main(
    model: Annotated[Path, typer.Argument(help="A folder with a pipeline.")],
    corpus: Annotated[Path, typer.Argument(help="Docs whose texts are sent.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    clients: Annotated[int, typer.Option(help="At the same time.")] = 32,
    size: Annotated[int, typer.Option(help="Texts per request.")] = 8,
    seconds: Annotated[float, typer.Option(help="Of each round.")] = 30.0,
    rounds: Annotated[int, typer.Option(help="Medians are reported.")] = 2,
) -> None:
    """Time both, several times."""
    nlp = spacy.load(model)
    docs = read_docs(corpus, nlp.vocab)
    texts, words = [doc.text for doc in docs], [len(doc) for doc in docs]
    rates: dict[str, list[float]] = {"service": [], "nlp.pipe": []}
    latencies: list[float] = []
    n_errors = 0
    for _ in range(rounds):
        with serving(model) as port:
            load(port, texts, clients, size, 3.0)  # until it is warm
            started = time.perf_counter()
            found, answered, wrong = load(port, texts, clients, size, seconds)
            taken = time.perf_counter() - started
        latencies, n_errors = latencies + found, n_errors + wrong
        rates["service"].append(sum(words[i] for i in answered) / taken)
        given = answered[: max(256, len(answered) // 4)]
        started = time.perf_counter()
        for _doc in nlp.pipe([texts[i] for i in given]):
            pass
        taken = time.perf_counter() - started
        rates["nlp.pipe"].append(sum(words[i] for i in given) / taken)
    ratios = [a / b for a, b in zip(rates["service"], rates["nlp.pipe"], strict=True)]
    report = {
        "clients": clients,
        "texts_per_request": size,
        "requests": len(latencies),
        "errors": n_errors,
        "p50": float(np.percentile(latencies, 50)),
        "p99": float(np.percentile(latencies, 99)),
        "words_per_second": rates,
        "ratio": float(np.median(ratios)),
    }
    srsly.write_json(output, report)
    msg.good(f"{output}: {report}")


if __name__ == "__main__":
    typer.run(main)
