"""Measure what contexts cost: words per second of an encoder as it is, with the layer
that reads contexts, and in both views, by turns.

python benchmarks/views.py bert-base-cased documents.spacy --output views.json
"""

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import spacy
import srsly
import typer
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import msg

from spacy_knn_ner.corpora.docbin import read_docs
from spacy_knn_ner.ml.contexts.views import sentences_of

ARCHITECTURE = "spacy_knn_ner.WithContexts.v1"


def pipeline(encoder: str, **layer: Any) -> Language:
    """A transformer as it was published, alone or with the layer."""
    nlp = spacy.blank("en")
    spans = "spacy-transformers.strided_spans.v1"
    block: dict[str, Any] = {
        "@architectures": "spacy-transformers.TransformerModel.v3",
        "name": encoder,
        "get_spans": {"@span_getters": spans, "window": 128, "stride": 96},
        "tokenizer_config": {"use_fast": True},
        "transformer_config": {},
        "mixed_precision": False,
        "grad_scaler_config": {},
    }
    if layer:
        block = {"@architectures": ARCHITECTURE, "encoder": block, **layer}
    nlp.add_pipe("transformer", config={"model": block})
    nlp.initialize()
    return nlp


def n_pieces(doc: Doc) -> int:
    """Word pieces that were read for a Doc."""
    return int(doc._.trf_data.wordpieces.attention_mask.sum())


def copies(docs: list[Doc], vocab: Any) -> list[Doc]:
    """Docs of the same words and sentences."""
    made = []
    for doc in docs:
        starts: list[Any] = [bool(token.is_sent_start) for token in doc]
        words, spaces = [t.text for t in doc], [bool(t.whitespace_) for t in doc]
        made.append(Doc(vocab, words=words, spaces=spaces, sent_starts=starts))
    return made


def main(
    encoder: Annotated[str, typer.Argument(help="A hub name or a folder.")],
    corpus: Annotated[Path, typer.Argument(help="Docs of several sentences.")],
    output: Annotated[Path, typer.Option(help="JSON to write.")],
    limit: Annotated[int, typer.Option(help="Docs.")] = 60,
    rounds: Annotated[int, typer.Option(help="Medians are reported.")] = 3,
) -> None:
    """Time one pipeline after the other, several times."""
    documents = read_docs(corpus, spacy.blank("en").vocab)[:limit]
    single = [doc[a:b].as_doc() for doc in documents for a, b in sentences_of(doc)]
    cases = {
        "encoder, a sentence at a time": (pipeline(encoder), single),
        "with the layer, no contexts": (pipeline(encoder, view="auto"), single),
        "plain view of documents": (pipeline(encoder, view="plain"), documents),
        "encoder, whole documents": (pipeline(encoder), documents),
        "context view, own_pieces 128": (pipeline(encoder, own_pieces=128), documents),
        "context view, own_pieces 64": (pipeline(encoder, own_pieces=64), documents),
        "context view, own_pieces 1": (pipeline(encoder, own_pieces=1), documents),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    pieces = dict.fromkeys(cases, 0)
    for _ in range(rounds):
        for name, (nlp, docs) in cases.items():
            texts = copies(docs, nlp.vocab)
            if docs is single:
                for doc in texts:
                    for token in doc:
                        token.is_sent_start = token.i == 0
            start = time.perf_counter()
            done = list(nlp.pipe(texts, batch_size=64))
            seconds[name].append(time.perf_counter() - start)
            pieces[name] = sum(map(n_pieces, done))
    n_words = sum(map(len, documents))
    first = next(iter(cases))
    rows = []
    for name in cases:
        median = float(np.median(seconds[name]))
        rows.append(
            {
                "": name,
                "words/s": round(n_words / median),
                "word pieces": pieces[name],
                "times the pieces": round(pieces[name] / pieces[first], 2),
                "times the seconds": round(median / np.median(seconds[first]), 3),
            }
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, rows)
    msg.table([tuple(row.values()) for row in rows], header=tuple(rows[0]))


if __name__ == "__main__":
    typer.run(main)
