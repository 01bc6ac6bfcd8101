"""Draw what correction_stream.py and correction_rivals.py have measured, pair by pair.

python benchmarks/plot_corrections.py corrections.png \
    "CoNLL-2003 → WNUT-17" stream.json update.json,update-slowly.json retrain.json …

Where a file is missing, "-".
"""

from pathlib import Path
from typing import Annotated, Any

import matplotlib
import srsly
import typer

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_NONE, _OURS, _RETRAIN = "#9aa1ad", "#0072b2", "#009e73"
_UPDATES = ("#d55e00", "#cc79a7")
_EACH = 4  # a title, and three files


def main(
    picture: Annotated[Path, typer.Argument(help="PNG to write.")],
    pairs: Annotated[
        list[str], typer.Argument(help="Title, stream, updates, retrain.")
    ],
) -> None:
    """One row for each pair of a domain and a stream."""
    rows = [pairs[i : i + _EACH] for i in range(0, len(pairs), _EACH)]
    figure, axes = plt.subplots(
        len(rows), 2, figsize=(9, 3.1 * len(rows)), squeeze=False, sharex="row"
    )
    for (title, stream, updates, retrain), (rest, original) in zip(
        rows, axes, strict=True
    ):
        ours = srsly.read_json(stream)
        _line(rest, ours, "rest_without", _NONE, "no correction")
        _line(rest, ours, "rest", _OURS, "added to the datastore")
        original.axhline(ours["rows"][0]["original"], color=_NONE, lw=1)
        _line(original, ours, "original", _OURS)
        for axis, key in ((rest, "rest"), (original, "original")):
            for path, color in zip(updates.split(","), _UPDATES, strict=False):
                rival = srsly.read_json(path)
                label = f"spaCy's ner, updated ({rival['learn_rate']:g})"
                _line(axis, rival, key, color, label)
            if retrain != "-":
                end = srsly.read_json(retrain)["rows"][-1]
                dot = {"color": _RETRAIN, "label": "trained again"}
                axis.plot(end["docs"], end[key], "D", **dot)
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xlabel("documents of the stream")
            axis.set_ylim(bottom=0)
        rest.set(title=f"{title}: the rest of the stream", ylabel="F1")
        original.set(title="the old domain")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(picture, dpi=110)


def _line(axis: Any, found: Any, key: str, color: str, label: str = "") -> None:
    rows = [row for row in found["rows"] if row[key] is not None]
    axis.plot(
        [row["docs"] for row in rows],
        [row[key] for row in rows],
        "o-",
        color=color,
        label=label or None,
        ms=3,
    )


if __name__ == "__main__":
    typer.run(main)
