"""Draw what correction_stream.py and correction_rivals.py have measured, pair by pair.

python benchmarks/plot_corrections.py corrections.png \
    "CoNLL-2003 → WNUT-17" stream.json update.json retrain.json …
"""

from pathlib import Path
from typing import Annotated, Any

import matplotlib
import srsly
import typer

matplotlib.use("Agg")
from matplotlib import pyplot as plt

_NONE, _OURS, _UPDATE, _RETRAIN = "#9aa1ad", "#0072b2", "#d55e00", "#009e73"
_FILES = 4  # a title, and three files


def main(
    picture: Annotated[Path, typer.Argument(help="PNG to write.")],
    pairs: Annotated[list[str], typer.Argument(help="Title, stream, update, retrain.")],
) -> None:
    """One row for each pair of a domain and a stream."""
    rows = [pairs[i : i + _FILES] for i in range(0, len(pairs), _FILES)]
    figure, axes = plt.subplots(
        len(rows), 2, figsize=(9, 3.1 * len(rows)), squeeze=False, sharex="row"
    )
    for (title, *files), (rest, original) in zip(rows, axes, strict=True):
        stream, update, retrain = map(srsly.read_json, files)
        _line(rest, stream, "rest_without", _NONE, "no correction")
        _line(rest, stream, "rest", _OURS, "added to the datastore")
        _line(original, stream, "original", _OURS, "")
        for axis, key in ((rest, "rest"), (original, "original")):
            _line(axis, update, key, _UPDATE, "spaCy's ner, updated")
            end = retrain["rows"][-1]
            axis.plot(end["docs"], end[key], "D", color=_RETRAIN, label="trained again")
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xlabel("documents of the stream")
            axis.set_ylim(bottom=0)
        original.axhline(stream["rows"][0]["original"], color=_NONE, lw=1)
        rest.set(title=f"{title}: the rest of the stream", ylabel="F1")
        original.set(title="the old domain")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(picture, dpi=110)


def _line(axis: Any, found: Any, key: str, color: str, label: str) -> None:
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
