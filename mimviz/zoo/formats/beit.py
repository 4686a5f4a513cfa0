"""BEiT and BEiT v2 before fine-tuning (Bao et al., ICLR 2022), from unilm or Hugging Face: codes of patches, not pixels.

The code book belongs to a tokenizer (DALL·E's dVAE; for v2 a VQ-KD model) that is another file, so there is no truth to compare
with and no picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ...core import Mask
from ...grammar import MaskedModel
from ...grammar.decoders import Linear
from ...grammar.how import MaskToken
from ...grammar.where import Blocks
from ...vit import Encoder
from ..found import Finding, Stack
from ..safe import Weights
from ..shapes import grid, shape, stack
from ..vits import biased
from . import hugging_face as hf
from .reading import Reading, Wish, renamed

KEPT = {name: name for name in ("patch_embed.", "blocks.", "norm.", "cls_token", "pos_embed", "rel_pos_bias.")}


@dataclass(frozen=True)
class Codes:
    """target(images, mask) → (B, N, 1) codes. It raises: put `tokenizer`, with the same arguments, in its place as `mim.target`."""

    count: int

    def __call__(self, images: Tensor, mask: Mask) -> Tensor:
        raise ValueError(
            f"BEiT predicts which of {self.count} codes each hidden patch has, not its pixels, and the tokenizer that knows these "
            "codes is not in its file: there is nothing to draw or to compare with. Its guess is "
            "mim.decoder(mim.encoder(*mim.how(mim.encoder.embed(images), mask)), mask), (B, N, codes)"
        )


def entropy(guess: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of guesses (B, N, codes) against codes (B, N, 1) → (B, N, 1)."""
    return cross_entropy(guess.flatten(0, 1), truth.flatten(), reduction="none").reshape(truth.shape)


def matches(weights: Weights) -> bool:
    return {"lm_head.weight", "mask_token"} <= set(weights.tensors) or _is_hugging_face(weights)


def read(weights: Weights, wish: Wish) -> Reading:
    theirs = _is_hugging_face(weights)
    given = hf.timm_names(weights.tensors, "beit.") if theirs else weights.tensors
    tensors = {k: v for k, v in renamed(given, KEPT).items() if not k.endswith("relative_position_index")}
    file = weights.name
    cells = grid(tensors, file, size=hf.size(weights.config))
    told = wish.heads or heads_of_bias(tensors) or hf.number(weights.config, "num_attention_heads")
    blocks, guess = stack(tensors, file, heads=told)
    count = shape(given, "lm_head.weight", file, 2)[0]
    normal, guess_normal = hf.normal(weights, hf.HALF)
    name = "BEiT v2" if any(k.startswith("cls_pt_layers.") for k in given) else "BEiT"
    found = Finding(
        f"{name} before fine-tuning, {'from Hugging Face' if theirs else 'in the layout of microsoft/unilm'}",
        file, cells, blocks, Stack(count, 0, 0, 0), "tokens",
        assumed=tuple(text for text in (guess, guess_normal) if text),
        ignored=tuple(k for k in given if k not in tensors and k not in ("mask_token", "lm_head.weight", "lm_head.bias")),
    )  # fmt: skip
    vit = partial(biased, tensors, cells, blocks, normal=normal, eps=hf.eps(weights.config, 1e-6))
    rest = {"how.token": given["mask_token"], "decoder.head.weight": given["lm_head.weight"]}
    rest["decoder.head.bias"] = given.get("lm_head.bias", torch.zeros(count))
    return Reading(found, tensors, vit, rest, partial(_model, count=count))


def heads_of_bias(tensors: dict[str, Tensor]) -> int | None:
    """A table of relative positions has a column for each head."""
    return next((v.shape[1] for k, v in tensors.items() if k.endswith("relative_position_bias_table") and v.ndim == 2), None)


def _is_hugging_face(weights: Weights) -> bool:
    return {"lm_head.weight", "beit.embeddings.mask_token"} <= set(weights.tensors)


def _model(encoder: Encoder, *, count: int) -> MaskedModel:
    return MaskedModel(
        encoder, where=Blocks(0.4), how=MaskToken(encoder.content_width), target=Codes(count),
        decoder=Linear(encoder.width, count, prefix=encoder.prefix), loss=entropy, name="beit",
    )  # fmt: skip
