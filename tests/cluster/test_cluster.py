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
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "many").iterdir())
    for name in files:
        one, many = (tmp_path / folder / name for folder in ("one", "many"))
        assert one.read_text() == many.read_text()
    first = json.loads((tmp_path / "one" / files[0]).read_text().splitlines()[0])
    assert first["text"] == texts[0] and first["spans"]
    for span in first["spans"]:
        assert set(span) == {"start", "end", "label", "score"}
    n_texts = sum(len(p.read_text().splitlines()) for p in (tmp_path / "one").iterdir())
    assert n_texts == len(texts)
