"""Parameter names of Hugging Face's ViTs, of every age, in timm's.

transformers 5 shortened them (`encoder.layer.0.attention.attention.query` became `layers.0.attention.q_proj`), but still writes
files with the older ones, and with one that neither version had: ViTMAE's `decoder.decoder_encoder.layer.0`.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from ..safe import Weights
from ..vits import IMAGENET, Normal

HALF: Normal = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
MODERN = [
    (r"decoder_encoder\.layer\.", "decoder_layers."),
    (r"encoder\.layer\.", "layers."),
    (r"attention\.attention\.relative_position_bias\.", "relative_position_bias."),
    (r"encoder\.relative_position_bias\.", "shared_position_bias."),
    (r"attention\.attention\.(query|key|value)\.", lambda m: f"attention.{m[1][0]}_proj."),
    (r"attention\.output\.dense\.", "attention.o_proj."),
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"(layers\.\d+\.)output\.dense\.", r"\1mlp.fc2."),
]
TIMM = [
    (r"decoder_layers\.", "decoder_blocks."),
    (r"layers\.", "blocks."),
    (r"attention\.o_proj\.", "attn.proj."),
    (r"layernorm_before\.", "norm1."),
    (r"layernorm_after\.", "norm2."),
    (r"lambda_(\d)", r"gamma_\1"),
    (r"shared_position_bias\.", "rel_pos_bias."),
    (r"(blocks\.\d+)\.relative_position_bias\.", r"\1.attn."),
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.mask_token", "mask_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^layernorm\.", "norm."),
]
QKV = re.compile(r"(.*)\.attention\.([qkv])_proj\.(weight|bias)")


def timm_names(tensors: dict[str, Tensor], prefix: str, *, stages: bool = False) -> dict[str, Tensor]:
    """Tensors in timm's names: `prefix` ("vit.") removed, q, k and v of a block joined to one qkv (or q_bias and v_bias, as BEiT).

    stages: `layers` are stages with blocks inside, as Swin's, and stay what they are.
    """
    out: dict[str, Tensor] = {}
    apart: dict[tuple[str, str], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        for old, new in MODERN:
            name = re.sub(old, new, name)
        name = name.removeprefix(prefix)
        for old, new in TIMM:
            if not (stages and old.startswith("layers")):
                name = re.sub(old, new, name)
        if match := QKV.fullmatch(name):
            apart.setdefault((match[1], match[3]), {})[match[2]] = tensor
        else:
            out[name] = tensor
    for (block, kind), parts in apart.items():
        out |= _joined(f"{block}.attn", kind, parts)
    return out


def _joined(attention: str, kind: str, parts: dict[str, Tensor]) -> dict[str, Tensor]:
    if len({part.dtype for part in parts.values()}) > 1:
        raise ValueError(f"q, k and v of {attention} are {', '.join(str(part.dtype) for part in parts.values())}")
    if set(parts) == {"q", "k", "v"}:
        return {f"{attention}.qkv.{kind}": torch.cat([parts[x] for x in "qkv"])}
    return {f"{attention}.{x}_{kind}": tensor for x, tensor in parts.items()}


def number(config: dict[str, Any], name: str) -> int | None:
    """A whole number of the configuration; None where there is none."""
    value = config.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def size(config: dict[str, Any]) -> int | tuple[int, int] | None:
    """`image_size` as one side or (height, width)."""
    value = config.get("image_size")
    if isinstance(value, list) and len(value) == 2 and all(isinstance(x, int) for x in value):
        return value[0], value[1]
    return number(config, "image_size")


def fraction(config: dict[str, Any], name: str, default: float) -> float:
    """A number in 0..1 of the configuration, or `default`; ValueError where it says something else."""
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"config.json says {name}={value!r}, but a number in 0..1 is wanted")
    return float(value)


def eps(config: dict[str, Any], default: float) -> float:
    return fraction(config, "layer_norm_eps", default)


def check_activation(weights: Weights) -> None:
    if (found := weights.config.get("hidden_act", "gelu")) != "gelu":
        raise ValueError(f"{weights.name} uses the activation {found!r}, but only 'gelu' is known here")


def normal(weights: Weights, default: Normal = IMAGENET) -> tuple[Normal, str]:
    """(mean, std) of preprocessor_config.json, or `default` and a note that says so."""
    mean, std = weights.processor.get("image_mean"), weights.processor.get("image_std")
    if isinstance(mean, list) and isinstance(std, list) and len(mean) == len(std) == 3:
        return (tuple(map(float, mean)), tuple(map(float, std))), ""
    said = "0.5 each" if default == HALF else "ImageNet's"
    return default, f"mean and spread of the colours are {said}: there is no preprocessor_config.json"
