"""Give the Docs of a data set contexts, for CL-NER.

python project/contexts.py wnut17 corpus/wnut17/contexts --texts corpus/ncbi/train.spacy
"""

import random
import tempfile
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from data_sets import find_data_set
from encoder import MINILM, find_encoder
from spacy.tokens import Doc
from wasabi import msg

from spacy_knn_ner.components.context_retriever import ContextRetriever
from spacy_knn_ner.corpora.docbin import read_docs, write_docs
from spacy_knn_ner.corpora.formats import read_corpus
from spacy_knn_ner.corpora.texts import read_texts
from spacy_knn_ner.ml.contexts import on_docs
from spacy_knn_ner.retrieval.base import Reranker
from spacy_knn_ner.retrieval.engines.full_text import FullTextIndex
from spacy_knn_ner.retrieval.rerankers.bert_score import BertScore
from spacy_knn_ner.retrieval.rerankers.fuzzy import Fuzzy

SOURCES = ("document", "retrieved", "other-sentence", "data-set", "random")
RERANKERS = ("bert-score", "bert-score-idf", "fuzzy", "none")
N_SENTS = 20  # that stand next to each other, where documents are not marked


def make_reranker(name: str, encoder: str, texts: list[str]) -> Reranker | None:
    """A re-ranker of the paper's table 4, with an encoder that is not trained."""
    if name == "none":
        return None
    if name == "fuzzy":
        return Fuzzy()
    found = find_encoder(encoder)
    return BertScore(found, idf_texts=texts if name == "bert-score-idf" else None)


def documents(dataset: str, part: str) -> list[Doc]:
    """Whole documents, or sentences next to each other where none are marked."""
    known = find_data_set(dataset)
    split = known.splits[part]
    settings: dict[str, Any] = {"lang": known.lang}
    if "--part" in split.options:
        start, _, end = split.options.split()[-1].partition(":")
        settings["part"] = slice(*(int(x) if x else None for x in (start, end)))
    path = Path("assets") / split.file
    _, counts = read_corpus(path, known.format, n_sents=1, **settings)
    n_sents = 0 if counts.documents else N_SENTS
    return read_corpus(path, known.format, n_sents=n_sents, **settings)[0]


def sentences(dataset: str) -> dict[str, list[Doc]]:
    """The Docs of each part that was published, as the convert step leaves them."""
    vocab = spacy.blank("xx").vocab
    folder = Path("corpus") / dataset
    parts = find_data_set(dataset).splits
    return {part: read_docs(folder / f"{part}.spacy", vocab) for part in parts}


def with_retrieved(
    docs: dict[str, list[Doc]],
    source: str,
    texts: list[str],
    reranker: Reranker | None,
    seed: int,
) -> None:
    """Set the contexts of all Docs, from one of the sources of the paper's table 5."""
    own = [doc.text for of_part in docs.values() for doc in of_part]
    chosen = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        index = FullTextIndex(Path(folder) / "index", create=True)
        index.add(
            [doc.text for doc in docs["train"]] if source == "data-set" else texts
        )
        retriever = ContextRetriever(spacy.blank("xx"), engine=index, reranker=reranker)
        if source != "data-set":
            retriever.finder.known.add(own)
        if source == "random":
            texts = [text for text in texts if not retriever.finder.known.has(text)]
        for of_part in docs.values():
            if source == "random":
                for doc in of_part:
                    found = chosen.sample(texts, min(6, len(texts)))
                    on_docs.write(doc, on_docs.checked(found))
                continue
            list(retriever.pipe(of_part, must_succeed=True))
            if source == "other-sentence":
                contexts = [on_docs.read(doc) or [] for doc in of_part]
                chosen.shuffle(contexts)
                for doc, of_other in zip(of_part, contexts, strict=True):
                    on_docs.write(doc, [{**c, "start": None} for c in of_other])


def main(
    dataset: Annotated[str, typer.Argument(help="One of project/data_sets.py.")],
    output: Annotated[Path, typer.Argument(help="Folder for its parts.")],
    source: Annotated[str, typer.Option(help=f"{', '.join(SOURCES)}.")] = "retrieved",
    reranker: Annotated[str, typer.Option(help=f"{', '.join(RERANKERS)}.")] = "none",
    encoder: Annotated[str, typer.Option(help="Of BERTScore.")] = MINILM,
    texts: Annotated[
        list[Path] | None, typer.Option(help="Knowledge: .txt, .jsonl or .spacy.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
) -> None:
    """Write the parts of a data set with contexts."""
    if source not in SOURCES or reranker not in RERANKERS:
        raise SystemExit(f"--source: {SOURCES}; --reranker: {RERANKERS}")
    if source == "document":
        parts = find_data_set(dataset).splits
        docs = {part: documents(dataset, part) for part in parts}
    else:
        known = [text for path in texts or () for text in read_texts(path)]
        docs = sentences(dataset)
        ranked = make_reranker(reranker, encoder, known)
        with_retrieved(docs, source, known, ranked, seed)
    for part, of_part in docs.items():
        write_docs(of_part, output / f"{part}.spacy")
        n = sum(len(on_docs.read(doc) or ()) for doc in of_part)
        msg.good(f"{output / part}.spacy: {len(of_part):,} Docs, {n:,} retrieved texts")


if __name__ == "__main__":
    typer.run(main)
