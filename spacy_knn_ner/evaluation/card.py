"""The README of a packaged pipeline: its data, scores and settings."""

from typing import Any

from .metrics import percent
from .report import MIXTURE, TAGGER


def model_card(report: dict[str, Any], *, data: str, training: dict[str, Any]) -> str:
    """Write a model card.

    report (dict): From `evaluate`.
    data (str): What it was trained and tested on, with its license.
    training (dict[str, Any]): How it was trained, by setting.
    RETURNS (str): Markdown.
    """
    model = report["model"]
    store, settings = model["datastore"], flat(model["settings"])
    how = "a tagger and by the" if report["has_tagger"] else "the"
    return "\n".join(
        [
            f"# {model['name']} {model['version']}",
            "",
            f"A spaCy pipeline ({', '.join(model['pipeline'])}) that finds named "
            f"entities by {how} nearest neighbors in a datastore of labeled tokens "
            "([kNN-NER](https://arxiv.org/abs/2203.17103)).",
            "",
            "## Data",
            "",
            data,
            "",
            "## Scores",
            "",
            f"On {report['data']['docs']:,} test Docs ({report['data']['tokens']:,} "
            "tokens). Exact, labeled spans; F1 in percent.",
            "",
            *_scores(report),
            "",
            "## Datastore",
            "",
            f"{store['store']:,} tokens from {store['examples']:,} examples with their "
            f"text, keys of width {store['width']} in {store['dtype']} "
            f"({store['key_bytes'] / 1e6:,.1f} MB). The texts are those of the "
            "training data: pass this package on only where you may pass on them.",
            "",
            "## Settings",
            "",
            *_settings(settings),
            "",
            "## Training",
            "",
            *_settings(training),
            "",
        ]
    )


def _scores(report: dict[str, Any]) -> list[str]:
    """F1 by label, and what neighbors change where there is a tagger."""
    systems, difference = report["systems"], report["difference"]
    names = {TAGGER: "tagger alone", MIXTURE: "with neighbors"}
    if not report["has_tagger"]:
        del names[TAGGER]
    found = [systems[name] for name in names]
    rows = [
        (label, scores["gold"], *(percent(s["labels"][label]["f1"]) for s in found))
        for label, scores in systems[MIXTURE]["labels"].items()
    ]
    everything = systems[MIXTURE]["gold"], *(percent(s["f1"]) for s in found)
    lines = _table(
        ("label", "gold", *names.values()), [*rows, ("**all**", *everything)]
    )
    if report["has_tagger"]:
        change = f"Neighbors change F1 by {100 * difference['delta']:+.2f}"
        lines += ["", f"{change} (p = {difference['p']:.3f}, paired bootstrap)."]
    return lines


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name settings of blocks with dots: `keys.layer`.

    settings (dict[str, Any]): As a config has them.
    prefix (str): Of all names. Default: "".
    """
    named: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            named |= flat(value, f"{prefix}{name}.")
        else:
            named[f"{prefix}{name}"] = value
    return named


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [header, ("---",) * len(header), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def _settings(values: dict[str, Any]) -> list[str]:
    rows = [(name, f"`{_show(value)}`") for name, value in values.items()]
    return _table(("setting", "value"), rows)


def _show(value: Any) -> str:
    return "null" if value is None else str(value)
