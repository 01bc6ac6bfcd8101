"""Reports as pages that open from disk: one file each, nothing is fetched."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..rendering.render import environment
from . import plots
from .changes import BROKEN, MENDED, OTHER
from .report import MIXTURE, TAGGER, TITLES
from .scores import percent
from .tuning import Trial


def report_page(report: dict[str, Any], title: str) -> str:
    """The page of an evaluation.

    report (dict): From `evaluate`; it may have `by_share`, for the figure of F1 by
        share of the training data.
    title (str): Of the page, such as the name of the data.
    RETURNS (str): HTML.
    RAISES (KnnNerError): If matplotlib is not installed.
    """
    systems = report["systems"]
    labels = _side_by_side(systems, "labels")
    pictures = {
        "labels": plots.bars(labels, "label"),
        "length": plots.bars(report["by_length"], "tokens per Doc"),
        "frequency": plots.bars(
            report["by_frequency"], "occurrences in the store (same text and label)"
        ),
        "k": plots.by_k(
            report["by_k"],
            systems[TAGGER]["f1"] or 0,
            report["model"]["settings"]["k"],
        ),
        "reliability": plots.reliability(systems),
    }
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
        verdicts=(MENDED, BROKEN, OTHER),
    )


def tuning_page(trials: Sequence[Trial], chosen: Trial, title: str) -> str:
    """The page of a tuning: heat maps and the best settings.

    trials (Sequence[Trial]): From `tune`.
    chosen (Trial): The one that was taken.
    title (str): Of the page.
    RETURNS (str): HTML.
    RAISES (KnnNerError): If matplotlib is not installed.
    """
    rows = [{**trial.settings, "f1": trial.f1} for trial in trials]
    ranked = sorted(trials, key=lambda trial: -trial.f1)  # stable: simplest first
    return _render(
        "tuning.html",
        title=title,
        chosen=chosen,
        alone=trials[0],
        ranked=ranked[:20],
        n_trials=len(trials),
        picture=plots.heat_maps(rows),
    )


def _side_by_side(systems: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [
        {"title": name, **{system: systems[system][key][name] for system in systems}}
        for name in systems[MIXTURE][key]
    ]


def _render(template: str, **values: Any) -> str:
    made = environment(Path(__file__).parent / "templates")
    made.filters["percent"] = percent
    made.filters["k"] = lambda k: "all" if k is None else k
    return made.get_template(template).render(**values)
