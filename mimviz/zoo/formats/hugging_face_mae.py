"""Hugging Face's ViTMAEForPreTraining, and ViTMAEModel as the encoder alone; `norm_pix_loss` of config.json tells the target."""

from __future__ import annotations

from ..found import Finding, Target
from ..safe import Weights
from ..shapes import grid, stack
from . import hugging_face as hf
from .mae import decoder
from .official_mae import TABLE, UNKNOWN, mae_reading
from .reading import Reading, Wish, renamed

NAME = "Hugging Face ViTMAE"


def matches(weights: Weights) -> bool:
    return {"decoder.decoder_pred.weight", "vit.embeddings.cls_token"} <= set(weights.tensors)


def read(weights: Weights, wish: Wish) -> Reading:
    hf.check_activation(weights)
    file, config = weights.name, weights.config
    given = {name.removeprefix("decoder."): tensor for name, tensor in weights.tensors.items()}
    official = hf.timm_names(given, "vit.")
    tensors = renamed(official, TABLE)
    cells = grid(tensors, file, size=hf.size(config))
    blocks, guess = stack(tensors, file, heads=wish.heads or hf.number(config, "num_attention_heads"))
    told = wish.decoder_heads or hf.number(config, "decoder_num_attention_heads")
    behind, guess_behind = decoder(tensors, cells, file, told)
    target, source = _target(config, wish.normalize)
    normal, guess_normal = hf.normal(weights)
    found = Finding(
        NAME, file, cells, blocks, behind, target,
        assumed=tuple(text for text in (source, guess, guess_behind, guess_normal) if text),
        ignored=tuple(sorted(set(official) - {k for k in official if renamed({k: official[k]}, TABLE)})),
        obstacle="" if target != "unknown" else UNKNOWN,
    )  # fmt: skip
    ratio = hf.fraction(config, "mask_ratio", 0.75)
    return mae_reading(found, tensors, ratio=ratio, eps=hf.eps(config, 1e-12), normal=normal)


def _target(config: dict, normalize: bool | None) -> tuple[Target, str]:
    said = config.get("norm_pix_loss")
    if normalize is None and not isinstance(said, bool):
        return "unknown", ""
    known = said if normalize is None else normalize
    config_says = f"config.json (norm_pix_loss={said})"
    against = f", against {config_says}" if isinstance(said, bool) and said != known else ""
    source = config_says if normalize is None else f"normalize={against}"
    return "normalized patches" if known else "pixels", f"the target, from {source}"
