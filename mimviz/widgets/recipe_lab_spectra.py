"""Target and guess by their frequencies, for sentences that compare or cut these (A²MIM, PixMIM)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ..core import Outcome
from ..grammar.targets import LowPass
from .recipe_lab_views import Panel, map_panel


def spectra_panels(model: Any, outcome: Outcome) -> Iterator[Panel]:
    """Log amplitude of the target's picture and of the guess with what was visible; the mean colour is in the middle."""
    if outcome.view is None or not ("fourier" in outcome.terms or isinstance(model.target, LowPass)):
        return
    truth = outcome.view.images[:1]
    truth = model.target.filtered(truth) if isinstance(model.target, LowPass) else truth
    for key, caption, images in (
        ("spectrum", "target, Fourier", truth),
        ("guessed spectrum", "guess, Fourier", outcome.filled[:1]),
    ):
        meaning = f"amplitude of each frequency of the {caption.split(',')[0]}, mean of the colours; slow changes are in the middle"
        yield map_panel(key, caption, meaning, amplitudes(images), "log₁₀ amplitude", figure="spectrum")


def amplitudes(images: Tensor) -> Tensor:
    """(1, C, H, W) → (H, W): log₁₀ of the mean amplitude over colours, at least −3, frequency 0 at [H // 2, W // 2]."""
    found = torch.fft.fft2(images.float(), norm="ortho").abs().mean(1)[0]
    return torch.fft.fftshift(found).clamp_min(1e-3).log10()
