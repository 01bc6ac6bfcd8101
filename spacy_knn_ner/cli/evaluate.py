"""`spacy knn evaluate`"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..corpora.docbin import read_docs
from .terminal import (
    CacheOpt,
    GpuOpt,
    JsonOpt,
    ModelArg,
    NameOpt,
    clear_errors,
    find_component,
    load_pipeline,
    percent,
    print_json,
    print_table,
    write_json,
)


@clear_errors
def evaluate(
    model: ModelArg,
    corpus: Annotated[Path, typer.Argument(help="Labelled Docs, a .spacy file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the report.")
    ] = None,
    title: Annotated[str, typer.Option(help="Of the page. Default: the file.")] = "",
    name: NameOpt = "knn_ner",
    every_entry: Annotated[
        bool, typer.Option(help="Also try k = null, one look at the whole store.")
    ] = True,
    shares: Annotated[
        Path | None,
        typer.Option(help="JSON: F1 by share of the training data, for a plot."),
    ] = None,
    cache: CacheOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Score the tagger alone and with neighbors, and report where they differ.

    With --output: report.json and report.html, one page with plots and with the
    evidence for changed predictions.

    Example: spacy knn evaluate model test.spacy --output report
    """
    from ..evaluation.pages import report_page
    from ..evaluation.report import evaluate as make_report

    nlp = load_pipeline(model, gpu_id)
    knn = find_component(nlp, name)
    report = make_report(
        knn,
        read_docs(corpus, nlp.vocab),
        every_entry=every_entry,
        cache=cache,
        show_progress=not as_json,
    )
    if shares is not None:
        report["by_share"] = json.loads(shares.read_text(encoding="utf8"))
    if output is not None:
        page = report_page(report, title or corpus.name)
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "report.json", report)
        (output / "report.html").write_text(page, encoding="utf8")
    if as_json:
        print_json(report)
    else:
        _show(report, output)


def _show(report: dict[str, Any], output: Path | None) -> None:
    systems = report["systems"]
    titles = {"tagger": "tagger alone", "neighbors": "neighbors alone"}
    rows = [
        (
            titles.get(name, "with neighbors"),
            *(percent(scores[key]) for key in ("precision", "recall", "f1")),
        )
        for name, scores in systems.items()
    ]
    print_table(rows, ("", "P", "R", "F1"))
    before, after = systems["tagger"]["labels"], systems["mixture"]["labels"]
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
    if output is not None:
        typer.echo(f"{output / 'report.html'}: the whole report")
