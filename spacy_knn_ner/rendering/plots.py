"""Plots of reports and of tuning, as SVG text for a page."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import Errors, KnnNerError
from ..evaluation.report import MIXTURE, TAGGER, TITLES

# Colors that people with color blindness can tell apart (Okabe and Ito 2008).
COLORS = {TAGGER: "#8a8f98", MIXTURE: "#0072b2"}
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#c5c9d0",
    "axes.labelcolor": "#3d434d",
    "xtick.color": "#3d434d",
    "ytick.color": "#3d434d",
    "axes.grid": True,
    "grid.color": "#e8eaee",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: small, and found by a search
    "svg.hashsalt": "spacy-knn-ner",  # the same picture has the same bytes
    "figure.constrained_layout.use": True,
}
# Draws on a matplotlib Axes.
Draw = Callable[[Any], None]


@contextmanager
def _figure(width: float, height: float, columns: int = 1) -> Iterator[Any]:
    """RAISES (KnnNerError): If matplotlib is not installed."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise KnnNerError(Errors.E065) from error
    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width, height)).subplots(1, columns)


def _svg(axes: Any) -> str:
    file = io.StringIO()
    figure = np.ravel(axes)[0].figure
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def bars(rows: Sequence[dict[str, Any]], title: str) -> str:
    """Plot F1 of the tagger alone and with neighbors, side by side.

    rows (Sequence[dict]): `title`, and scores under `tagger` (if there is one) and
        `mixture`.
    title (str): Of the x axis.
    RETURNS (str): SVG.
    RAISES (KnnNerError): If matplotlib is not installed.
    """
    names = [row["title"] for row in rows]
    positions = np.arange(len(rows))
    with _figure(max(4.2, 0.85 * len(rows) + 1.6), 2.9) as axes:
        for i, name in enumerate(COLORS):
            if not all(name in row for row in rows):
                continue
            values = [100 * (row[name]["f1"] or 0) for row in rows]
            at = positions + (i - 0.5) * 0.38
            axes.bar(at, values, 0.36, color=COLORS[name], label=TITLES[name])
        long = max(map(len, names), default=0) * len(names) > 70
        axes.set_xticks(
            positions,
            names,
            rotation=30 if long else 0,
            ha="right" if long else "center",
        )
        axes.grid(axis="x", visible=False)
        axes.set_xlabel(title)
        axes.set_ylabel("F1")
        _legend_above(axes)
        return _svg(axes)


def by_k(
    rows: Sequence[dict[str, Any]], tagger_f1: float | None, chosen: int | None
) -> str:
    """Plot F1 by the number of neighbors.

    rows (Sequence[dict]): `k` (None: every entry) and `f1`.
    tagger_f1 (float | None): Of the tagger alone, if there is one.
    chosen (int | None): The component's own k.
    """
    values = [100 * (row["f1"] or 0) for row in rows]
    names = ["all" if row["k"] is None else str(row["k"]) for row in rows]
    with _figure(5.6, 2.9) as axes:
        axes.plot(names, values, "o-", color=COLORS[MIXTURE], label=TITLES[MIXTURE])
        if tagger_f1 is not None:
            axes.axhline(100 * tagger_f1, color=COLORS[TAGGER], label=TITLES[TAGGER])
        current = "all" if chosen is None else str(chosen)
        if current in names:
            x = names.index(current)
            axes.plot(x, values[x], "o", ms=11, mfc="none", color="#d55e00")
        axes.set_xlabel("k, the number of neighbors (circle: the one in use)")
        axes.set_ylabel("F1")
        _legend_above(axes)
        return _svg(axes)


def reliability(systems: dict[str, Any]) -> str:
    """Plot the share of correct entities by score.

    systems (dict): `reliability` bins and `ece` by system.
    """
    with _figure(4.2, 3.6) as axes:
        axes.plot([0, 1], [0, 1], color="#c5c9d0", lw=1)
        for name in COLORS:
            bins = systems[name]["reliability"] if name in systems else []
            if bins:
                axes.plot(
                    [row["score"] for row in bins],
                    [row["correct"] for row in bins],
                    "o-",
                    color=COLORS[name],
                    label=f"{TITLES[name]}, ECE {systems[name]['ece']:.3f}",
                )
        axes.set(
            xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share that is correct"
        )
        _legend_above(axes, columns=1)
        return _svg(axes)


