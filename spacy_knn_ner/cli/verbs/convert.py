"""`spacy knn convert`"""

from pathlib import Path
from typing import Annotated

import typer

from ...corpora.docbin import write_docs
from ...corpora.formats import FORMATS, read_corpus
from ...corpora.schemes import SCHEMES
from ...corpora.sentence import Counts
from ...corpora.token_lines import BAD_LINES, SEPARATORS
from ..terminal import JsonOpt, clear_errors, print_json, print_table

_FORMATS = ", ".join(FORMATS)


@clear_errors
def convert(
    input: Annotated[Path, typer.Argument(help="A file of annotated text.")],
    output: Annotated[Path, typer.Argument(help="A .spacy file to write.")],
    format: Annotated[str, typer.Option("--format", "-f", help=_FORMATS)] = "auto",
    lang: Annotated[
        str | None, typer.Option(help="Language code. Default: the format's.")
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(help=f"{', '.join(SCHEMES)}. Default: detected.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help=f"{', '.join(SEPARATORS)}. Default: detected.")
    ] = None,
    token_column: Annotated[
        int | None, typer.Option(help="From 0; negative: from the end.")
    ] = None,
    tag_column: Annotated[
        int | None, typer.Option(help="From 0; negative: from the end.")
    ] = None,
    characters: Annotated[
        bool | None, typer.Option(help="Split words into characters.")
    ] = None,
    part: Annotated[
        str, typer.Option(help="Sentences to take: 500:1000, 500: or :1000.")
    ] = ":",
    n_sents: Annotated[
        int, typer.Option("--n-sents", "-n", help="Per Doc; 0: whole documents.", min=0)
    ] = 1,
    bad_lines: Annotated[
        str,
        typer.Option(
            help=f"Lines that cannot be read: {', '.join(BAD_LINES)}; "
            "repair: an empty token becomes U+FFFD."
        ),
    ] = "fail",
    as_json: JsonOpt = False,
) -> None:
    """Convert annotated text to Docs, as `spacy train` and other commands read them.

    Broken tag sequences are repaired as conlleval reads them: an I without a B
    before it opens an entity. Repairs are counted; a line that cannot be read is an
    error, unless --bad-lines says otherwise.

    Example: spacy knn convert eng.train train.spacy --format conll2003
    """
    layout = {
        "scheme": scheme,
        "separator": separator,
        "token": token_column,
        "tag": tag_column,
    }
    docs, counts = read_corpus(
        input,
        format,
        lang=lang,
        layout={key: value for key, value in layout.items() if value is not None},
        characters=characters,
        part=_slice(part),
        n_sents=n_sents,
        bad_lines=bad_lines,
    )
    write_docs(docs, output)
    if as_json:
        print_json({"input": str(input), "output": str(output), **counts.as_dict()})
    else:
        _show(output, len(docs), counts)


def _slice(text: str) -> slice:
    start, colon, end = text.partition(":")
    try:
        if not colon:
            raise ValueError(text)
        return slice(int(start) if start else None, int(end) if end else None)
    except ValueError:
        message = f"--part {text}: expected 500:1000, 500: or :1000"
        raise typer.BadParameter(message) from None


def _show(output: Path, n_docs: int, counts: Counts) -> None:
    documents = f" of {counts.documents:,} documents" if counts.documents else ""
    typer.echo(
        f"{output}: {n_docs:,} Docs, {counts.sentences:,} sentences{documents}, "
        f"{counts.tokens:,} tokens"
    )
    rows = [(label, f"{n:,}") for label, n in counts.entities.items()]
    rows.append(("all", f"{sum(counts.entities.values()):,}"))
    print_table(rows, ("label", "entities"))
    if counts.scheme:
        typer.echo(f"Tag scheme: {counts.scheme}")
    if counts.repaired:
        typer.echo(
            f"Repaired: {counts.repaired:,} annotations in "
            f"{counts.repaired_sentences:,} sentences"
        )
    if counts.skipped:
        what = "lines that cannot be read" if counts.scheme else "unusable records"
        typer.echo(f"Skipped: {counts.skipped:,} {what}")
