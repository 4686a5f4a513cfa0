"""Losses: (guess, truth) → a number for every entry, (B, M, D) → (B, M, D). The model takes the mean over D."""

from __future__ import annotations

from torch import Tensor


def squared(guess: Tensor, truth: Tensor) -> Tensor:
    """(guess − truth)², MAE's loss."""
    return (guess - truth).square()


def absolute(guess: Tensor, truth: Tensor) -> Tensor:
    """|guess − truth|, SimMIM's loss."""
    return (guess - truth).abs()
