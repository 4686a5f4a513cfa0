"""Spaces of targets side by side, as matplotlib figures: what each calls alike, and what it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..core import Picture
from ..grammar.seeing import Sees
from ..grammar.target_space import Neighbour, TargetSpace
from .outcome import CAPTION, _heatmap, _picture

AROUND = 1  # patches on each side of a neighbour that are shown with it


def show_target_spaces(spaces: Sequence[TargetSpace], picture: int = 0, patch: int = 0, *, count: int = 6) -> Figure:
    """A row for each target: the target drawn, how alike every patch of the picture is to the framed one, its `count` nearest
    patches of all pictures with what lies around them. ValueError without a target."""
    if not spaces:
        raise ValueError("there is no target to show: give at least one")
    figure, axes = plt.subplots(
        len(spaces), 2 + count, figsize=(4.6 + 1.15 * count, 2.1 * len(spaces)), layout="constrained", squeeze=False,
        width_ratios=[2, 2.4, *[1] * count],
    )  # fmt: skip
    for row, space in zip(axes, spaces, strict=True):
        grid = space.grid
        size = (grid.height, grid.width)
        row[0].imshow(space.picture(picture), extent=(0, grid.width, grid.height, 0), interpolation="nearest")
        row[0].set_axis_off()
        row[0].set_title(space.name, **CAPTION)
        _picture(row[1], shown(space, picture))
        _heatmap(figure, row[1], space.similar(picture, patch)[picture], size, "cosine", alpha=0.75)
        _frame(row[1], divmod(patch, grid.cols), grid.patch)
        found = space.nearest(picture, patch, count=count)
        for axis, neighbour in zip(row[2:], found, strict=False):
            _neighbour(axis, space, neighbour)
        for axis in row[2 + len(found) :]:
            axis.set_axis_off()
    plt.close(figure)
    return figure


def show_sees(told: Mapping[str, Sees]) -> Figure:
    """Bars of what each target sees, by name; what lies below the mean is drawn to the left of 0."""
    names = list(told)
    figure, axes = plt.subplots(1, 4, figsize=(11, 0.4 * len(names) + 1.2), layout="constrained", sharey=True)
    for axis, (field, unit, base) in zip(
        axes,
        (("edges", "R²", 0.0), ("directions", "R²", 0.0), ("colour", "R²", 0.0), ("parts", "AUC", 0.5)),
        strict=True,
    ):
        values = np.array([getattr(told[name], field) for name in names])
        axis.barh(names, np.clip(values, -0.25 if base == 0 else 0, 1) - base, left=base, color="#4477aa")
        for at, value in enumerate(values):
            axis.text(1.02, at, "?" if np.isnan(value) else f"{value:.2f}", va="center", fontsize=8)
        axis.axvline(base, color="0.3", linewidth=0.8)
        axis.set(xlim=(-0.25 if base == 0 else 0.4, 1.2), xlabel=unit)
        axis.set_title(field, **CAPTION)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    plt.close(figure)
    return figure


def shown(space: TargetSpace, picture: int) -> Picture:
    """One of its pictures."""
    return Picture(space.images[picture].permute(1, 2, 0).numpy())


def _neighbour(axis, space: TargetSpace, neighbour: Neighbour) -> None:
    grid = space.grid
    row, col = divmod(neighbour.patch, grid.cols)
    _picture(axis, shown(space, neighbour.picture))
    _frame(axis, (row, col), grid.patch)
    axis.set_xlim((col - AROUND) * grid.patch, (col + 1 + AROUND) * grid.patch)
    axis.set_ylim((row + 1 + AROUND) * grid.patch, (row - AROUND) * grid.patch)
    axis.set_title(f"{neighbour.similarity:.2f} in {neighbour.picture + 1}", fontsize=8)


def _frame(axis, at: tuple[int, int], patch: int) -> None:
    for grow, colour in ((0.0, "black"), (0.5, "white")):
        corner, side = (at[1] * patch + grow, at[0] * patch + grow), patch - 2 * grow
        axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=1))
