"""A small pipeline with a datastore: random vectors, planted labels."""

from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_knn_ner.registry import index_block

LABELS = ("PERSON", "PLACE")
# Texts whose entities the pipeline is compared by.
TEXTS = [
    "Name1 lives in Town2 with Name3",
    "They met Name11 and Name7 in Town5 .",
    "Nothing happened",
    "Town9",
]


def docs(nlp: Language, n: int = 40) -> list[Doc]:
    """Annotated Docs, every one with a person and a place."""
    made = []
    for i in range(n):
        doc = Doc(nlp.vocab, words=[f"Name{i}", "lives", "in", f"Town{i % 10}", "."])
        doc.set_ents([Span(doc, 0, 1, LABELS[0]), Span(doc, 3, 4, LABELS[1])])
        made.append(doc)
    return made


def pipeline(index: str = "spacy_knn_ner.Exact.v1") -> Language:
    """A tok2vec with random weights, and `knn_ner` over it.

    index (str): A registered function without arguments, or for FAISS's factory.
    """
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {
        "@architectures": "spacy.HashEmbedCNN.v2",
        "pretrained_vectors": None,
        "width": 32,
        "depth": 1,
        "embed_size": 500,
        "window_size": 1,
        "maxout_pieces": 2,
        "subword_features": True,
    }
    nlp.add_pipe("tok2vec", config={"model": model})
    settings = {"index": index_block(index), "k": 4}
    knn: Any = nlp.add_pipe("knn_ner", config=settings)
    given = docs(nlp)
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in given])
    knn.build(given, show_progress=False)
    knn.teach("Name99 was in Town77", {"Name99": LABELS[0], "Town77": "CITY"})
    knn.make_index()
    return nlp


def saved(folder: Path, index: str = "spacy_knn_ner.Exact.v1") -> Path:
    """Save a new small pipeline."""
    pipeline(index).to_disk(folder)
    return folder


def answers(nlp: Language) -> list[list[tuple[int, int, str, float | None]]]:
    """What the pipeline says of `TEXTS`: entities and scores."""
    return [
        [
            (ent.start, ent.end, ent.label_, _rounded(ent._.knn_score))
            for ent in doc.ents
        ]
        for doc in nlp.pipe([*TEXTS, "Name99 was in Town77"])
    ]


def _rounded(score: float | None) -> float | None:
    return None if score is None else float(np.round(score, 6))
