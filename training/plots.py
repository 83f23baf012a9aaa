"""Pictures of a run as PNG files.

Knows numbers and axes, nothing of jobs. Every function draws one picture and needs no display.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from training import atomic

TILES_IN_A_ROW = 8
Numbers = NDArray[np.floating] | NDArray[np.integer]


@contextmanager
def picture(target: Path, title: str, *, width: float = 6.4, height: float = 4.4) -> Iterator[Axes]:
    """Yield axes; what is drawn on them is in the PNG `target` after the block."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # pixels only: pyplot would look for a display and keep every figure
    axes = figure.add_subplot()
    axes.set_title(title)
    yield axes
    atomic.write(target, lambda path: figure.savefig(path, dpi=120))


def learning_curves(rows: Sequence[Mapping[str, float]], target: Path) -> None:
    """Draw training and validation loss for each epoch; every other logged metric stays in the CSV."""
    with picture(target, "Loss") as axes:
        for name, label in (("loss", "training"), ("val_loss", "validation")):
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            if points:
                axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 40 else None)
        axes.set(xlabel="epoch", ylabel="loss")
        axes.grid(alpha=0.3)
        if rows:
            axes.legend()


def learning_rate(rows: Sequence[Mapping[str, float]], target: Path) -> None:
    """Draw the learning rate at the end of each epoch; nothing if it was not logged."""
    points = [(row["epoch"], row["learning_rate"]) for row in rows if "learning_rate" in row]
    if points:
        with picture(target, "Learning rate") as axes:
            axes.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else None)
            axes.set(xlabel="epoch", ylabel="learning rate")
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)


def confusion_matrix(counts: Numbers, labels: Sequence[str], target: Path) -> None:
    """Draw how often each true class (row) was taken for each class (column)."""
    size = max(4.8, 0.5 * len(labels) + 1.5)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with picture(target, "Confusion matrix, held out", width=size, height=size) as axes:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_xticks(range(len(labels)), labels, rotation=45 if max(map(len, labels)) > 3 else 0)
        axes.set_yticks(range(len(labels)), labels)
        for row, column in np.argwhere(counts > 0):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour)


def roc_curve(false_rate: Numbers, true_rate: Numbers, area: float, target: Path) -> None:
    """Draw the ROC curve: the rate of true alarms over that of false ones, and the area below it."""
    with picture(target, f"ROC, held out: area {area:.3f}", width=4.8) as axes:
        axes.plot(false_rate, true_rate)
        axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
        axes.set(xlabel="false alarms", ylabel="found", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)


def histogram(groups: Mapping[str, Numbers], threshold: float, target: Path) -> None:
    """Draw the scores of each named group on a logarithmic axis, and the threshold as a line."""
    everything = np.concatenate([*groups.values(), [threshold]])
    positive = everything[everything > 0] if (everything > 0).any() else np.ones(1)
    edges = np.geomspace(positive.min() * 0.999, positive.max() * 1.001, 41)
    with picture(target, "Score, held out") as axes:
        for name, scores in groups.items():
            axes.hist(
                np.maximum(scores, edges[0]), bins=list(edges), alpha=0.6, label=f"{name} ({len(scores)})"
            )
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3g}")
        axes.set(xlabel="score", ylabel="rows", xscale="log")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()


def curves(
    series: Mapping[str, Iterable[tuple[float, float]]], target: Path, title: str, x: str, y: str
) -> None:
    """Draw named series of points (x, y)."""
    with picture(target, title) as axes:
        for name, points in series.items():
            axes.plot(*zip(*points, strict=True), label=name, marker=".")
        axes.set(xlabel=x, ylabel=y)
        axes.grid(alpha=0.3)
        axes.legend()


