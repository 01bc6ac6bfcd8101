"""`spacy knn evaluate`"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ...corpora.docbin import read_docs
from ...errors import Errors, KnnNerError
from ...ml.extras import has_torch
from ..terminal import (
    CacheOpt,
    GpuOpt,
    JsonOpt,
    ModelArg,
    NameOpt,
    ViewOpt,
    clear_errors,
    find_component,
    load_pipeline,
    print_json,
    print_table,
    shows_progress,
    write_json,
    write_page,
)


@clear_errors
def evaluate(
    model: ModelArg,
    corpus: Annotated[Path, typer.Argument(help="Annotated Docs, a .spacy file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the report.")
    ] = None,
    title: Annotated[
        str, typer.Option(help="Title of the page. Default: the file.")
    ] = "",
    name: NameOpt = "knn_ner",
    every_entry: Annotated[
        bool, typer.Option(help="Also try k = null, which reads the whole store.")
    ] = True,
    shares: Annotated[
        Path | None,
        typer.Option(help="JSON: F1 by share of the training data, for a plot."),
    ] = None,
    cache: CacheOpt = None,
    view: ViewOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Score the tagger alone and with neighbors, and report where they differ.

    With --output: report.json and report.html, one page with plots and with the
    evidence for changed predictions.

    Example: spacy knn evaluate model test.spacy --output report
    """
    from ...evaluation.report import evaluate as make_report
    from ...rendering.pages import report_page

    by_share = None if shares is None else _read_shares(shares)
    nlp = load_pipeline(model, gpu_id, view)
    knn = find_component(nlp, name)
    report = make_report(
        knn,
        read_docs(corpus, nlp.vocab),
        every_entry=every_entry and has_torch(),
        cache=cache,
        show_progress=shows_progress(as_json),
    )
    if by_share is not None:
        report["by_share"] = by_share
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "report.json", report)
        heading = title or corpus.name
        write_page(output / "report.html", lambda: report_page(report, heading))
    if as_json:
        print_json(report)
    else:
        _show(report, output)


def _read_shares(path: Path) -> list[dict[str, float]]:
    keys = ("share", "tagger", "mixture")
    try:
        rows = json.loads(path.read_text(encoding="utf8"))
        return [{key: float(row[key]) for key in keys} for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise KnnNerError(Errors.E069, path=path) from error


def _show(report: dict[str, Any], output: Path | None) -> None:
    from ...evaluation.metrics import percent
    from ...evaluation.report import TITLES

    systems = report["systems"]
    rows = [
        (
            TITLES[name],
            *(percent(scores[key]) for key in ("precision", "recall", "f1")),
        )
        for name, scores in systems.items()
        if name != "tagger" or report["has_tagger"]
    ]
    print_table(rows, ("", "P", "R", "F1"))
    before, after = systems["tagger"]["labels"], systems["mixture"]["labels"]
    if report["has_tagger"]:
        rows = [
            (label, s["gold"], percent(before[label]["f1"]), percent(s["f1"]))
            for label, s in after.items()
        ]
        print_table(rows, ("label", "gold", "F1 tagger alone", "F1 with neighbors"))
        d = report["difference"]
        typer.echo(
            f"Neighbors change F1 by {100 * d['delta']:+.2f} "
            f"(95 % interval {100 * d['low']:+.2f} to {100 * d['high']:+.2f}, "
            f"p = {d['p']:.3f})"
        )
    else:
        rows = [(label, s["gold"], percent(s["f1"])) for label, s in after.items()]
        print_table(rows, ("label", "gold", "F1"))
    if output is not None:
        typer.echo(f"{output}: the whole report")
