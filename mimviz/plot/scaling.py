"""A data-scaling study as a matplotlib figure: does the held-out loss turn up, and does it foretell the probe?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from ..studies import DataScaling


def show_scaling(study: DataScaling) -> Figure:
    """One axis for each width at the most steps: losses of training pictures (dashed) and held-out ones, dark for many pictures; a
    cross where a training overfits. Behind them the final held-out loss of every finished training against its probe's accuracy."""
    trainings, widths, most = study.trainings, sorted(study.widths), max(study.steps)
    counts = sorted(study.pictures)
    colours = dict(
        zip(counts, plt.get_cmap("viridis_r")([(i + 1) / len(counts) for i in range(len(counts))]), strict=True)
    )
    figure, axes = plt.subplots(
        1, len(widths) + 1, figsize=(3.2 * (len(widths) + 1), 3), layout="constrained", squeeze=False
    )
    for axis, width in zip(axes[0], widths, strict=False):
        for each in (t for t in trainings if t.width == width and t.steps == most and t.at):
            axis.plot(each.at, each.train, "--", color=colours[each.pictures], linewidth=1)
            axis.plot(each.at, each.held, color=colours[each.pictures], label=f"{each.pictures} pictures")
            if each.overfits:
                axis.plot(each.at[-1], each.held[-1], "x", color=colours[each.pictures], label="overfits")
        axis.set(title=f"width {width}", xlabel="steps", ylabel="masked loss (-- training pictures)")
        axis.legend(fontsize=7) if axis.lines else axis.text(0.5, 0.5, "not trained yet", ha="center")
    last, done = axes[0, -1], [each for each in trainings if each.accuracy is not None]
    last.scatter([t.held[-1] for t in done], [t.accuracy for t in done], c=[colours[t.pictures] for t in done] or None)
    told = (
        f"Spearman {study.rank:+.2f}" if len(done) > 2 else "not trained yet" if not done else f"{len(done)} trainings"
    )
    last.set(title=told, xlabel="final held-out loss", ylabel="accuracy of a linear probe")
    plt.close(figure)  # or a notebook would show it twice
    return figure
