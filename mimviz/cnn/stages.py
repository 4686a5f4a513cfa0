"""What a timm conv net is made of: stages, each at a coarser grid than the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timm.models.convnext import ConvNeXt
from timm.models.resnet import ResNet
from torch import nn

from ..core import Grid

FAMILIES: tuple[type[nn.Module], ...] = (ResNet, ConvNeXt)


@dataclass(frozen=True)
class Stages:
    """Names in the order of the pass: `modules` are the stages, `blocks` their residual blocks, `stage_of[i]` the stage of
    block i.

    `grids[s]` maps pixels to the cells of what stage s puts out, of `widths[s]` channels.
    """

    modules: tuple[str, ...]
    grids: tuple[Grid, ...]
    widths: tuple[int, ...]
    blocks: tuple[str, ...]
    stage_of: tuple[int, ...]
    pool: str

    @property
    def scales(self) -> tuple[int, ...]:
        """The last stage of each grid, finest first: a dilated net has several stages of one grid."""
        return tuple(s for s, grid in enumerate(self.grids) if grid not in self.grids[s + 1 :])


def stages(net: nn.Module, height: int, width: int) -> Stages:
    """The stages of a ResNet or ConvNeXt for pictures of `height × width` pixels.

    Raises ValueError for a size that the last stage does not divide: its cells would not lie on a grid of pixels.
    """
    model: Any = net
    found = [(each["module"], each["reduction"], each["num_chs"]) for each in model.feature_info]
    found = [each for each in found if not each[0].startswith("act")]  # a ResNet's stem is listed too
    blocks = [(f"{name}.{block}", s) for s, (name, _, _) in enumerate(found) for block in _blocks(model, name)]
    return Stages(
        modules=tuple(name for name, _, _ in found),
        grids=tuple(Grid.of(height, width, reduction) for _, reduction, _ in reversed(found))[::-1],
        widths=tuple(channels for _, _, channels in found),
        blocks=tuple(name for name, _ in blocks),
        stage_of=tuple(s for _, s in blocks),
        pool=_pool(model),
    )


def _blocks(net: nn.Module, stage: str) -> list[str]:
    """A ResNet's stage is a sequence of blocks, a ConvNeXt's has one under the name of `blocks`."""
    inside = "blocks" if isinstance(net, ConvNeXt) else ""
    blocks = net.get_submodule(f"{stage}.{inside}" if inside else stage)
    return [f"{inside}.{name}" if inside else name for name, _ in blocks.named_children()]


def _pool(net: Any) -> str:
    pool = getattr(net, "global_pool", None) or getattr(net.head, "global_pool", None)
    return getattr(pool, "pool_type", "") or ""
