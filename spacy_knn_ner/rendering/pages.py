"""Reports as HTML pages: one file each, which loads nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..evaluation.changes import FIXED, OTHER, REGRESSED
from ..evaluation.metrics import percent
from ..evaluation.report import MIXTURE, TAGGER, TITLES
from ..evaluation.tuning import TuningTrial
from . import plots
from .entities import environment

_BY_SYSTEM = ("by_length", "by_frequency")  # parts whose rows have each system


def report_page(report: dict[str, Any], title: str) -> str:
    """Make the page of an evaluation.

    report (dict): From `evaluate`; it may have `by_share`, for the figure of F1 by
        share of the training data.
    title (str): Of the page, such as the name of the data.
    RETURNS (str): HTML.
    RAISES (KnnNerError): If matplotlib is not installed.
    """
    if not report["has_tagger"]:
        report = _without_tagger(report)
    systems = report["systems"]
    labels = _side_by_side(systems, "labels")
    pictures = {
        "labels": plots.bars(labels, "label"),
        "length": plots.bars(report["by_length"], "tokens per Doc"),
        "frequency": plots.bars(
            report["by_frequency"], "occurrences in the store (same text and label)"
        ),
        "reliability": plots.reliability(systems),
    }
    if report["by_k"]:
        tagger_f1 = systems[TAGGER]["f1"] if TAGGER in systems else None
        chosen = report["model"]["settings"]["k"]
        pictures["k"] = plots.by_k(report["by_k"], tagger_f1, chosen)
    if report.get("by_share"):
        pictures["share"] = plots.by_share(report["by_share"])
    return _render(
        "report.html",
        report=report,
        title=title,
        titles=TITLES,
        labels=labels,
        groups=_side_by_side(systems, "groups"),
        pictures=pictures,
        verdicts=(FIXED, REGRESSED, OTHER),
    )


def _without_tagger(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out the tagger alone, where there is none."""

    def others(values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name != TAGGER}

    changed = {key: list(map(others, report[key])) for key in _BY_SYSTEM}
    return {**report, "systems": others(report["systems"]), **changed}


def tuning_page(trials: Sequence[TuningTrial], chosen: TuningTrial, title: str) -> str:
    """Make the page of a tuning: heat maps and the best settings.

    trials (Sequence[TuningTrial]): From `tune`.
    chosen (TuningTrial): The one that is used.
    title (str): Of the page.
    RETURNS (str): HTML.
    RAISES (KnnNerError): If matplotlib is not installed.
    """
    rows = [{**_plain(trial), "f1": trial.f1} for trial in trials]
    ranked = sorted(trials, key=lambda trial: -trial.f1)  # stable: simplest first
    return _render(
        "tuning.html",
        title=title,
        chosen=chosen,
        alone=_alone(trials),
        ranked=ranked[:20],
        plain=_plain,
        n_trials=len(trials),
        picture=plots.heat_maps(rows),
    )


def _alone(trials: Sequence[TuningTrial]) -> TuningTrial | None:
    """The tagger alone, if there is one."""
    weight = trials[0].settings.get("interpolation.weight")
    return trials[0] if weight == 0 else None


def _plain(trial: TuningTrial) -> dict[str, Any]:
    """Settings without the names of their blocks."""
    return {name.rpartition(".")[2]: value for name, value in trial.settings.items()}


def _side_by_side(systems: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [
        {"title": name, **{system: systems[system][key][name] for system in systems}}
        for name in systems[MIXTURE][key]
    ]


def _render(template: str, **values: Any) -> str:
    jinja = environment(Path(__file__).parent / "templates")
    jinja.filters["percent"] = percent
    jinja.filters["k"] = lambda k: "all" if k is None else k
    return jinja.get_template(template).render(**values)
