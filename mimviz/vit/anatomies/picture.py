"""Sizes of pictures and patches, checked."""

from __future__ import annotations

from typing import Any

from torch import nn

from ...core import Grid


def own_size(model: Any, own: tuple[int, int], size: tuple[int, int] | None, *, fixed: bool) -> tuple[int, int]:
    """(height, width) of the pictures: as asked for, or the model's own; ValueError where the model is made for one size alone."""
    if size is None or tuple(size) == tuple(own):
        return int(own[0]), int(own[1])
    if fixed:
        raise ValueError(
            f"this {type(model).__name__} takes pictures of {own[0]} x {own[1]} pixels, not of {size[0]} x {size[1]}: "
            f"create it with img_size=({size[0]}, {size[1]}), or call its set_input_size"
        )
    return int(size[0]), int(size[1])


def check_channels(model: Any) -> None:
    first = getattr(getattr(model, "patch_embed", None), "proj", None)
    channels = getattr(model, "in_chans", getattr(first, "in_channels", 3))  # earlier versions of timm do not keep it
    if channels != 3:
        raise ValueError(
            f"this {type(model).__name__} takes pictures of {channels} channels, but 3 (R, G, B) are wanted"
        )


def side(patch: tuple[int, int]) -> int:
    """The side of a square patch in pixels."""
    if patch[0] != patch[1]:
        raise ValueError(f"patches of this model are {patch[0]} x {patch[1]} pixels, but square ones are wanted")
    return int(patch[0])


def covering(height: int, width: int, patch: int, *, cut: bool) -> Grid:
    """The grid of a picture; with `cut` it covers the top left where the patch does not divide, as a strided convolution does."""
    if cut and min(height, width) >= patch:
        return Grid(height // patch, width // patch, patch)
    return Grid.of(height, width, patch)


def attentions(model: nn.Module, blocks: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the attention modules inside the blocks, in the order of the pass."""
    return tuple(
        f"{block}.{name}"
        for block in blocks
        for name, _ in model.get_submodule(block).named_modules()
        if name.rpartition(".")[2] == "attn"
    )
