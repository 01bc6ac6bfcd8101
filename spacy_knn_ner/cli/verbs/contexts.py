"""`spacy knn contexts build | search | add`"""

from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import typer

from ...corpora.docbin import read_docs, write_docs
from ...corpora.texts import read_texts
from ...errors import Errors, KnnNerError
from ..terminal import JsonOpt, clear_errors, print_json, print_table, shows_progress

contexts = typer.Typer(
    help="Texts that sentences are read together with (CL-NER).",
    no_args_is_help=True,
    rich_markup_mode=None,
)
IndexArg = Annotated[Path, typer.Argument(help="Folder of the full-text index.")]
KnownOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--known",
        help="File whose sentences are never contexts, such as test data; may be "
        "repeated.",
    ),
]
EncoderOpt = Annotated[
    str | None,
    typer.Option(help="Re-rank by BERTScore of this transformer: a name or a folder."),
]


@contexts.command("build")
@clear_errors
def build(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Texts: .txt with one per line, .jsonl with 'text', or .spacy."
        ),
    ],
    index: IndexArg,
    as_json: JsonOpt = False,
) -> None:
    """Add texts to a full-text index, which is made if it does not exist.

    Texts that are there already are not added again: after an interruption the same
    command goes on.

    Example: spacy knn contexts build wiki.txt wiki-index
    """
    from tqdm import tqdm

    from ...retrieval.engines.full_text import FullTextIndex

    for path in inputs:  # before there is an index
        if not path.exists() or path.is_dir():
            reason = "it is a folder" if path.is_dir() else "there is no such file"
            raise KnnNerError(Errors.E024, path=path, reason=reason)
    made = FullTextIndex(index, create=True)
    texts = (text for path in inputs for text in read_texts(path))
    n_new = made.add(
        tqdm(texts, desc="Texts", unit="text", disable=not shows_progress(as_json))
    )
    if as_json:
        print_json({"index": str(index), "new": n_new, "texts": len(made)})
    else:
        typer.echo(f"{index}: {n_new:,} new texts, {len(made):,} in all")


@contexts.command("search")
@clear_errors
def search(
    index: IndexArg,
    sentence: Annotated[str, typer.Argument(help="What to find contexts for.")],
    n_contexts: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 6,
    encoder: EncoderOpt = None,
    known: KnownOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Show the contexts of a sentence: texts with words of it. Those that share a
    passage with it are left out, as they would be for a test sentence.

    Example: spacy knn contexts search wiki-index "Ada lived in London"
    """
    import spacy

    nlp = spacy.blank("xx")
    retriever = _retriever(nlp, index, n_contexts, encoder, known)
    found = retriever(nlp.make_doc(sentence))._.contexts or []
    if as_json:
        print_json(found)
    elif found:
        rows = [
            (f"{c['score']:.3f}", shorten(c["text"], 200, placeholder="…"))
            for c in found
        ]
        print_table(rows, ("score", "text"), n_left=2)
    else:
        typer.echo(
            "Nothing was found: no text in the index has words of it, or all of them "
            "share a passage with it."
        )


@contexts.command("add")
@clear_errors
def add(
    corpus: Annotated[Path, typer.Argument(help="Docs, a .spacy file.")],
    output: Annotated[Path, typer.Argument(help="The same with contexts, likewise.")],
    index: Annotated[
        Path | None, typer.Option(help="Folder of the full-text index.")
    ] = None,
    document: Annotated[
        bool,
        typer.Option(
            "--document", help="The sentences around, in the same document, instead."
        ),
    ] = False,
    n_contexts: Annotated[int, typer.Option("-n", help="Per sentence.", min=1)] = 6,
    encoder: EncoderOpt = None,
    known: KnownOpt = None,
    as_json: JsonOpt = False,
) -> None:
    """Add contexts to the Docs of a file, in place of any, for training and evaluation.

    Example: spacy knn contexts add train.spacy train-contexts.spacy --index wiki-index
    """
    import spacy
    from tqdm import tqdm

    from ...retrieval.documents import document_contexts

    if (index is None) != document:
        raise typer.BadParameter("give either --index or --document")
    nlp = spacy.blank("xx")
    docs = read_docs(corpus, nlp.vocab)
    for doc in docs:
        doc._.contexts = None
    if index is None:
        found = list(document_contexts(docs))
    else:
        retriever = _retriever(nlp, index, n_contexts, encoder, known)
        stream = tqdm(
            docs, desc="Contexts", unit="doc", disable=not shows_progress(as_json)
        )
        found = list(retriever.pipe(stream, must_succeed=True))
    write_docs(found, output)
    n_texts = sum(len(doc._.contexts or ()) for doc in found)
    n_docs = sum(bool(doc._.contexts) for doc in found)
    counts = {"docs": len(found), "with_contexts": n_docs, "contexts": n_texts}
    if as_json:
        print_json({"output": str(output), **counts})
    elif document and not n_docs:
        typer.echo(
            f"{output}: no contexts. Docs of one sentence need the name of their "
            "document; in Docs of several sentences these are contexts by themselves."
        )
    else:
        typer.echo(
            f"{output}: {n_texts:,} contexts for {n_docs:,} of {len(found):,} Docs"
        )


def _retriever(
    nlp: Any, index: Path, n_contexts: int, encoder: str | None, known: list[str] | None
) -> Any:
    from ...components.context_retriever import ContextRetriever
    from ...retrieval.engines.full_text import FullTextIndex
    from ...retrieval.rerankers.bert_score import BertScore

    return ContextRetriever(
        nlp,
        engine=FullTextIndex(index),
        reranker=None if encoder is None else BertScore(encoder),
        n_contexts=n_contexts,
        known_texts=known or (),
    )
