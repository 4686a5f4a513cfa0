"""What is in a dataset, as a matplotlib figure: some pictures of every class, and what is there twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from ..data import Survey


def show_survey(survey: Survey, *, rows: int = 10, columns: int = 8) -> Figure:
    """A row of pictures for each of the first `rows` classes, with its count, and rows of duplicates below."""
    data = survey.dataset
    labels = data.labels.tolist()
    lines = [
        (f"{name}\n{count}", [i for i, label in enumerate(labels) if label == n])
        for n, (name, count) in enumerate(data.counts.items())
    ]
    shown = lines[:rows]
    for kind, groups in (("equal", survey.exact), ("nearly\nequal", survey.near)):
        shown += [(kind, group) for group in groups[:2]]
    height, width = data.images.shape[2:]
    figure = plt.figure(figsize=(0.9 * columns + 1.4, 0.9 * len(shown) * height / width + 0.5), layout="constrained")
    axes = figure.subplots(len(shown), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_frame_on(False)
    for line, (title, ids) in zip(axes, shown, strict=True):
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
        step = max(len(ids) / columns, 1)
        for axis, index in zip(line, (ids[int(k * step)] for k in range(min(columns, len(ids)))), strict=False):
            axis.imshow(data.images[index].permute(1, 2, 0).numpy())
    left = f"; {len(data.classes) - rows} more classes" if len(data.classes) > rows else ""
    figure.suptitle(f"{data!r}{left}", fontsize=9, x=0.01, ha="left")
    plt.close(figure)  # or a notebook would show it twice
    return figure