def by_share(rows: Sequence[dict[str, Any]]) -> str:
    """Plot F1 by the share of the data that the tagger was trained on.

    rows (Sequence[dict]): `share`, `tagger` and `mixture` (F1, 0 to 1).
    """
    with _figure(5.6, 2.9) as axes:
        for name in COLORS:
            axes.plot(
                [100 * row["share"] for row in rows],
                [100 * row[name] for row in rows],
                "o-",
                color=COLORS[name],
                label=TITLES[name],
            )
        axes.set_xlabel("share of the training data the tagger was trained on, in %")
        axes.set_ylabel("F1")
        axes.set_xlim(left=0)
        _legend_above(axes)
        return _svg(axes)


def heat_maps(trials: Sequence[dict[str, Any]]) -> str:
    """Plot the best F1 for every pair of settings: k and temperature, temperature and
    weight.

    trials (Sequence[dict]): Settings and `f1`.
    """
    pairs = [("temperature", "k"), ("temperature", "weight")]
    trials = [trial for trial in trials if trial.get("weight", 1) > 0]
    pairs = [pair for pair in pairs if pair[1] in trials[0]]
    values = [100 * trial["f1"] for trial in trials]
    with _figure(10, 3.6, columns=len(pairs)) as axes:
        axes = np.atleast_1d(axes)
        best = [_best_of(trials, x, y) for x, y in pairs]
        low = min(float(np.nanmin(table)) for _, _, table in best)
        for one, (x, y), (xs, ys, table) in zip(axes, pairs, best, strict=True):
            image = one.imshow(
                table, cmap="viridis", aspect="auto", vmin=low, vmax=max(values)
            )
            one.set_xticks(range(len(xs)), [f"{v:g}" for v in xs])
            one.set_yticks(
                range(len(ys)), ["all" if v is None else f"{v:g}" for v in ys]
            )
            one.set(xlabel=x, ylabel=y)
            one.grid(visible=False)
            middle = (low + max(values)) / 2
            for (row, column), value in np.ndenumerate(table):
                color = "white" if value < middle else "black"
                one.text(
                    column,
                    row,
                    f"{value:.1f}",
                    ha="center",
                    va="center",
                    color=color,
                    fontsize=7,
                )
        axes[0].figure.colorbar(image, ax=list(axes), label="best F1 on dev")
        return _svg(axes)


def _best_of(
    trials: Sequence[dict[str, Any]], x: str, y: str
) -> tuple[list[Any], list[Any], np.ndarray]:
    xs = sorted({trial[x] for trial in trials})
    ys = sorted({trial[y] for trial in trials}, key=lambda v: (v is None, v))
    table = np.full((len(ys), len(xs)), np.nan)
    for trial in trials:
        at = ys.index(trial[y]), xs.index(trial[x])
        table[at] = np.fmax(table[at], 100 * trial["f1"])
    return xs, ys, table


def _legend_above(axes: Any, columns: int = 2) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)


# More colors of the same kind; further types share the last one.
_TYPE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_REST = "#8a8f98"


def scatter(panels: Sequence[tuple[str, np.ndarray, np.ndarray]], path: Path) -> None:
    """Plot tokens in the plane, colored by their entity type, side by side.

    panels (Sequence[tuple[str, ndarray, ndarray]]): Title, points of shape (n, 2), and
        types of shape (n,).
    path (Path): An .svg or .png file to write.
    RAISES (KnnNerError): If matplotlib is not installed.
    """
    every = np.concatenate([types for _, _, types in panels])
    names, counts = np.unique(every, return_counts=True)
    frequent = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    with _figure(3.4 * len(panels), 3.4, len(panels)) as axes:
        for ax, (title, points, types) in zip(np.ravel(axes), panels, strict=True):
            for i, name in enumerate(frequent):
                color = _TYPE_COLORS[i] if i < len(_TYPE_COLORS) else _REST
                own = points[types == name]
                ax.scatter(*own.T, s=4, color=color, alpha=0.5, label=name, lw=0)
            ax.set_title(title, fontsize=10)
            ax.set_xticks([])
            ax.set_yticks([])
        figure = np.ravel(axes)[0].figure
        handles, labels = np.ravel(axes)[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=8, markerscale=2
        )
        figure.savefig(path, dpi=150)
