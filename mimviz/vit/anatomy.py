"""What a timm ViT is made of, read off the model and never assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from timm.data.config import resolve_model_data_config
from torch import nn

from ..core import Grid
from .anatomies import facts

Positions = Literal[
    "learned", "factorized", "rope", "learned + rope", "factorized + rope", "relative bias", "learned + relative bias",
    "continuous relative bias", "gated relative", "learned + gated relative", "none",
]  # fmt: skip
Reach = Literal["global", "windows", "convolutions"]


@dataclass(frozen=True)
class Anatomy:
    """The parts of a model for pictures of one size.

    `grid` maps pixels to patches; a sequence has `prefix` tokens in front of them: `class_tokens` of these are class tokens
    (DeiT's distillation token is one), the last `registers` are registers. `positions` names how it knows where a patch lies;
    `blocks` and `attentions` are the names of its blocks and attention modules, in the order of the pass (no attentions in conv
    nets, and where a block does it all in one module); `mean` and `std` normalize pictures.

    `size` (height, width): pixels of the pictures that it takes. Where the patch does not divide it, the grid covers the top
    left, as timm does. `reach`: how far a patch looks within one block. `stages`: the grids of a hierarchical model, finest
    first; `grid` is the last of them, `width` its channels, and block i puts out tokens of `stages[stage_of[i]]`. Other models
    have one stage. `prefix_from`: the first block that sees the prefix tokens; not 0 in ConViT alone.
    """

    family: str
    grid: Grid
    width: int
    prefix: int
    class_tokens: int
    registers: int
    positions: Positions
    pool: str
    blocks: tuple[str, ...]
    attentions: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: tuple[int, int]
    reach: Reach
    stages: tuple[Grid, ...]
    stage_of: tuple[int, ...]
    prefix_from: int = 0


def anatomy(model: nn.Module, *, size: tuple[int, int] | None = None) -> Anatomy:
    """The anatomy of a timm model for pictures of `size` (height, width) pixels; its own size unless told.

    Raises TypeError with the reason for a model of a family that mimviz cannot read, ValueError for a size or a number of
    channels that it cannot.
    """
    config = resolve_model_data_config(model)
    found = facts(model, size, tuple(config["input_size"][1:]))
    return Anatomy(family=type(model).__name__, mean=tuple(config["mean"]), std=tuple(config["std"]), **found)
