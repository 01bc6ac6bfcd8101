"""The README of a packaged pipeline: what it was made of, and what to expect."""

from typing import Any

from .report import MIXTURE, TAGGER
from .scores import percent


def model_card(report: dict[str, Any], *, data: str, training: dict[str, Any]) -> str:
    """A model card.

    report (dict): From `evaluate`.
    data (str): What it was trained and tested on, with its licence.
    training (dict[str, Any]): How it was trained, by setting.
    RETURNS (str): Markdown.
    """
    model, systems = report["model"], report["systems"]
    store, settings = model["datastore"], dict(model["settings"])
    keys = settings.pop("keys")
    settings.update({f"keys.{name}": value for name, value in keys.items()})
    difference = report["difference"]
    labels = [
        (
            label,
            scores["gold"],
            percent(systems[TAGGER]["labels"][label]["f1"]),
            percent(scores["f1"]),
        )
        for label, scores in systems[MIXTURE]["labels"].items()
    ]
    labels.append(
        (
            "**all**",
            systems[MIXTURE]["gold"],
            percent(systems[TAGGER]["f1"]),
            percent(systems[MIXTURE]["f1"]),
        )
    )
    return "\n".join(
        [
            f"# {model['name']} {model['version']}",
            "",
            f"A spaCy pipeline ({', '.join(model['pipeline'])}) that finds named "
            "entities by a tagger and by the nearest neighbors in a datastore of "
            "labelled tokens ([kNN-NER](https://arxiv.org/abs/2203.17103)).",
            "",
            "## Data",
            "",
            data,
            "",
            "## Scores",
            "",
            f"On {report['data']['docs']:,} test Docs ({report['data']['tokens']:,} "
            "tokens). Exact, labelled spans; F1 in percent.",
            "",
            *_table(("label", "gold", "tagger alone", "with neighbors"), labels),
            "",
            f"Neighbors change F1 by {100 * difference['delta']:+.2f} "
            f"(p = {difference['p']:.3f}, paired bootstrap).",
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


def _table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    lines = [header, ("---",) * len(header), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def _settings(values: dict[str, Any]) -> list[str]:
    rows = [(name, f"`{_show(value)}`") for name, value in values.items()]
    return _table(("setting", "value"), rows)


def _show(value: Any) -> str:
    return "null" if value is None else str(value)
