"""Influence of patches, one picture under many masks, sweeps of the ratio and searches, as matplotlib figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..core import Mask, Picture
from ..grammar.influence import Influence
from ..grammar.search import Found
from ..grammar.sweep import Many, Sweep
from .outcome import CAPTION, _heatmap, _picture


def show_influence(picture: Picture, influence: Influence, patches: Sequence[int], *, helps: bool = False) -> Figure:
    """Who paints each of these hidden patches: a panel for each, the patch framed, over the picture; each has its own range.

    helps: signed, how much the error there would rise without each visible patch; of leave-one-out alone.
    """
    grid = influence.grid
    picture = picture.fit(grid.height, grid.width)
    figure, axes = plt.subplots(1, len(patches), figsize=(3.3 * len(patches), 3.0), layout="constrained", squeeze=False)
    for axis, patch in zip(axes[0], patches, strict=True):
        heat = influence.on(patch, helps=helps)
        _picture(axis, picture)
        _heatmap(figure, axis, heat, (grid.height, grid.width), "", cmap="viridis", alpha=0.7)
        row, col = divmod(patch, grid.cols)
        for grow, colour in ((0.0, "black"), (1.0, "white")):
            corner, side = (col * grid.patch + grow, row * grid.patch + grow), grid.patch - 2 * grow
            axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=1))
        axis.set_title(f"patch {row}, {col}", **CAPTION)
    figure.suptitle(f"influence by {influence.by}", fontsize=10, x=0.01, ha="left")
    plt.close(figure)
    return figure


def show_many(many: Many) -> Figure:
    """The picture, the mean of all guesses, their spread and the error of the mean."""
    size = (many.original.height, many.original.width)
    figure, axes = plt.subplots(1, 4, figsize=(12.6, 3.0 * size[0] / size[1] + 0.4), layout="constrained")
    for axis, (name, picture) in zip(axes, {"original": many.original, "mean guess": many.mean}.items(), strict=False):
        _picture(axis, picture)
        axis.set_title(name, **CAPTION)
    for axis, name, heat in ((axes[2], "spread", many.spread), (axes[3], "error of the mean", many.error)):
        _heatmap(figure, axis, heat, size, "RGB 0..1")
        axis.set_title(name, **CAPTION)
    plt.close(figure)
    return figure


def show_sweep(sweep: Sweep) -> Figure:
    """A strip of reconstructions, more and more hidden, over the loss at each ratio: every mask a dot, their mean a line."""
    figure = plt.figure(figsize=(2.1 * len(sweep.ratios), 5.2), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.6, 1))
    top, below = parts
    rows = top.subplots(2, len(sweep.ratios), squeeze=False)
    for column, (ratio, outcome) in enumerate(zip(sweep.ratios, sweep.outcomes, strict=True)):
        _picture(rows[0, column], outcome.masked)
        _picture(rows[1, column], outcome.pasted)
        rows[0, column].set_title(f"{ratio:.0%} hidden", **CAPTION)
    axis = below.subplots()
    loss = sweep.loss.numpy()
    axis.plot(np.repeat(sweep.ratios, loss.shape[1]), loss.flatten(), ".", color="0.6", markersize=4)
    axis.plot(sweep.ratios, loss.mean(1), "o-", color="#1f77b4")
    axis.set_xlabel("share hidden")
    axis.set_ylabel("loss")
    plt.close(figure)
    return figure


def show_search(picture: Picture, found: dict[str, Found]) -> Figure:
    """Masks that were searched for, by name, over the picture, with their loss."""
    figure, axes = plt.subplots(1, len(found), figsize=(3.0 * len(found), 3.2), layout="constrained", squeeze=False)
    for axis, (name, each) in zip(axes[0], found.items(), strict=True):
        _picture(axis, picture)
        _hatched(axis, each.mask, picture)
        axis.set_title(f"{name}: loss {each.loss:.4f}", **CAPTION)
    plt.close(figure)
    return figure


def _hatched(axis, mask: Mask, picture: Picture) -> None:
    rows, cols = mask.array.shape
    height, width = picture.height / rows, picture.width / cols
    for row, col in np.argwhere(mask.array):
        look = {"linewidth": 0, "facecolor": "0.5", "edgecolor": "0.35", "hatch": "////"}
        axis.add_patch(Rectangle((col * width, row * height), width, height, **look))
