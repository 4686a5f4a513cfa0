"""Losses: (guess, truth) → a number for every entry, (B, M, D) → (B, M, D). The model takes the mean over D."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

Rows = Float[Tensor, "B M D"]


def squared(guess: Rows, truth: Rows) -> Rows:
    """(guess − truth)², MAE's loss."""
    return (guess - truth).square()


def absolute(guess: Rows, truth: Rows) -> Rows:
    """|guess − truth|, SimMIM's loss."""
    return (guess - truth).abs()