def bands(
    series: Mapping[str, Sequence[Sequence[float]]], target: Path, title: str, y: str, *, named: int = 8
) -> None:
    """Draw the mean of each named group of curves by epoch, and a deviation to both sides; all but `named` in grey.

    A curve is a value for each epoch from the first on. Where curves of a group end, the mean is of those that go on.
    """
    with picture(target, title, width=8, height=5) as axes:
        for place, (name, curves) in reversed(list(enumerate(series.items()))):
            columns = np.full((len(curves), max(map(len, curves))), np.nan)
            for row, curve in zip(columns, curves, strict=True):
                row[: len(curve)] = curve
            mean, deviation = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
            epochs = np.arange(1, len(mean) + 1)
            shown = place < named
            colour = colormaps["tab10"](place) if shown else "lightgrey"
            axes.plot(epochs, mean, color=colour, label=name if shown else None, marker=".")
            if shown:
                axes.fill_between(epochs, mean - deviation, mean + deviation, color=colour, alpha=0.15, lw=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel=y)
        axes.grid(alpha=0.3)
        axes.legend(reverse=True, fontsize=8)


def scatter_rows(groups: Mapping[str, Sequence[float]], target: Path, title: str, x: str) -> None:
    """Draw a row for each named group, the first on top: its values as points and their mean as a line."""
    with picture(target, title, width=8, height=1.2 + 0.3 * len(groups)) as axes:
        for place, values in enumerate(groups.values()):
            axes.plot(values, [place] * len(values), "o", alpha=0.5, color="tab:blue")
            axes.plot([sum(values) / len(values)], [place], "|", markersize=14, color="black")
        axes.set_yticks(range(len(groups)), list(groups))
        axes.invert_yaxis()
        axes.set(xlabel=x)
        axes.grid(alpha=0.3)


def tiles(pictures: Numbers, target: Path, title: str, *, titles: Sequence[str] = ()) -> None:
    """Draw pictures [count, height, width] in grey or [count, height, width, 3] in colour (0 to 1), eight in a row.

    Grey ones each use the whole scale from their darkest to their brightest pixel. `titles` has one for each, of one line or more, or none.
    """
    columns = min(len(pictures), TILES_IN_A_ROW)
    lines = max((text.count("\n") + 1 for text in titles), default=0)
    above = 3 + pictures.shape[1] * lines // 7 if lines else 1
    height, width = pictures.shape[1] + above, pictures.shape[2] + 1
    paper = _laid_out(pictures, above)
    with picture(
        target, title, width=1.1 * columns, height=1.1 * columns * paper.shape[0] / paper.shape[1] + 0.4
    ) as axes:
        axes.imshow(paper, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_axis_off()
        for place, text in enumerate(titles):
            axes.text(
                (place % columns + 0.5) * width, (place // columns + 1) * height - pictures.shape[1] - 2, text,
                ha="center", va="bottom", fontsize=7,
            )  # fmt: skip


def sheet(pictures: Numbers, target: Path) -> None:
    """Write pictures as `tiles` draws them, without a title, three pixels for one: quick enough for every epoch."""
    shades = Image.fromarray((255 * _laid_out(pictures, 1)).astype(np.uint8))
    larger = shades.resize((3 * shades.width, 3 * shades.height), Image.Resampling.NEAREST)
    atomic.write(target, lambda path: larger.save(path, "PNG"))


def _laid_out(pictures: Numbers, above: int) -> Numbers:
    """Return pictures on white, eight in a row, with `above` rows of pixels over each."""
    columns = min(len(pictures), TILES_IN_A_ROW)
    height, width = pictures.shape[1] + above, pictures.shape[2] + 1
    paper = np.ones((-(-len(pictures) // columns) * height, columns * width, *pictures.shape[3:]))
    for place, tile in enumerate(pictures):
        top, left = (place // columns + 1) * height - 1 - tile.shape[0], place % columns * width
        span = float(tile.max() - tile.min()) or 1.0
        shown = (tile - tile.min()) / span if tile.ndim == 2 else tile
        paper[top : top + tile.shape[0], left : left + tile.shape[1]] = shown
    return paper


def plane(groups: Mapping[str, Numbers], target: Path, title: str) -> None:
    """Draw the points [count, 2] of each named group."""
    with picture(target, title, width=6.4, height=5.6) as axes:
        colours = colormaps["tab10" if len(groups) <= 10 else "tab20"]
        for place, (name, points) in enumerate(groups.items()):
            axes.scatter(points[:, 0], points[:, 1], s=9, color=colours(place % colours.N), label=name)
        axes.legend(markerscale=2, fontsize=8)
