"""Building and annotating on a Ray cluster: the same as in one process."""

import json
import os
import signal
import sys

import pytest
import spacy
from datastores import contents
from spacy.tokens import DocBin
from util import annotated_docs, cnn_pipeline, run, run_json

from spacy_knn_ner.cluster.annotating import annotate
from spacy_knn_ner.cluster.encoding import Encoder, fill_cache
from spacy_knn_ner.cluster.pipelines import Traveled, packed
from spacy_knn_ner.cluster.workers import cluster
from spacy_knn_ner.errors import KnnNerError
from spacy_knn_ner.reading.cache import EncodingCache

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def two_nodes():
    """Two nodes with a core each; the address of their cluster."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()


def many_docs(nlp, n=12):
    return [doc for _ in range(n) for doc in annotated_docs(nlp)]


@pytest.fixture
def trained(tmp_path):
    """A pipeline without store, and its text."""
    nlp = cnn_pipeline()
    nlp.remove_pipe("knn_ner")
    nlp.to_disk(tmp_path / "trained")
    DocBin(docs=many_docs(nlp)).to_disk(tmp_path / "text.spacy")
    return tmp_path / "trained", tmp_path / "text.spacy"


def test_a_store_that_a_cluster_has_built_is_that_of_one_process(
    two_nodes, trained, tmp_path
):
    options = "--batch-size", "4", "--dtype", "float16"
    run("build", *trained, tmp_path / "one", *options)
    run("build", *trained, tmp_path / "many", *options, "--ray", two_nodes)
    one, many = (
        spacy.load(tmp_path / name).get_pipe("knn_ner").datastore
        for name in ("one", "many")
    )
    assert len(one.store) and contents(one) == contents(many)
    assert not list(tmp_path.glob("*.cache"))


def test_a_worker_that_dies_loses_nothing(two_nodes, tmp_path, monkeypatch):
    nlp = cnn_pipeline()
    knn, docs = nlp.get_pipe("knn_ner"), many_docs(nlp)
    cache = EncodingCache(tmp_path / "cache", knn.memory.encoder)
    died = str(tmp_path / "died")

    class Dies(Encoder):
        def __call__(self, row):
            if not os.path.exists(died):
                open(died, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(row)

    monkeypatch.setattr("spacy_knn_ner.cluster.encoding.Encoder", Dies)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    how = {"batch_size": 4, "show_progress": False}
    fill_cache(knn, docs, cache, two_nodes, **how)
    assert os.path.exists(died)
    # The build finds every batch there.
    monkeypatch.setattr(
        "spacy_knn_ner.reading.encoder.KeyEncoder.keys",
        lambda *_: pytest.fail("encoded again"),
    )
    knn.build(docs, **how, cache=tmp_path / "cache")
    assert len(knn.datastore.examples) == len(docs)


def test_annotation_is_the_same_and_goes_on(two_nodes, tmp_path):
    nlp = cnn_pipeline()
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path / "model")
    texts = [f"Ada Lovelace lived in London {i}" for i in range(25)] + ["", "“Kim”"]
    (tmp_path / "texts.txt").write_text("\n".join(texts))
    given = tmp_path / "model", tmp_path / "texts.txt"
    how = "--shard-size", "5"
    assert run_json("annotate", *given, tmp_path / "one", *how)["written"] == 6
    assert annotate(nlp, texts[:9], tmp_path / "many", shard_size=5) == 2
    (tmp_path / "many" / "part-000001.jsonl").unlink()  # was cut short
    run("annotate", *given, tmp_path / "many", *how, "--ray", two_nodes)
    files = sorted(path.name for path in (tmp_path / "one").glob("part-*"))
    there = (tmp_path / "many").glob("part-*")
    assert files == sorted(path.name for path in there)
    for name in files:
        one, many = (tmp_path / folder / name for folder in ("one", "many"))
        assert one.read_text() == many.read_text()
    first = json.loads((tmp_path / "one" / files[0]).read_text().splitlines()[0])
    assert first["text"] == texts[0] and first["spans"]
    for span in first["spans"]:
        assert set(span) == {"start", "end", "label", "score"}
    n_texts = sum(
        len(p.read_text().splitlines()) for p in (tmp_path / "one").glob("part-*")
    )
    assert n_texts == len(texts)


def test_shards_of_something_else_are_refused(tmp_path):
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    nlp.to_disk(tmp_path / "model")
    texts = [f"Ada Lovelace lived in London {i}" for i in range(8)]
    how = {"shard_size": 4, "show_progress": False}
    assert annotate(nlp, texts, tmp_path / "a", **how) == 2
    loaded = spacy.load(tmp_path / "model")
    assert annotate(loaded, texts, tmp_path / "a", **how) == 0
    for given, other in (
        (texts, {**how, "shard_size": 2}),
        ([*texts[:4], *texts[5:]], how),
        (texts[:4], how),
    ):
        with pytest.raises(KnnNerError, match="KNN-E131"):
            annotate(nlp, given, tmp_path / "a", **other)
    part = tmp_path / "a" / "part-000001.jsonl"
    lines = part.read_text()
    part.write_text(lines[:-10])
    with pytest.raises(KnnNerError, match="KNN-E131"):
        annotate(nlp, texts, tmp_path / "a", **how)
    part.write_text(lines)
    assert annotate(nlp, texts, tmp_path / "a", **how) == 0
    for change in (
        lambda: knn.relabel(knn.labels[0], "RENAMED"),
        lambda: knn.teach("we saw Xanadu", {"Xanadu": "CITY"}),
    ):
        with pytest.raises(KnnNerError, match="KNN-E131"):
            change()
            annotate(nlp, texts, tmp_path / "a", **how)


def test_a_text_that_cannot_be_read_is_named(tmp_path):
    nlp = cnn_pipeline()
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    nlp.max_length = 10
    for text in ("a" * 11, "a \ud800"):
        with pytest.raises(KnnNerError, match=r"KNN-E11[45]"):
            annotate(nlp, [text], tmp_path / "a", show_progress=False)


def test_a_pipeline_travels_without_its_store():
    nlp = cnn_pipeline()
    knn = nlp.get_pipe("knn_ner")
    knn.build(annotated_docs(nlp), show_progress=False)
    knn.set_settings(
        store={"@knn_stores": "spacy_knn_ner.Qdrant.v1", "url": ":memory:travels"}
    )
    there = Traveled(packed(nlp, without_store="knn_ner"))
    encoder = there.nlp.get_pipe("knn_ner").memory.encoder
    assert not len(there.nlp.get_pipe("knn_ner").datastore.examples)
    assert encoder.name == "knn_ner"


def test_a_cluster_without_gpus(two_nodes, tmp_path):
    nlp = cnn_pipeline()
    nlp.get_pipe("knn_ner").build(annotated_docs(nlp), show_progress=False)
    with pytest.raises(KnnNerError, match="KNN-E130"):
        annotate(nlp, ["Ada"], tmp_path / "a", address=two_nodes, on_gpu=True)


def test_local_is_no_cluster_that_the_environment_names(monkeypatch):
    given = []
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda *where, **_: given.append(where))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with cluster("local"):
        pass
    assert given == [("local",)]
