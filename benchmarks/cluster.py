"""How much sooner is a store built by a cluster of two nodes, with a core each, than by
one process; and is it the same?

python benchmarks/cluster.py models/conll2003/default/0/tuned \
    corpus/conll2003/train.spacy --output cluster.json
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import ray
import spacy
import srsly
import typer
from ray.cluster_utils import Cluster
from wasabi import msg

from spacy_knn_ner.cluster.encoding import fill_cache
from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.datastore.datastore import Datastore
from spacy_knn_ner.reading.cache import EncodingCache

BATCH = 64  # as `build` does by default


def main(
    model: Annotated[Path, typer.Argument(help="A pipeline with knn_ner.")],
    corpus: Annotated[Path, typer.Argument(help="Docs to fill the store with.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    n_docs: Annotated[int | None, typer.Option(help="How many. Default: all.")] = None,
) -> None:
    """Build twice, and compare both stores."""
    with tempfile.TemporaryDirectory() as folder:
        alone, seconds_alone, _ = built(model, corpus, n_docs, Path(folder) / "one")
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False)
        both, seconds, filling = built(
            model, corpus, n_docs, Path(folder) / "two", nodes.address
        )
        ray.shutdown()
        nodes.shutdown()
    found = {
        "keys": len(alone.store),
        "one_process_s": round(seconds_alone, 1),
        "two_nodes_s": round(seconds, 1),
        "encoding_there_s": round(filling, 1),
        "ratio": round(seconds_alone / seconds, 2),
        **differences(alone, both),
    }
    msg.info(str(found))
    srsly.write_json(output, found)


def built(
    model: Path, corpus: Path, n_docs: int | None, cache: Path, address: str = ""
) -> tuple[Datastore, float, float]:
    """A store, the seconds that it took, and those of the cluster."""
    nlp = spacy.load(model)
    knn: Any = nlp.get_pipe("knn_ner")
    docs = read_docs(corpus, nlp.vocab)[:n_docs]
    started, filling = time.perf_counter(), 0.0
    if address:
        encodings = EncodingCache(cache, knn.memory.encoder)
        fill_cache(knn, docs, encodings, address, batch_size=BATCH, show_progress=False)
        filling = time.perf_counter() - started
    knn.build(docs, batch_size=BATCH, show_progress=False, cache=cache)
    return knn.datastore, time.perf_counter() - started, filling


def differences(one: Datastore, other: Datastore) -> dict[str, Any]:
    """What differs between two stores."""
    keys = [d.store.keys.array().astype(np.float64) for d in (one, other)]
    entries = [d.store.entries.array() for d in (one, other)]
    tags = [d.store.tags.array() for d in (one, other)]
    return {
        "same_ids": bool((entries[0] == entries[1]).all()),
        "same_tags": bool((tags[0] == tags[1]).all()),
        "same_labels": one.tag_set == other.tag_set,
        "largest_difference_of_keys": float(np.abs(keys[0] - keys[1]).max()),
    }


if __name__ == "__main__":
    typer.run(main)
