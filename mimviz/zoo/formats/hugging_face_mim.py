"""Hugging Face's ViTForMaskedImageModeling: SimMIM with a plain ViT."""

from __future__ import annotations

from functools import partial

from ..found import Finding
from ..safe import Weights
from ..shapes import grid, stack
from ..vits import plain
from . import hugging_face as hf
from .official_mae import TABLE
from .pixels import head, model
from .reading import Reading, Wish, renamed

NAME = "Hugging Face ViTForMaskedImageModeling"


def matches(weights: Weights) -> bool:
    return {"vit.embeddings.mask_token", "decoder.0.weight"} <= set(weights.tensors)


def read(weights: Weights, wish: Wish) -> Reading:
    hf.check_activation(weights)
    file, config = weights.name, weights.config
    named = hf.timm_names(weights.tensors, "vit.")
    tensors = {k: v for k, v in renamed(named, TABLE).items() if not k.startswith("decoder")}
    cells = grid(tensors, file, size=hf.size(config))
    blocks, guess = stack(tensors, file, heads=wish.heads or hf.number(config, "num_attention_heads"))
    behind, rest = head(weights.tensors, cells, file)
    normal, guess_normal = hf.normal(weights, hf.HALF)
    found = Finding(
        NAME, file, cells, blocks, behind, "pixels",
        assumed=tuple(text for text in (guess, guess_normal) if text),
        ignored=tuple(k for k in named if k not in tensors and k != "mask_token" and not k.startswith("decoder.0.")),
    )  # fmt: skip
    vit = partial(plain, tensors, cells, blocks, normal=normal, eps=hf.eps(config, 1e-12))
    return Reading(found, tensors, vit, rest | {"how.token": named["mask_token"]}, model)
