"""A conv net that sees some cells of its picture only, and whose mask keeps its shape from the first layer to the last.

An ordinary convolution sees past the edge of what is hidden: with every layer the hole closes a little, until the mask is gone
(Tian et al., Designing BERT for Convolutional Networks, ICLR 2023, figure 1, arXiv 2301.03580). Here every layer puts 0 back into
hidden cells, and norms take their statistics of visible cells alone, which is what a sparse convolution computes (section 3.1 and
keyu-tian/SparK, pretrain/encoder.py). The net itself is not changed: with everything visible it is the plain net.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from jaxtyping import Bool, Float
from timm.layers.blur_pool import BlurPool2d
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from .stages import stages

PACKED = (nn.BatchNorm2d, LayerNorm2d)  # their statistics are of visible cells
MAPS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, BlurPool2d)  # put out (B, C, H, W)
ROWS = (nn.Linear, nn.LayerNorm)  # put out (B, H, W, C)
REFUSED = (nn.GroupNorm, nn.InstanceNorm2d)


@contextmanager
def sparse(net: nn.Module, visible: Bool[Tensor, "B rows cols"]) -> Iterator[None]:
    """Inside, and in this thread alone, `net` sees the visible cells only: hidden ones are 0 after every layer.

    visible: cells of the coarsest grid, True = seen; a finer map takes it enlarged. Raises TypeError for a net with norms that mix
    all cells of a picture (group norm, instance norm).
    """
    hooks = []
    try:
        for name, module in net.named_modules():
            if isinstance(module, REFUSED):
                raise TypeError(
                    f"{name} is a {type(module).__name__}, whose statistics would mix hidden and visible cells"
                )
            hooks += _hooks(module, visible, get_ident())
        yield
    finally:
        for hook in hooks:
            hook.remove()


def pyramid(
    net: nn.Module, images: Float[Tensor, "B 3 H W"], visible: Bool[Tensor, "B rows cols"] | None = None
) -> list[Tensor]:
    """What a ResNet or ConvNeXt makes of pictures at each of its scales, finest first: (B, C, rows, cols) each.

    visible: cells of the coarsest scale that a sparse pass may see; None is the plain pass. Of several stages at one scale the
    last counts.
    """
    if visible is not None:
        with sparse(net, visible):
            return pyramid(net, images * enlarged(visible, images))
    found, maps, mine = stages(net, *images.shape[2:]), {}, get_ident()
    names = [found.modules[s] for s in found.scales]
    hooks = [net.get_submodule(name).register_forward_hook(_keeper(maps, name, mine)) for name in names[:-1]]
    try:
        last = net.forward_features(images)  # type: ignore[operator]
    finally:
        for hook in hooks:
            hook.remove()
    return [*(maps[name] for name in names[:-1]), last]


def on_cells(norm: nn.Module, x: Float[Tensor, "B C H W"], visible: Bool[Tensor, "B rows cols"]) -> Tensor:
    """A norm of visible cells alone; hidden ones are 0."""
    return _spread(norm(_gathered(x, visible)), x.shape, visible)


def enlarged(visible: Bool[Tensor, "B rows cols"], x: Tensor) -> Bool[Tensor, "B 1 H W"]:
    """The cells at the size of x (B, C, H, W)."""
    return _at(visible, *x.shape[2:])[:, None]


# --- inside ---


def _at(visible: Tensor, height: int, width: int) -> Tensor:
    """(B, height, width)"""
    return visible.repeat_interleave(height // visible.shape[1], 1).repeat_interleave(width // visible.shape[2], 2)


def _fits(visible: Tensor, height: int, width: int) -> bool:
    """False for what is no map, such as the squeezed (B, C, 1, 1) of an excitation."""
    return height % visible.shape[1] == 0 and width % visible.shape[2] == 0


def _gathered(x: Tensor, visible: Tensor) -> Tensor:
    """(1, C, visible cells of all pictures, 1)"""
    rows = x.permute(0, 2, 3, 1)[_at(visible, *x.shape[2:])]  # (cells, C)
    return rows.T.contiguous()[
        None, :, :, None
    ]  # strided like channels-last, the gradient of batch norm would be wrong


def _spread(packed: Tensor, shape: torch.Size, visible: Tensor) -> Tensor:
    B, C, H, W = shape
    x = packed.new_zeros(B, H, W, C)
    x[_at(visible, H, W)] = packed[0, :, :, 0].T
    return x.permute(0, 3, 1, 2)


def _hooks(module: nn.Module, visible: Tensor, mine: int) -> list[Any]:
    if isinstance(module, PACKED):
        shapes: list[torch.Size] = []

        def pack(module, args):
            if get_ident() == mine:
                shapes.append(args[0].shape)
                return (_gathered(args[0], visible), *args[1:])
            return None

        def unpack(module, args, x):
            return _spread(x, shapes.pop(), visible) if get_ident() == mine else None

        return [module.register_forward_pre_hook(pack), module.register_forward_hook(unpack)]
    if not isinstance(module, (*MAPS, *ROWS)):
        return []
    first = 2 if isinstance(module, MAPS) else 1  # where height and width stand

    def blank(module, args, x):
        if get_ident() != mine or x.ndim != 4 or not _fits(visible, *x.shape[first : first + 2]):
            return None
        cells = _at(visible, *x.shape[first : first + 2])
        return x * (cells[:, None] if first == 2 else cells[..., None])

    return [module.register_forward_hook(blank)]


def _keeper(maps: dict[str, Tensor], name: str, mine: int):
    def keep(module, args, x):
        if get_ident() == mine:
            maps[name] = x

    return keep
