"""Entities depend neither on the batch nor on the number of processes."""

import json

import pytest
import spacy
from util import (
    TEXTS,
    annotated,
    annotated_docs,
    cnn_pipeline,
    knn_config,
    run_python,
    same,
    transformer_pipeline,
    view,
)

PIPE = """
import json, multiprocessing, sys
import spacy, torch

def view(doc):
    scores = doc.spans["knn_ner"].attrs["scores"]
    return [(e.start, e.end, e.label_, s) for e, s in zip(doc.ents, scores)]

if __name__ == "__main__":
    _, model, method, texts = sys.argv
    multiprocessing.set_start_method(method)
    torch.set_num_threads(2)
    nlp, texts = spacy.load(model), json.loads(texts)
    before = [view(doc) for doc in nlp.pipe(texts)]  # the parent has searched
    found = [view(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=7)]
    after = [view(doc) for doc in nlp.pipe(texts)]  # and goes on
    print(json.dumps([before, found, after]))
"""


@pytest.fixture(scope="module", params=["cnn", "transformer"])
def model(request, tmp_path_factory, tiny_bert):
    made = cnn_pipeline() if request.param == "cnn" else transformer_pipeline(tiny_bert)
    knn = made.get_pipe("knn_ner")
    # Large enough for OpenMP to use its threads.
    knn.build(annotated_docs(made) * 50, show_progress=False)
    knn.add([annotated(made.vocab, "Nobody read the book", [(3, 4, "work")])])
    path = tmp_path_factory.mktemp("model")
    made.to_disk(path)
    return path


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("model", "method", "index"),
    [
        ("cnn", "fork", "flat"),
        ("cnn", "fork", "torch"),
        ("transformer", "fork", "torch"),
        ("transformer", "spawn", "torch"),
    ],
    indirect=["model"],
)
def test_processes(model, method, index, tmp_path):
    nlp = spacy.load(model, config={"components": {"knn_ner": knn_config(index=index)}})
    nlp.to_disk(tmp_path / "model")
    texts = [text for text in TEXTS if text] * 10
    before, found, after = run_python(
        PIPE, tmp_path, 200, tmp_path / "model", method, json.dumps(texts)
    )
    assert any(before)
    assert same(found, before, 1e-4)
    assert same(after, before)


def test_batch_sizes(model):
    nlp = spacy.load(model)
    texts = TEXTS * 5
    one = [view(nlp(text)) for text in texts]
    for batch_size in (1, 3, 100):
        found = [view(doc) for doc in nlp.pipe(texts, batch_size=batch_size)]
        assert same(found, one, 1e-4)


THREADS = """
import json, multiprocessing, os
del os.environ["OMP_NUM_THREADS"]
import faiss, torch
from spacy_knn_ner.datastore.fork_safety import make_fork_safe

def threads(_):
    return torch.get_num_threads(), faiss.omp_get_max_threads()

if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.ones(500, 500) @ torch.ones(500, 500)
    make_fork_safe()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(json.dumps([pool.map(threads, [0])[0], threads(0)[0]]))
"""


@pytest.mark.slow
def test_a_forked_process_computes_with_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    child, parent = run_python(THREADS, tmp_path, 200)
    assert (child, parent) == ([1, 1], 2)
