"""Encoders without a decoder: mae_pretrain_vit_*.pth, timm's `.mae` models, fine-tuned classifiers, Hugging Face's ViTModel …

They can be looked into, but nothing in them can paint a patch: the decoder was thrown away after pre-training.
"""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor

from ..found import Finding
from ..safe import Weights
from ..shapes import grid, stack
from ..vits import IMAGENET, biased, plain
from . import hugging_face as hf
from .beit import heads_of_bias
from .mae import instead
from .reading import Reading, Wish, options, renamed

KEPT = (
    "patch_embed.", "blocks.", "norm.", "norm_pre.", "fc_norm.", "head.", "cls_token", "pos_embed", "reg_token", "rel_pos_bias.",
)  # fmt: skip
FAMILIES = {
    "blocks.0.attn.qkv.weight": "ViT",
    "stages.0.blocks.0.conv_dw.weight": "ConvNeXt",
    "stages.0.0.dwconv.weight": "ConvNeXt",
    "layer1.0.conv1.weight": "ResNet",
    "layers.0.blocks.0.attn.qkv.weight": "Swin",
}
OBSTACLE = "it is an encoder without a decoder, so it cannot reconstruct: {0}. {1} opens the encoder"
VIT, OTHER = "mimviz.zoo.load_encoder", "mimviz.load_vit(path, architecture=…), with timm's name of it,"


def matches(weights: Weights) -> bool:
    return _hugging_face(weights) is not None or any(key in weights.tensors for key in FAMILIES)


def read(weights: Weights, wish: Wish) -> Reading:
    prefix = _hugging_face(weights)
    if prefix is not None:
        return _hugging_face_vit(weights, wish, prefix)
    family = next(name for key, name in FAMILIES.items() if key in weights.tensors)
    if any(re.fullmatch(r"blocks\.\d+\.proj\.weight", key) for key in weights.tensors):
        family = "Hiera"
    if family != "ViT" or "patch_embed.proj.weight" not in weights.tensors:
        obstacle = OBSTACLE.format(instead(None), OTHER)
        return Reading(Finding(f"{family} encoder in timm's names", weights.name, obstacle=obstacle), {})
    tensors = renamed(weights.tensors, {name: name for name in KEPT})
    tensors = {k: v for k, v in tensors.items() if not k.endswith("relative_position_index")}
    size = options(weights.beside, "input_size")
    return _reading("ViT encoder in timm's names", weights, tensors, wish.heads, size if isinstance(size, int) else None)


def _hugging_face(weights: Weights) -> str | None:
    """The prefix of a Hugging Face ViT's parameters; None for other files."""
    at = "embeddings.patch_embeddings.projection.weight"
    return next((prefix for prefix in ("vit.", "") if prefix + at in weights.tensors), None)


def _hugging_face_vit(weights: Weights, wish: Wish, prefix: str) -> Reading:
    hf.check_activation(weights)
    named = hf.timm_names(weights.tensors, prefix)
    tensors = renamed(named, {name: name for name in KEPT})
    classes = {f"head.{k}": named[f"classifier.{k}"] for k in ("weight", "bias") if f"classifier.{k}" in named}
    normal, _ = hf.normal(weights, IMAGENET if weights.config.get("model_type") == "vit_mae" else hf.HALF)
    heads = wish.heads or hf.number(weights.config, "num_attention_heads")
    name = f"Hugging Face {weights.config.get('model_type', 'vit')} encoder"
    made = {"normal": normal, "eps": hf.eps(weights.config, 1e-12)}
    return _reading(name, weights, tensors | classes, heads, hf.size(weights.config), **made)


def _reading(
    name: str, weights: Weights, tensors: dict[str, Tensor], heads: int | None, size: int | tuple[int, int] | None, **made
) -> Reading:
    file = weights.name
    cells = grid(tensors, file, size=size)
    blocks, guess = stack(tensors, file, heads=heads or heads_of_bias(tensors))
    found = Finding(
        name, file, cells, blocks, assumed=(guess,) if guess else (),
        ignored=tuple(k for k in weights.tensors if k not in tensors) if "patch_embed.proj.weight" in weights.tensors else (),
        obstacle=OBSTACLE.format(instead(blocks.width), VIT),
    )  # fmt: skip
    build = biased if any(k in tensors for k in ("blocks.0.attn.q_bias", "blocks.0.gamma_1")) else plain
    return Reading(found, tensors, partial(build, tensors, cells, blocks, **made))
