"""What a judge says of a map: one number for each picture, and the curve it was read off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Better = Literal["higher", "lower"]


@dataclass(frozen=True, eq=False)
class Curve:
    """y (B, S) over x (S,): the score of each picture as more and more is hidden, shown or changed."""

    x: Tensor
    y: Tensor
    x_label: str = "share hidden"
    y_label: str = "probability"

    def area(self) -> Tensor:
        """(B,): the area under y, by trapezoids, over the length of x."""
        return torch.trapezoid(self.y, self.x.to(self.y), dim=-1) / float(self.x[-1] - self.x[0])


@dataclass(frozen=True, eq=False)
class Score:
    """`value` (B,): one number for each picture; `by` is the judge with its parameters, and says whether higher is better.

    A value is NaN where the judge cannot say anything of a picture; `note` then says why.
    """

    value: Tensor
    by: object
    curve: Curve | None = None
    note: str = ""

    def __post_init__(self):
        if self.value.ndim != 1:
            raise ValueError(
                f"score has shape {tuple(self.value.shape)}, but (B,) is wanted: a number for each picture"
            )

    @property
    def better(self) -> Better:
        return getattr(self.by, "better", "higher")

    @property
    def mean(self) -> float:
        """Over the pictures of which the judge can say something; NaN where there are none."""
        return float(self.value.nanmean())

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        if len(self) != 1:
            raise ValueError(f"this score is of {len(self)} pictures: take one of score.value, or score.mean")
        return float(self.value[0])

    def __repr__(self) -> str:
        told = ", ".join(f"{v:.4g}" for v in self.value[:4].tolist()) + (", …" if len(self) > 4 else "")
        return f"Score({told}; {self.better} is better; by {self.by})"
