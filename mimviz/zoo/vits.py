"""The timm model that a stack of blocks and a grid describe, with the normalization that its pictures want."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models.beit import Beit
from timm.models.convnext import ConvNeXt
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ..core import Grid
from .found import Stack

Tensors = Mapping[str, Tensor]
Normal = tuple[tuple[float, ...], tuple[float, ...]]
IMAGENET: Normal = (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)


def plain(tensors: Tensors, grid: Grid, blocks: Stack, *, normal: Normal = IMAGENET, eps: float = 1e-6) -> VisionTransformer:
    """A `VisionTransformer` that takes `tensors` (in timm's names) with nothing missing and nothing left."""
    classes = len(tensors["head.weight"]) if "head.weight" in tensors else 0
    registers = tensors["reg_token"].shape[1] if "reg_token" in tensors else 0
    return _normalized(
        VisionTransformer(
            **_common(grid, blocks, eps),
            qkv_bias="blocks.0.attn.qkv.bias" in tensors,
            class_token="cls_token" in tensors,
            global_pool="token" if "cls_token" in tensors and "fc_norm.weight" not in tensors else "avg",
            reg_tokens=registers,
            no_embed_class=bool("pos_embed" in tensors and tensors["pos_embed"].shape[1] == grid.count),
            final_norm="norm.weight" in tensors or "fc_norm.weight" in tensors,
            fc_norm="fc_norm.weight" in tensors,
            init_values=1e-5 if "blocks.0.ls1.gamma" in tensors else None,
            num_classes=classes,
            weight_init="skip",
        ),
        normal,
    )


def biased(tensors: Tensors, grid: Grid, blocks: Stack, *, normal: Normal = IMAGENET, eps: float = 1e-6) -> Beit:
    """A `Beit`, whose tokens know their places by relative position bias, for each block or shared, or by a table."""
    return _normalized(
        Beit(
            **_common(grid, blocks, eps),
            qkv_bias="blocks.0.attn.q_bias" in tensors,
            use_abs_pos_emb="pos_embed" in tensors,
            use_rel_pos_bias="blocks.0.attn.relative_position_bias_table" in tensors,
            use_shared_rel_pos_bias="rel_pos_bias.relative_position_bias_table" in tensors,
            init_values=0.1 if "blocks.0.gamma_1" in tensors else None,
            global_pool="avg" if "fc_norm.weight" in tensors else "token",
            use_fc_norm="fc_norm.weight" in tensors,
            num_classes=len(tensors["head.weight"]) if "head.weight" in tensors else 0,
        ),
        normal,
    )


def swin(
    tensors: Tensors, size: int, patch: int, stages: tuple[Stack, ...], window: int, *, normal: Normal = IMAGENET, eps: float = 1e-5
) -> SwinTransformer:
    """A `SwinTransformer` of these stages for square pictures of `size` pixels."""
    return _normalized(
        SwinTransformer(
            img_size=size,
            patch_size=patch,
            window_size=window,
            embed_dim=stages[0].width,
            depths=tuple(stage.depth for stage in stages),
            num_heads=tuple(stage.heads for stage in stages),
            mlp_ratio=stages[0].hidden / stages[0].width,
            qkv_bias="layers.0.blocks.0.attn.qkv.bias" in tensors,
            norm_layer=partial(nn.LayerNorm, eps=eps),  # type: ignore[arg-type]
            drop_path_rate=0.0,
            num_classes=0,
        ),
        normal,
    )


def resnet(tensors: Tensors, layers: tuple[int, ...], size: int, *, normal: Normal = IMAGENET) -> ResNet:
    """A `ResNet` with so many blocks in its stages, of three convolutions each where `tensors` have them."""
    block: Any = Bottleneck if "layer1.0.conv3.weight" in tensors else BasicBlock
    return _normalized(ResNet(block, layers, num_classes=0), normal, (size, size))


def convnext(tensors: Tensors, layers: tuple[int, ...], size: int, *, normal: Normal = IMAGENET) -> ConvNeXt:
    """A `ConvNeXt` with so many blocks in its stages."""
    widths = tuple(len(tensors[f"stages.{stage}.blocks.0.norm.weight"]) for stage in range(len(layers)))
    return _normalized(ConvNeXt(depths=layers, dims=widths, num_classes=0), normal, (size, size))


def _common(grid: Grid, blocks: Stack, eps: float) -> dict[str, Any]:
    return {
        "img_size": (grid.height, grid.width),
        "patch_size": grid.patch,
        "embed_dim": blocks.width,
        "depth": blocks.depth,
        "num_heads": blocks.heads,
        "mlp_ratio": blocks.hidden / blocks.width,
        "norm_layer": partial(nn.LayerNorm, eps=eps),
    }


def _normalized(vit: Any, normal: Normal, size: tuple[int, int] | None = None) -> Any:
    (mean, std), (height, width) = normal, size or vit.patch_embed.img_size
    config = {"input_size": (3, height, width), "mean": mean, "std": std, "interpolation": "bicubic", "crop_pct": 1.0}
    vit.pretrained_cfg = vit.default_cfg = config
    return vit
