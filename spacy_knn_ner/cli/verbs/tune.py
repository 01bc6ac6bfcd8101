"""`spacy knn tune`"""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ...corpora.docbin import read_docs
from ...ml.extras import has_torch
from ..terminal import (
    CacheOpt,
    DevArg,
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
def tune(
    model: ModelArg,
    dev: DevArg,
    output: Annotated[Path, typer.Argument(help="Folder for the tuned pipeline.")],
    name: NameOpt = "knn_ner",
    every_entry: Annotated[
        bool, typer.Option(help="Also try k = null, which reads the whole store.")
    ] = True,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="The store was built from dev.")
    ] = False,
    limit: Annotated[
        int, typer.Option(help="Use only the first Docs; 0: all.", min=0)
    ] = 0,
    cache: CacheOpt = None,
    view: ViewOpt = None,
    gpu_id: GpuOpt = -1,
    as_json: JsonOpt = False,
) -> None:
    """Choose k, temperature, weight and decoding on development data; where there are
    corrections, their radius and weight too. Then calibrate scores, and the distance
    from which on entities are unknown.

    Writes the pipeline with the chosen settings, and into its folder tuning/ every
    combination (trials.csv), the choice (chosen.json) and heat maps (tuning.html).

    Example: spacy knn tune model dev.spacy tuned-model
    """
    from ...components.memory.pipelines import save_pipeline
    from ...evaluation.calibration import fit_calibration
    from ...evaluation.tuning import KS, best, tune_corrections
    from ...evaluation.tuning import tune as tune_store
    from ...rendering.pages import tuning_page

    nlp = load_pipeline(model, gpu_id, view)
    knn = find_component(nlp, name)
    docs = read_docs(dev, nlp.vocab)[: limit or None]
    has_store = len(knn.datastore.store) > 0
    found: dict[str, Any] = {"docs": len(docs)}
    rounds: dict[str, Any] = {}
    how: dict[str, Any] = {"leave_one_out": leave_one_out, "cache": cache}
    if has_store or not len(knn.datastore.corrections):
        trials = tune_store(
            knn,
            docs,
            ks=KS if every_entry and has_torch() else [k for k in KS if k is not None],
            show_progress=shows_progress(as_json),
            **how,
        )
        knn.set_settings(**best(trials).config())
        alone = trials[0].settings.get("interpolation.weight") == 0
        found |= {"tagger_f1": trials[0].f1 if alone else None, **asdict(best(trials))}
        rounds["trials.csv"] = trials
    if len(knn.datastore.corrections):
        again = tune_corrections(
            knn, docs, show_progress=shows_progress(as_json), **how
        )
        knn.set_settings(**best(again).config())
        found["corrections"] = asdict(best(again))
        rounds["corrections.csv"] = again
    if has_store:
        fitted = fit_calibration(knn, docs, **how)
        knn.calibration = fitted.calibration
        found["confidence"] = asdict(fitted)
        knn.make_index()  # as faithful with these settings as with the ones before
    save_pipeline(nlp, output)
    folder = output / "tuning"
    folder.mkdir(exist_ok=True)
    for file, rows in rounds.items():
        _write_csv(folder / file, rows)
    write_json(folder / "chosen.json", found)
    if has_store:
        title, chosen = f"Tuning on {dev.name}", best(trials)
        write_page(folder / "tuning.html", lambda: tuning_page(trials, chosen, title))
    if as_json:
        print_json({"output": str(output), **found})
    else:
        _show(rounds.get("trials.csv"), found, output)


def _write_csv(path: Path, trials: Sequence[Any]) -> None:
    with path.open("w", encoding="utf8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*trials[0].settings, "precision", "recall", "f1"])
        for trial in trials:
            scores = trial.precision, trial.recall, trial.f1
            settings = ("null" if v is None else v for v in trial.settings.values())
            writer.writerow([*settings, *(f"{score:.6f}" for score in scores)])


def _show(trials: Any, found: dict[str, Any], output: Path) -> None:
    from ...evaluation.metrics import percent

    if trials:
        _show_store(trials, found)
    if "corrections" in found:
        s = found["corrections"]["settings"]
        typer.echo(
            f"Corrections: radius {s['corrections.radius'] or 'found in the store'}, "
            f"votes {s['corrections.votes']:g}, "
            f"F1 {percent(found['corrections']['f1'])}"
        )
    if "confidence" in found:
        _show_confidence(found["confidence"])
    page = output / "tuning" / "tuning.html"
    report = f"; report: {page}" if trials and page.exists() else ""
    tried = f" of {len(trials):,}" if trials else ""
    typer.echo(f"{output}: the best{tried}{report}")


def _show_store(trials: Any, found: dict[str, Any]) -> None:
    from ...evaluation.metrics import percent
    from ...evaluation.tuning import best

    rows = [("chosen", best(trials))]
    if found["tagger_f1"] is not None:
        rows.insert(0, ("tagger alone", trials[0]))
    shown = []
    for title, trial in rows:
        s = trial.settings
        settings = ("–",) * 4
        weight = s.get("interpolation.weight", "–")
        if weight:
            k = "all" if s["k"] is None else s["k"]
            settings = k, s["temperature"], weight, s["decoding"]
        scores = (percent(v) for v in (trial.precision, trial.recall, trial.f1))
        shown.append((title, *settings, *scores))
    header = ("", "k", "temperature", "weight", "decoding", "P", "R", "F1")
    print_table(shown, header)


def _show_confidence(confidence: dict[str, Any]) -> None:
    calibration = confidence["calibration"]
    before, after = confidence["ece_before"], confidence["ece_after"]
    if before is not None:
        typer.echo(
            f"Scores: temperature {calibration['score_temperature']:.2f}, calibration "
            f"error {before:.3f} before, {after:.3f} after"
        )
    if calibration["unknown_distance"] is not None:
        distance = calibration["unknown_distance"]
        typer.echo(f"Unknown: farther than {distance:.3f} from all entries")
