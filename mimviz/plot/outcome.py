"""The painter's panels as a matplotlib figure."""

from __future__ import annotations

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..core import Heatmap, Outcome, Picture
from ..data import image
from .receipt import Told, of_heatmap, of_outcome

CAPTION = {"fontsize": 10, "loc": "left"}


def show_outcome(outcome: Outcome, *, everywhere: bool = False) -> Figure:
    """Original, masked, reconstruction, pasted and error of one picture, with loss and PSNR in the title.

    The reconstruction is blank where the patch was visible: no loss ever looked there, so what the model says is arbitrary.
    everywhere: draw it there too.
    """
    panels = {
        "original": outcome.original,
        "masked": outcome.original,
        "reconstruction": outcome.picture,
        "pasted": outcome.pasted,
    }
    height, width = outcome.original.height, outcome.original.width
    size = (15.5, 3.1 * height / width + 0.55)
    figure, axes = plt.subplots(1, 5, figsize=size, layout="constrained", FigureClass=Told)
    for axis, (name, picture) in zip(axes, panels.items(), strict=False):
        _picture(axis, picture)
        axis.set_title(name, **CAPTION)
    _cover(axes[1], outcome, outcome.mask.array, facecolor="0.5", edgecolor="0.35", hatch="////")
    if not everywhere:
        _cover(axes[2], outcome, ~outcome.mask.array, facecolor="0.93", edgecolor="0.93")
    _heatmap(figure, axes[4], outcome.error, (height, width), "RMSE, RGB 0..1")
    axes[4].set_title("error per patch", **CAPTION)
    figure.suptitle(_headline(outcome), fontsize=10, x=0.01, ha="left", color="#b00020" if outcome.leaks else None)
    figure.receipt = of_outcome(outcome, everywhere=everywhere)  # type: ignore[attr-defined]
    plt.close(figure)  # or a notebook would show it twice
    return figure


def show_heatmap(heat: Heatmap, picture: Any = None, *, scene: Any = None) -> Figure:
    """The map in its real range, over the picture where one is given: viridis, or a symmetric diverging map when signed.

    picture: whatever `mimviz.image` opens; it is cut at its centre to the proportions of the map, as a model saw it. scene:
    what the map was made of, so that a saved figure names model, picture and class, and `mimviz rerun` makes it again.
    """
    if len(heat.values) != 1:
        raise ValueError(f"this heatmap is of {len(heat.values)} pictures: take one, e.g. heat[0].plot()")
    picture = None if picture is None else _under(heat, picture if isinstance(picture, Picture) else image(picture))
    size = (picture.height, picture.width) if picture else (heat.values.shape[1], heat.values.shape[2])
    figure, axis = plt.subplots(figsize=(4.6, 4.6 * size[0] / size[1]), layout="constrained", FigureClass=Told)
    if picture is not None:
        _picture(axis, picture)
    _heatmap(figure, axis, heat, size, "", cmap="viridis", alpha=0.6 if picture else 1.0)
    axis.set_title(str(heat.by), fontsize=9, loc="left", wrap=True)
    figure.receipt = of_heatmap(heat, picture, scene)  # type: ignore[attr-defined]
    plt.close(figure)
    return figure


def _under(heat: Heatmap, picture: Picture) -> Picture:
    rows, cols = heat.values.shape[1:]
    height, width = picture.height, picture.width
    if abs(height * cols - width * rows) <= max(rows, cols):  # rounding of a pixel is no other proportion
        return picture
    fits = (
        (round(width * rows / cols), width) if height * cols > width * rows else (height, round(height * cols / rows))
    )
    return picture.fit(*fits)


def show_picture(picture: Picture) -> Figure:
    """The picture alone, pixel by pixel."""
    figure, axis = plt.subplots(figsize=(4, 4 * picture.height / picture.width), layout="constrained")
    _picture(axis, picture)
    plt.close(figure)
    return figure


def _headline(outcome: Outcome) -> str:
    psnr = "perfect" if math.isinf(outcome.psnr) else f"{outcome.psnr:.2f} dB"
    words = [
        f"{outcome.mask.count} of {outcome.mask.hidden.shape[1]} patches hidden",
        f"loss {outcome.loss:.4f}",
        f"PSNR on hidden pixels {psnr}",
    ]
    return " · ".join([*words, outcome.note] if outcome.note else words)


def _picture(axis, picture: Picture) -> None:
    axis.imshow(picture.array, extent=(0, picture.width, picture.height, 0), interpolation="nearest")
    axis.set_axis_off()


def _cover(axis, outcome: Outcome, covered: np.ndarray, **look) -> None:
    """Hides patches (rows × cols truth values) of a panel."""
    assert outcome.view is not None
    p = outcome.view.grid.patch
    for row, col in np.argwhere(covered):
        axis.add_patch(Rectangle((col * p, row * p), p, p, linewidth=0, **look))


def _heatmap(
    figure, axis, heat: Heatmap, size: tuple[int, int], unit: str, *, cmap: str = "magma", alpha: float = 1.0
) -> None:
    values = heat.values[0].float().cpu().numpy()
    reach = max(abs(heat.min), abs(heat.max))
    scale = (
        {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach}
        if heat.signed
        else {"cmap": cmap, "vmin": heat.min, "vmax": heat.max}
    )
    shown = axis.imshow(values, extent=(0, size[1], size[0], 0), interpolation="nearest", alpha=alpha, **scale)
    axis.set_axis_off()
    bar = figure.colorbar(shown, ax=axis, fraction=0.046, pad=0.03)
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=8)
