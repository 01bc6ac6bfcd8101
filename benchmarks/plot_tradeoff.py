"""Draw what corrections_on.py has measured with several radii: what is found elsewhere,
against what is changed by mistake.

python benchmarks/plot_tradeoff.py docs/tradeoff.png \
    en_core_web_sm sm.json "MiniLM, trained" tagger.json
"""

from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import srsly
import typer

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_COLORS = ("#0072b2", "#d55e00", "#009e73")
_RULER = "#9aa1ad"


def main(
    picture: Annotated[Path, typer.Argument(help="PNG to write.")],
    pipelines: Annotated[list[str], typer.Argument(help="Name, JSON; and so on.")],
) -> None:
    """One line for each pipeline; its default is a star."""
    figure, axis = plt.subplots(figsize=(6.2, 4.2))
    names, paths = pipelines[::2], pipelines[1::2]
    for (name, path), color in zip(
        zip(names, paths, strict=True), cycle(_COLORS), strict=False
    ):
        total = srsly.read_json(path)["total"]
        radii = {
            float(system.removeprefix("radius ")): _point(counts)
            for system, counts in total.items()
            if system.startswith("radius ")
        }
        line = [point for _, point in sorted(radii.items())]
        axis.plot(*zip(*line, strict=True), "o-", color=color, label=name, ms=4)
        for radius, point in radii.items():
            axis.annotate(
                f"{radius:g}",
                point,
                xytext=(5, -9),
                textcoords="offset points",
                color=color,
                fontsize=8,
            )
        axis.plot(*_point(total["knn_ner"]), "*", color=color, ms=15)
    axis.plot(100, 100, "D", color=_RULER, label="entity_ruler")
    axis.plot([], [], "*", color="black", ms=10, label="default settings")
    axis.set_xlabel("annotated otherwise: changed by mistake (%)")
    axis.set_ylabel("annotated alike: found (%)")
    axis.set(xlim=(0, 103), ylim=(0, 103))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="lower right")
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def _point(counts: dict[str, Any]) -> tuple[float, float]:
    changed = counts["otherwise_changed"] / counts["otherwise"]
    return 100 * changed, 100 * counts["alike_found"] / counts["alike"]


if __name__ == "__main__":
    typer.run(main)
