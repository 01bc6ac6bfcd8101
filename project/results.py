"""The tables of docs/results.md, from all reports there are.

python project/results.py
"""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_sets import DATASETS

from spacy_knn_ner.evaluation.metrics import percent
from spacy_knn_ner.evaluation.report import MIXTURE, NEIGHBORS, TAGGER

DEFAULT = "default"
REPORTS, MODELS = Path("reports"), Path("models")


@dataclass(frozen=True)
class Run:
    """One seed on one data set.

    data, encoder, seed (str): Where it lies below reports/.
    report (dict): Of `spacy knn evaluate`.
    chosen (dict): Of `spacy knn tune`.
    """

    data: str
    encoder: str
    seed: str
    report: dict[str, Any]
    chosen: dict[str, Any]

    def f1(self, system: str) -> float:
        """On test."""
        return self.report["systems"][system]["f1"]


def find_runs() -> list[Run]:
    """Find every run of a workflow that has a report."""
    runs = []
    for name, dataset in DATASETS.items():
        for path in sorted((REPORTS / name).rglob("report.json")):
            # A hub name may have a slash in it.
            *encoder, seed = path.parent.relative_to(REPORTS / name).parts
            tuned = MODELS / (dataset.model or name) / Path(*encoder) / seed / "tuned"
            chosen = read_json(tuned / "tuning" / "chosen.json")
            runs.append(Run(name, "/".join(encoder), seed, read_json(path), chosen))
    return runs


def read_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf8"))


def main() -> None:
    """Print the tables as Markdown."""
    runs = find_runs()
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.data, run.encoder), []).append(run)
    header = ["data set", "seeds", "spaCy's `ner`", "tagger alone"]
    header += ["neighbors alone", "with neighbors", "Δ", "p"]
    print_table(header, [scores(group) for group in groups.values()])
    header = ["data set", "seed", "k", "temperature", "weight", "dev F1"]
    header += ["test F1", "95 % interval of Δ", "fixed, regressed, still wrong"]
    print_table(header, [settings(run) for run in runs])
    header = ["data set", "unseen", "1–5", "more than 5", "distance of the nearest"]
    header += ["O among neighbors", "label correct", "same error", "error corrected"]
    print_table(header, [reasons(group[0]) for group in groups.values()])


def scores(group: list[Run]) -> list[str]:
    """Test F1 of the seeds on a data set."""
    first = group[0]
    place = REPORTS / first.data / f"ner-{first.encoder}"
    ner = [read_json(path)["f1"] for path in sorted(place.glob("*.json"))]
    ps = [run.report["difference"]["p"] for run in group]
    difference = spread(run.f1(MIXTURE) - run.f1(TAGGER) for run in group)
    difference = signed(difference)
    return [
        title(first),
        str(len(group)),
        spread(ner) if ner else "–",
        *(spread(run.f1(name) for run in group) for name in (TAGGER, NEIGHBORS)),
        spread(run.f1(MIXTURE) for run in group),
        f"**{difference}**" if all(p < 0.05 for p in ps) else difference,
        ", ".join("< 0.001" if p < 0.001 else f"{p:.3f}" for p in ps),
    ]


def title(run: Run) -> str:
    """The data set, and the encoder unless it is the default."""
    name = DATASETS[run.data].title
    return name if run.encoder == DEFAULT else f"{name}, {run.encoder}"


def settings(run: Run) -> list[str]:
    """List what was chosen on dev, and its effect on test."""
    s, d = run.report["model"]["settings"], run.report["difference"]
    return [
        title(run),
        run.seed,
        "all" if s["k"] is None else str(s["k"]),
        f"{s['temperature']:g}",
        f"{s['interpolation']['weight']:g}",
        f"{percent(run.chosen['tagger_f1'])} → {percent(run.chosen['f1'])}",
        f"{percent(run.f1(TAGGER))} → {percent(run.f1(MIXTURE))}",
        " to ".join(signed(f"{100 * d[end]:.2f}") for end in ("low", "high")),
        ", ".join(map(str, run.report["changes"]["counts"].values())),
    ]


def reasons(run: Run) -> list[str]:
    """Describe where neighbors help, and their labels and distances."""
    cells = [title(run)]
    for row in run.report["by_frequency"]:
        share = row[MIXTURE]["gold"] / run.report["data"]["entities"]
        one, other = percent(row[TAGGER]["f1"], 1), percent(row[MIXTURE]["f1"], 1)
        cells.append(f"{one} → {other} ({100 * share:.0f} %)" if share else "–")
    near = run.report["distances"]["entity"]
    share, correct = (
        percent(near["share_outside"], 0),
        percent(near["label_correct"], 0),
    )
    cells += [f"{near['nearest'][1]:.3f}", f"{share} %", f"{correct} %"]
    errors = run.report["distances"].get("errors")
    if errors is None:
        return [*cells, "–", "–"]
    return [*cells, *(f"{percent(errors[key], 0)} %" for key in ("same", "correct"))]


def spread(values: Iterable[float]) -> str:
    """Mean ± standard deviation, in percent."""
    percents = [100 * value for value in values]
    mean = f"{statistics.mean(percents):.2f}"
    return f"{mean} ± {statistics.stdev(percents):.2f}" if len(percents) > 1 else mean


def signed(number: str) -> str:
    """With a sign, and a minus that is one."""
    return "−" + number[1:] if number.startswith("-") else "+" + number


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table."""
    for cells in (header, ["---"] * len(header), *rows):
        assert len(cells) == len(header)
        print("| " + " | ".join(cells) + " |")
    print()


if __name__ == "__main__":
    main()
