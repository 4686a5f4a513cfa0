"""The explorer's heads as a matplotlib figure."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..core import Grid, Picture
from .receipt import Told

COLUMNS = 6


def show_heads(
    picture: Picture,
    maps: dict[str, np.ndarray],
    *,
    query: tuple[int, int] | None = None,
    grid: Grid | None = None,
    title: str = "",
    cmap: str = "viridis",
) -> Figure:
    """Attention of one token in every head, model by model, over the picture; each head in its own range, which its bar says.

    maps: name of a model to (heads, rows, cols). query: the patch that looks, (row, column) of `grid`, framed; None for a
    token that is no patch.
    """
    lines = {name: math.ceil(len(heads) / COLUMNS) for name, heads in maps.items()}
    aspect = picture.height / picture.width
    size = (2.1 * COLUMNS, sum(lines.values()) * (2.0 * aspect + 0.45) + 0.5)
    figure = Told(figsize=size, layout="constrained")
    axes = figure.subplots(sum(lines.values()), COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    row = 0
    for name, heads in maps.items():
        for number, values in enumerate(heads):
            axis = axes[row + number // COLUMNS, number % COLUMNS]
            _head(figure, axis, picture, values, cmap)
            axis.set_title(
                f"{name}: head {number + 1}" if len(maps) > 1 else f"head {number + 1}", fontsize=8, loc="left"
            )
            if query is not None and grid is not None:
                _frame(axis, query, grid, picture)
        row += lines[name]
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure


def _head(figure: Figure, axis, picture: Picture, values: np.ndarray, cmap: str) -> None:
    extent = (0, picture.width, picture.height, 0)
    axis.imshow(picture.array, extent=extent, interpolation="nearest")
    if np.isnan(values).all():
        axis.text(0.5, 0.5, "no such token", transform=axis.transAxes, ha="center", fontsize=8)
        return
    shown = axis.imshow(values, extent=extent, interpolation="nearest", alpha=0.75, cmap=cmap)
    bar = figure.colorbar(shown, ax=axis, orientation="horizontal", fraction=0.05, pad=0.02)
    bar.set_ticks([values.min(), values.max()], labels=[f"{values.min():.2g}", f"{values.max():.2g}"])
    bar.ax.tick_params(labelsize=6)


def _frame(axis, query: tuple[int, int], grid: Grid, picture: Picture) -> None:
    height, width = picture.height / grid.rows, picture.width / grid.cols
    for grow, colour in ((0, "black"), (1, "white")):
        corner = (query[1] * width + grow, query[0] * height + grow)
        axis.add_patch(
            Rectangle(corner, width - 2 * grow, height - 2 * grow, fill=False, edgecolor=colour, linewidth=1)
        )
