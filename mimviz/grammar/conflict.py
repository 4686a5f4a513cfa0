"""Whether the losses of a recipe pull the encoder the same way (MR-MAE, Gao et al., arXiv 2303.05475, asks it of its two)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core import Outcome


def conflict(outcome: Outcome, encoder: nn.Module) -> dict[str, float]:
    """The cosine between the gradients that the patches' loss and each of the `terms` give the encoder, −1..1 by name.

    −1: they undo each other; 0: they do not meet; 1: they agree. NaN where one of them gives it none. No `.grad` is touched.
    """
    weights = [p for p in encoder.parameters() if p.requires_grad]
    whole = outcome.loss
    if not isinstance(whole, Tensor):
        raise ValueError(
            "this outcome carries no gradient: call the model itself, without torch.no_grad and reconstruct"
        )
    patches = whole - sum(outcome.terms.values())
    first = _gradient(patches, weights)
    found = {
        name: torch.cosine_similarity(first, _gradient(term, weights), dim=0) for name, term in outcome.terms.items()
    }
    return {name: float(cosine) if first.any() and cosine else float("nan") for name, cosine in found.items()}


def _gradient(loss: Tensor, weights: Sequence[Tensor]) -> Tensor:
    if not loss.requires_grad:
        return torch.zeros(sum(p.numel() for p in weights))
    grads = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    return torch.cat(
        [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in zip(weights, grads, strict=True)]
    )
