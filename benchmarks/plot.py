"""Words per second with knn_ner / without, by size of the store.

python benchmarks/plot.py benchmarks/results/pipeline.json docs/performance.png
"""

from pathlib import Path
from typing import Annotated

import srsly
import typer

COLORS = {"auto": "#0072b2", "exact": "#d55e00", "flat": "#8a8f98"}


def main(
    results: Annotated[Path, typer.Argument(help="From benchmarks/pipeline.py.")],
    output: Annotated[Path, typer.Argument(help="A picture.")],
    large: Annotated[
        Path | None, typer.Option(help="From benchmarks/large.py: one more point.")
    ] = None,
) -> None:
    """Plot with lossless lookups and scores on."""
    from matplotlib.figure import Figure

    found = srsly.read_json(results)
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for index, color in COLORS.items():
        rows = [r for r in found["rows"] if r["index"] == index]
        rows = [r for r in rows if r["mode"] == "lossless" and r["scores"]]
        points = [(r["entries"], r["ratio"], *r["spread"]) for r in rows]
        if large is not None and index == "auto":
            one = srsly.read_json(large)
            points.append((one["entries"], one["ratio"], *one["spread"]))
        sizes, ratios, lowest, highest = zip(*sorted(points), strict=True)
        axes.plot(sizes, ratios, "o-", color=color, label=f"{index} index")
        axes.fill_between(sizes, lowest, highest, color=color, alpha=0.15, linewidth=0)
    axes.set(xscale="log", ylim=(0, 1.05), xlabel="entries in the store")
    axes.set_ylabel("words/s with knn_ner / without")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e8eaee")
    axes.legend(frameon=False, loc="lower left")
    figure.savefig(output, dpi=160)


if __name__ == "__main__":
    typer.run(main)
