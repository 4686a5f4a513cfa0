"""Visual Prompt Tuning. Jia, Tang, Chen, Cardie, Belongie, Hariharan, Lim. ECCV 2022. arXiv 2203.12119.

A frozen ViT gets p learned tokens behind its class token: "shallow", at the first block alone; "deep", p new ones at every block,
in the place of what became of the last. Only they and the head are trained. They are registers here, so that whatever reads the
model sees them as such; equal to a forward pass written slowly from equations 4 to 6 (tests/tune/test_prompts.py).
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ..grammar import MaskedModel
from ..vit import anatomy
from ._models import only_head
from .classifier import classifier


def prompted(model: MaskedModel | nn.Module, classes: int, *, tokens: int = 10, deep: bool = False) -> Any:
    """A copy as a timm ViT with a fresh head and `tokens` prompts, all else frozen: `Classifier(prompted(mim, 10), steps=...)`.

    Raises TypeError for a model that is no plain ViT, ValueError without tokens.
    """
    if tokens < 1:
        raise ValueError(f"tokens is {tokens}, but at least one prompt is wanted (none at all: tune.head_only)")
    vit = only_head(classifier(model, classes))
    parts = anatomy(vit)
    if parts.family != "VisionTransformer":
        raise TypeError(f"{parts.family} cannot be given prompts: a plain ViT of timm (VisionTransformer) is wanted")
    prefix, width = parts.prefix, parts.width
    bound = math.sqrt(6 / (3 * parts.grid.patch**2 + width))
    _make_room(vit, tokens, prefix)
    for block in vit.blocks if deep else vit.blocks[:1]:
        block.prompts = nn.Parameter(torch.empty(1, tokens, width).uniform_(-bound, bound))
        block.prompts_at = prefix
        block.register_forward_pre_hook(_put_in)
    return vit


def folded(vit: Any) -> Any:
    """A copy of a model with shallow prompts as a ViT with registers, without hooks: timm alone can build and load it.

    Raises ValueError for deep prompts, which no model of timm's has.
    """
    vit = deepcopy(vit)
    owners = [block for block in vit.blocks if hasattr(block, "prompts")]
    if len(owners) != 1 or owners[0] is not vit.blocks[0] or not isinstance(vit.norm_pre, nn.Identity):
        raise ValueError(
            f"prompts stand in {len(owners)} blocks, but only those of the first alone can be made registers, and only without a "
            "norm in front of it: timm has no model for this"
        )
    block = owners[0]
    count = block.prompts.shape[1]
    old = vit.reg_token.data[:, :-count]
    vit.reg_token = nn.Parameter(torch.cat([old, block.prompts.data], 1))  # its positions are zero, see `_make_room`
    del block.prompts, block.prompts_at
    block._forward_pre_hooks.clear()
    return vit.requires_grad_(True)


def _make_room(vit: Any, tokens: int, prefix: int) -> None:
    """`tokens` more registers, whose numbers the first block replaces, with zeros where positions are asked for."""
    empty = vit.pos_embed.new_zeros(1, tokens, vit.embed_dim)
    old = vit.reg_token.data if vit.reg_token is not None else empty[:, :0]
    vit.reg_token = nn.Parameter(torch.cat([old, empty], 1), requires_grad=False)
    if not vit.no_embed_class:
        table = vit.pos_embed.data
        vit.pos_embed = nn.Parameter(torch.cat([table[:, :prefix], empty, table[:, prefix:]], 1), requires_grad=False)
    vit.num_reg_tokens += tokens
    vit.num_prefix_tokens += tokens


def _put_in(block: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x, at, count = args[0], block.prompts_at, block.prompts.shape[1]  # x (B, prefix + p + N, width)
    prompts = block.prompts.to(x.dtype).expand(len(x), -1, -1)
    return torch.cat([x[:, :at], prompts, x[:, at + count :]], 1), *args[1:]
