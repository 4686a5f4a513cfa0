"""A model asked from what its first layer makes of pictures: that is linear, so mixtures of pictures are mixtures of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from timm.models.beit import Beit
from timm.models.convnext import ConvNeXt
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.resnet import ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from .scene import Scene
from .standing_in import replaced, standing_in, watched

KINDS = (VisionTransformer, VisionTransformerDistilled, Eva, Beit, SwinTransformer, ResNet, ConvNeXt)
"""timm's models in which that layer, and nothing else, reads the pictures."""


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """`rows(images)` (B, C, h, w) is what `conv` makes of pictures, or the pictures themselves where there is no such layer.

    `score(rows)`, `back(gradient by rows)`: the scene's score, and the gradient by pictures (B, 3, H, W), exact to rounding.
    """

    scene: Scene
    conv: nn.Conv2d | None

    @torch.no_grad()
    def rows(self, images: Tensor) -> Tensor:
        return images if self.conv is None else self.conv(images)

    def score(self, rows: Tensor) -> Tensor:
        """(K · B, C, h, w) → (K · B,), with a gradient."""
        if self.conv is None:
            return self.scene.score(rows)
        unread = rows.new_full((), float("nan")).expand(len(rows), *self.scene.images.shape[1:])
        with standing_in(self.conv, lambda _: rows):
            return self.scene.score(unread)

    @torch.no_grad()
    def back(self, grad: Tensor) -> Tensor:
        conv = self.conv
        if conv is None:
            return grad
        shape = torch.Size((len(grad), *self.scene.images.shape[1:]))
        how: Any = conv.stride, conv.padding, conv.dilation, conv.groups
        return conv2d_input(shape, conv.weight, grad, *how)


def first_layer(scene: Scene, *, patchwise: bool = False) -> FirstLayer:
    """Of the scene's model; the pictures themselves for other models, and where somebody watches or has replaced that layer.

    patchwise: only where every pixel of the picture goes into one row, and a patch of the grid is made of whole rows; and not
    where answers are kept, which are found by the pictures.
    """
    model: Any = scene.model
    conv = model.get_submodule(model.pretrained_cfg["first_conv"]) if type(model) in KINDS else None
    if type(conv) is not nn.Conv2d or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return FirstLayer(scene, None)
    own = "score" in vars(scene)  # somebody's function of the pictures
    padded = getattr(getattr(model, "patch_embed", None), "dynamic_img_pad", False)
    if own or padded or replaced(conv) or watched(conv):
        return FirstLayer(scene, None)
    step, size = conv.kernel_size, scene.images.shape[-2:]
    cut = conv.stride != step or any(conv.padding) or any(s % k for s, k in zip(size, step, strict=True))
    if patchwise and (
        cut or scene.answers is not None or conv.dilation != (1, 1) or any(scene.grid.patch % k for k in step)
    ):
        return FirstLayer(scene, None)
    return FirstLayer(scene, conv)
