"""keyu-tian/SparK (Tian et al., ICLR 2023): a conv net that is masked by sparse convolutions, and a decoder of several scales.

What its `pretrain/main.py` writes as `*_withdecoder_1kpretrained_spark_style.pth`: everything under `module`, the net under
`sparse_encoder.sp_cnn.`, its options beside it. Scales count from the coarsest there, from the finest here.
"""

from __future__ import annotations

import re
from functools import partial

import torch
from torch import Tensor

from ... import recipes
from ...core import Grid
from ..found import Finding
from ..safe import Weights
from ..shapes import shape
from ..vits import convnext, resnet
from .reading import Reading, Wish, under

STRIDE = 32  # pixels: the side of SparK's patches, cells of the last of its feature maps
KEYS = {"ResNet": "layer1.0.conv1.weight", "ConvNeXt": "downsample_layers.0.0.weight"}
UNUSED = ("imn_m", "imn_s", "norm_black")
OTHER = (
    "its encoder is neither a ResNet nor a ConvNeXt, so it cannot be built here. Save the tensors under sparse_encoder.sp_cnn "
    "alone, and mimviz.load_vit opens them if timm has such a net"
)
FRESH = "the norm before a head (ones and zeros: SparK trains none)"
SCALES = {"mask_tokens": "tokens", "densify_norms": "norms", "densify_projs": "projections"}
CONVNEXT = [
    (r"^downsample_layers\.0\.", "stem."),
    (r"^downsample_layers\.(\d)\.", r"stages.\1.downsample."),
    (r"^stages\.(\d)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv([12])\.", r".mlp.fc\1."),
]


def matches(weights: Weights) -> bool:
    return all(any(k.startswith(part) for k in weights.tensors) for part in ("sparse_encoder.", "dense_decoder."))


def read(weights: Weights, wish: Wish) -> Reading:
    inside, file = under(weights.tensors, "sparse_encoder.sp_cnn."), weights.name
    family = next((name for name, key in KEYS.items() if key in inside), "conv net")
    arch, size = weights.beside.get("arch"), _size(weights)
    dim = shape(weights.tensors, "dense_decoder.dec.0.up_sample.weight", file, 4)[0]
    found = Finding(
        f"SparK with a {family}" + (f" ({arch})" if isinstance(arch, str) else ""), file, Grid.of(size, size, STRIDE),
        decoder=f"light, of several scales, width {dim}", target="normalized patches",
        assumed=(FRESH,) if family == "ConvNeXt" else (), ignored=tuple(k for k in UNUSED if k in weights.tensors),
        obstacle=OTHER if family not in KEYS else "",
    )  # fmt: skip
    if found.obstacle:
        return Reading(found, {})
    tensors = inside if family == "ResNet" else _convnext(inside, file)
    built = resnet if family == "ResNet" else convnext
    blocks = _blocks(tensors, r"layer(\d)\.(\d+)\." if family == "ResNet" else r"stages\.(\d)\.blocks\.(\d+)\.")
    sentence = partial(recipes.spark, dim=dim, **_ratio(weights))
    return Reading(found, tensors, partial(built, tensors, blocks, size), _decoder(weights.tensors), sentence)


def _size(weights: Weights) -> int:
    """Pixels of a side: that of the black picture (1, 3, height, width) in the file, else what its options say, else 224."""
    canvas, told = weights.tensors.get("norm_black"), weights.beside.get("input_size")
    if canvas is not None and canvas.ndim == 4 and canvas.shape[-1] % STRIDE == 0:
        return canvas.shape[-1]
    return told if isinstance(told, int) else 224


def _ratio(weights: Weights) -> dict[str, float]:
    config = weights.beside.get("config")
    told = config.get("mask_ratio") if isinstance(config, dict) else None
    return {"ratio": float(told)} if isinstance(told, (int, float)) else {}


def _blocks(tensors: dict[str, Tensor], pattern: str) -> tuple[int, ...]:
    """Blocks in each of the stages."""
    places = {(m[1], m[2]) for k in tensors if (m := re.match(pattern, k))}
    stages = [stage for stage, _ in places]
    return tuple(stages.count(stage) for stage in sorted(set(stages)))


def _convnext(inside: dict[str, Tensor], file: str) -> dict[str, Tensor]:
    """In timm's names, with a norm before a head, which timm's has and SparK's has not."""
    out: dict[str, Tensor] = {}
    for name, tensor in inside.items():
        for old, new in CONVNEXT:
            name = re.sub(old, new, name)
        out[name] = tensor
    (width,) = shape(out, "stages.3.blocks.0.norm.weight", file, 1)
    return out | {"head.norm.weight": torch.ones(width), "head.norm.bias": torch.zeros(width)}


def _decoder(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All that is not the net, in the names of `decoders.Light`."""
    last = sum(name.startswith("mask_tokens.") for name in tensors) - 1
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if m := re.fullmatch(rf"({'|'.join(SCALES)})\.(\d+)(.*)", name):
            name = f"{SCALES[m[1]]}.{last - int(m[2])}{m[3]}"
        name = re.sub(r"^dense_decoder\.dec\.(\d+)\.up_sample\.", r"doublings.\1.0.", name)
        name = re.sub(
            r"^dense_decoder\.dec\.(\d+)\.conv\.(\d+)\.", lambda m: f"doublings.{m[1]}.{int(m[2]) + 1}.", name
        )
        name = re.sub(r"^dense_decoder\.proj\.", "head.", name)
        if not name.startswith("sparse_encoder.") and name not in UNUSED:
            out[f"decoder.{name}"] = tensor
    return out
