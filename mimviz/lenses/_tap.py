"""Robustifying Token Attention for Vision Transformers. Guo, Stutz, Schiele. ICCV 2023. arXiv 2303.11126.

Token-aware average pooling: what attention reads is, for every token, a learnt mixture of averages over ever wider neighbourhoods.
Confirmed in guoyongcs/TAPADL: 4 branches, 3 x 3 averages with dilation k (0 is the token itself), zeros beyond the border, weights
softmax(conv 3x3 · BatchNorm · conv 3x3) without biases; the residual stream is not pooled.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Grid
from ..vit import anatomy


class TokenPooling(nn.Module):
    """(B, prefix + N, C) → the same: patches pooled over their neighbours, tokens before them as they are."""

    def __init__(self, dim: int, grid: Grid, *, prefix: int, branches: int = 4):
        super().__init__()
        if branches < 1:
            raise ValueError(f"branches is {branches}, but at least 1 is wanted: the token itself")
        self.grid, self.prefix, self.branches = grid, prefix, branches
        self.weigh = nn.Sequential(
            nn.Conv2d(dim, branches, 3, padding=1, bias=False),
            nn.BatchNorm2d(branches),
            nn.Conv2d(branches, branches, 3, padding=1, bias=False),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        front, patches = tokens[:, : self.prefix], tokens[:, self.prefix :]
        picture = patches.transpose(1, 2).unflatten(2, self.grid.shape)  # (B, C, rows, cols)
        weights = self.weigh(picture).softmax(1)  # (B, branches, rows, cols)
        pooled = sum(_average(picture, k) * weights[:, k, None] for k in range(self.branches))
        assert isinstance(pooled, Tensor)
        return torch.cat([front, pooled.flatten(2).transpose(1, 2)], dim=1)


def _average(picture: Tensor, dilation: int) -> Tensor:
    if not dilation:
        return picture
    C = picture.shape[1]
    kernel = picture.new_full((C, 1, 3, 3), 1 / 9)
    return F.conv2d(picture, kernel, padding=dilation, dilation=dilation, groups=C)


def tap(vit: nn.Module, *, branches: int = 4) -> nn.Module:
    """A copy of a timm ViT whose attention reads pooled tokens: a TokenPooling, untrained, in front of norm1 in every block.

    With one branch it answers as the original does. Raises TypeError for blocks in which norm1 is not what attention alone reads.
    """
    parts, made = anatomy(vit), copy.deepcopy(vit)
    for name in parts.blocks:
        block: Any = made.get_submodule(name)
        if not isinstance(getattr(block, "norm1", None), nn.Module) or not hasattr(block, "attn") or len(parts.stages) > 1:
            raise TypeError(f"{type(block).__name__} of {parts.family} has no norm1 that attention alone reads")
        pooling = TokenPooling(parts.width, parts.grid, prefix=parts.prefix, branches=branches)
        block.norm1 = nn.Sequential(pooling.to(next(block.parameters()).device), block.norm1).train(block.training)
    return made
