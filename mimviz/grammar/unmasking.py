"""Pictures out of codes, step by step: guess all that is hidden, keep the surest guesses, ask again (MaskGIT, Chang et al., CVPR
2022, arXiv 2202.04200; MAGE, Li et al., CVPR 2023, arXiv 2211.09117).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..core import seeded


@torch.no_grad()
def unmask(
    scores: Callable[[Tensor, Tensor], Tensor],
    codes: Tensor,
    hidden: Tensor,
    *,
    steps: int = 20,
    temperature: float = 6.0,
    seed: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields (codes, still hidden) after each step, both (B, N); codes that were visible stay as they are.

    scores: (codes, hidden) → (B, N, words). After step k of `steps`, ⌊M · cos(π k / 2 steps)⌋ of the M hidden codes are still
    hidden, those of the lowest log-probability plus Gumbel noise, which fades from `temperature` to 0.
    """
    generator, many = seeded(seed), hidden.sum(1, keepdim=True)  # (B, 1)
    for k in range(1, steps + 1):
        logs = scores(codes, hidden).log_softmax(-1)
        drawn = (logs + _gumbel(logs, generator)).argmax(-1)
        codes = torch.where(hidden, drawn, codes)
        left = (many * math.cos(math.pi / 2 * k / steps) + 1e-9).floor().long()
        left = left.minimum((hidden.sum(1, keepdim=True) - 1).clamp(min=0)) if k < steps else left.zero_()
        sure = logs.gather(-1, codes[..., None])[..., 0]
        sure = sure + temperature * (1 - k / steps) * _gumbel(sure, generator)
        rank = sure.masked_fill(~hidden, math.inf).argsort(1).argsort(1)
        hidden = rank < left
        yield codes, hidden


def _gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(like.shape, generator=generator).to(like).clamp(1e-12, 1 - 1e-7)
    return -(-uniform.log()).log()
