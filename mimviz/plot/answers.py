"""Before and after, in plotly: what a classifier takes for what, how it does on each class, and its hardest pictures."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

if TYPE_CHECKING:
    from ..tune import Answers

NAMED = 40  # classes whose names fit on an axis


def show_answers(after: Answers, *, before: Answers | None = None) -> go.Figure:
    """The confusion matrix of `after`, rows sum to 1, and the accuracy of every class, beside `before` where it is given."""
    figure = make_subplots(1, 2, column_widths=[0.55, 0.45], subplot_titles=("taken for …", "accuracy of each class"))
    inside = max(200, min(18 * len(after.dataset.classes), 720))  # pixels of the height that the axes take
    figure.add_trace(_matrix(after, inside), 1, 1)
    for given, colour in ((before, "#b0b0b0"), (after, "#1f77b4")):
        if given is not None:
            figure.add_trace(_bars(given, colour), 1, 2)
    count = len(after.dataset.classes)
    figure.update_yaxes(autorange="reversed", title_text="truth", row=1, col=1)
    figure.update_yaxes(autorange="reversed", showticklabels=False, row=1, col=2)
    figure.update_xaxes(range=[0, 1], tickformat=".0%", row=1, col=2)
    if count > NAMED:
        figure.update_xaxes(showticklabels=False, row=1, col=1)
        figure.update_yaxes(showticklabels=False, row=1, col=1)
    told = f"{after.name} {after.accuracy:.1%}" + (
        f", {before.name} {before.accuracy:.1%}" if before is not None else ""
    )
    figure.update_layout(title=f"right: {told}", height=inside + 220, barmode="group", template="plotly_white")
    figure.update_layout(
        legend={"orientation": "h", "x": 0.6, "y": -60 / inside}, margin={"l": 60, "r": 20, "t": 80, "b": 140}
    )
    return figure


def show_hardest(answers: Answers, *, count: int = 12, columns: int = 6) -> go.Figure:
    """The pictures whose true class got the smallest probability; above each what it is, below it what was said."""
    ids, data = answers.hardest(count), answers.dataset
    rows = -(-len(ids) // columns)
    titles = [f"{data.classes[answers.labels[i]]}<br>said: {_said(answers, i)}" for i in ids]
    figure = make_subplots(rows, columns, subplot_titles=titles, vertical_spacing=0.3 / rows, horizontal_spacing=0.02)
    for place, index in enumerate(ids):
        shown = go.Image(
            source=_png(data.images[index].permute(1, 2, 0).numpy()),
            hovertemplate=f"{data.names[index]}<extra></extra>",
        )
        figure.add_trace(shown, place // columns + 1, place % columns + 1)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.update_annotations(font_size=11)
    return figure.update_layout(
        height=190 * rows + 60, margin={"l": 10, "r": 10, "t": 60, "b": 10}, template="plotly_white"
    )


def _matrix(answers: Answers, inside: int) -> go.Heatmap:
    table, names = answers.confusion, answers.dataset.classes
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    told = "%{y} taken for %{x}: %{customdata} pictures, %{z:.0%}<extra></extra>"
    return go.Heatmap(
        z=shares, x=names, y=names, customdata=table, hovertemplate=told, colorscale="Viridis", zmin=0, zmax=1,
        colorbar={
            "orientation": "h", "x": 0.27, "y": -75 / inside, "yanchor": "top", "len": 0.5, "thickness": 8, "tickformat": ".0%",
        },
    )  # fmt: skip


def _bars(answers: Answers, colour: str) -> go.Bar:
    shares, counts = answers.per_class, answers.confusion.sum(1)
    told = "%{y}: %{x:.1%} of %{customdata}<extra>" + answers.name + "</extra>"
    return go.Bar(
        x=list(shares.values()), y=list(shares), customdata=counts, orientation="h", name=answers.name,
        marker_color=colour, hovertemplate=told,
    )  # fmt: skip


def _said(answers: Answers, index: int) -> str:
    label = int(answers.predicted[index])
    return f"{answers.dataset.classes[label]} ({answers.probabilities[index, label]:.0%})"


def _png(pixels: np.ndarray) -> str:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
