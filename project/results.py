"""The tables of docs/results.md, from all reports there are.

python project/results.py
"""

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from data_sets import DATASETS

from spacy_knn_ner.evaluation.report import MIXTURE, NEIGHBORS, TAGGER

REPORTS = Path("reports")


def spread(values: Iterable[float]) -> str:
    """Mean ± standard deviation, in percent."""
    percents = [100 * value for value in values]
    if len(percents) == 1:
        return f"{percents[0]:.2f}"
    return f"{statistics.mean(percents):.2f} ± {statistics.stdev(percents):.2f}"


def main() -> None:
    """Print Markdown."""
    runs = {
        (name, encoder.name): [json.loads(path.read_text()) for path in paths]
        for name in DATASETS
        for encoder in sorted((REPORTS / name).glob("*"))
        if (paths := sorted(encoder.glob("*/report.json")))
    }
    print_scores(runs)
    print_runs(runs)
    print_reasons(runs)


Runs = dict[tuple[str, str], list[dict]]


def print_scores(runs: Runs) -> None:
    """Test scores per data set."""
    print("| data set | seeds | dev F1 | test F1: tagger alone | neighbors alone |")
    for (name, encoder), reports in runs.items():
        f1 = {
            system: [report["systems"][system]["f1"] for report in reports]
            for system in (TAGGER, NEIGHBORS, MIXTURE)
        }
        p = ", ".join(f"{report['difference']['p']:.3f}" for report in reports)
        ner = [
            json.loads(path.read_text())["f1"]
            for path in sorted((REPORTS / name / f"ner-{encoder}").glob("*.json"))
        ]
        cells = [
            DATASETS[name].title,
            encoder,
            len(reports),
            spread(ner) if ner else "",
            spread(f1[TAGGER]),
            spread(f1[NEIGHBORS]),
            spread(f1[MIXTURE]),
            spread([b - a for a, b in zip(f1[TAGGER], f1[MIXTURE], strict=True)]),
            p,
        ]
        print("| " + " | ".join(map(str, cells)) + " |")


def print_runs(runs: Runs) -> None:
    """What was chosen on dev, and what it did."""
    print("\n| data set | seed | k | temperature | weight | decoding | … |")
    for (name, encoder), reports in runs.items():
        for seed, report in enumerate(reports):
            owner = DATASETS[name].model or name
            tuned = Path("models") / owner / encoder / str(seed) / "tuned"
            chosen = json.loads((tuned / "tuning" / "chosen.json").read_text())
            s, d = report["model"]["settings"], report["difference"]
            counts = report["changes"]["counts"]
            weight = f"{s['weight']:g}"
            cells = [
                DATASETS[name].title,
                seed,
                "all" if s["k"] is None else s["k"],
                f"{s['temperature']:g}",
                weight,
                s["decoding"],
                f"{100 * chosen['tagger_f1']:.2f} → {100 * chosen['f1']:.2f}",
                f"{100 * report['systems'][TAGGER]['f1']:.2f} → "
                f"{100 * report['systems'][MIXTURE]['f1']:.2f}",
                f"{100 * d['low']:+.2f} to {100 * d['high']:+.2f}",
                f"{d['p']:.3f}",
                ", ".join(map(str, counts.values())),
            ]
            print("| " + " | ".join(map(str, cells)) + " |")


def print_reasons(runs: Runs) -> None:
    """Where neighbors help and what they are like: the first seed of each."""
    print("\n| data set | unseen | 1–5 | more | nearest | O share | label right |")
    for (name, _), reports in runs.items():
        report = reports[0]
        cells = [DATASETS[name].title]
        for row in report["by_frequency"]:
            one, other = row[TAGGER]["f1"], row[MIXTURE]["f1"]
            share = row[MIXTURE]["gold"] / report["data"]["entities"]
            if one is None or other is None:
                cells.append(f"– ({share:.0%})")
            else:
                cells.append(f"{100 * one:.1f} → {100 * other:.1f} ({share:.0%})")
        near = report["distances"]["entity"]
        cells += [
            f"{near['nearest'][1]:.3f}",
            f"{near['share_outside']:.0%}",
            f"{near['label_right']:.0%}",
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
