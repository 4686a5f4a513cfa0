"""facebookresearch/mae: encoder and decoder side by side, in timm's names; also what its `main_pretrain.py` writes.

The keys do not say what is predicted. The published names do (`_full`: normalized patches; `_visualize`: pixels; `_ganloss`:
pixels, with a GAN loss on top), and so do the options that a training run keeps in its checkpoint (`norm_pix_loss`).
"""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor

from ..found import Finding, Target
from ..safe import Weights
from ..shapes import grid, stack
from ..vits import plain
from .mae import decoder, model
from .reading import Reading, Wish, options, renamed, under

NAME = "masked autoencoder in the layout of facebookresearch/mae"
PUBLISHED = re.compile(r"mae_(pretrain|visualize)_vit_(base|large|huge)(_full|_ganloss)?\.(pth|safetensors)")
TABLE = {
    "decoder_embed.": "decoder.embed.",
    "decoder_blocks.": "decoder.blocks.",
    "decoder_norm.": "decoder.norm.",
    "decoder_pred.": "decoder.head.",
    "mask_token": "decoder.token",
    "decoder_pos_embed": "decoder_pos_embed",
    **{name: name for name in ("patch_embed.", "blocks.", "norm.", "cls_token", "pos_embed")},
}


def matches(weights: Weights) -> bool:
    return {"patch_embed.proj.weight", "decoder_embed.weight", "decoder_pred.weight", "mask_token"} <= set(weights.tensors)


def read(weights: Weights, wish: Wish) -> Reading:
    file, tensors = weights.name, renamed(weights.tensors, TABLE)
    size = options(weights.beside, "input_size")
    cells = grid(tensors, file, size=size if isinstance(size, int) else None)
    blocks, guess = stack(tensors, file, heads=wish.heads)
    behind, guess_behind = decoder(tensors, cells, file, wish.decoder_heads)
    target, gan, source = _target(weights, wish.normalize)
    found = Finding(
        NAME, file, cells, blocks, behind, target, gan,
        assumed=tuple(text for text in (source, guess, guess_behind) if text),
        ignored=tuple(k for k in weights.tensors if not renamed({k: weights.tensors[k]}, TABLE)),
        obstacle="" if target != "unknown" else UNKNOWN,
    )  # fmt: skip
    return mae_reading(found, tensors)


def mae_reading(found: Finding, tensors: dict[str, Tensor], *, ratio=0.75, eps=1e-6, **normal) -> Reading:
    """The reading of a masked autoencoder whose tensors have timm's names, its decoder's the house's."""
    assert found.grid and found.encoder
    front = {k: v for k, v in tensors.items() if not k.startswith("decoder")}
    rest = {f"decoder.{k}": v for k, v in under(tensors, "decoder.").items()}
    build = partial(
        model, found=found, positions=tensors.get("decoder_pos_embed"), ratio=ratio, eps=eps,
        normalize=found.target == "normalized patches",
    )  # fmt: skip
    vit = partial(plain, front, found.grid, found.encoder, eps=eps, **normal)
    return Reading(found, front, vit, rest, None if found.obstacle else build)


UNKNOWN = (
    "its keys do not say whether it predicts pixels or normalized patches, and a wrong guess draws grey or garish pictures: "
    "say load_mim(…, normalize=False) for a model that was trained on pixels (as mae_visualize_vit_*.pth are), "
    "or normalize=True for one trained with --norm_pix_loss (as mae_pretrain_vit_*_full.pth are)"
)


def _target(weights: Weights, normalize: bool | None) -> tuple[Target, bool | None, str]:
    """(target, GAN loss or None for unknown, where this is known from)."""
    name = PUBLISHED.fullmatch(weights.file.name)
    gan = name[3] == "_ganloss" if name else None
    trained = options(weights.beside, "norm_pix_loss")
    if normalize is not None:
        known, source = normalize, "the target, from normalize="
    elif name and (name[1] == "visualize" or name[3] == "_full"):
        known, source = name[1] == "pretrain", "the target, from the published name of the file"
    elif isinstance(trained, bool):
        known, source = trained, f"the target, from the options of its training (norm_pix_loss={trained})"
    else:
        return "unknown", gan, ""
    return "normalized patches" if known else "pixels", gan, source
