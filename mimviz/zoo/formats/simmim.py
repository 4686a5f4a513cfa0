"""microsoft/SimMIM with a ViT: BEiT's encoder (relative position bias, layer scale) under `encoder.`, `decoder.0` to the pixels."""

from __future__ import annotations

from functools import partial

from ..found import Finding
from ..safe import Weights
from ..shapes import grid, stack
from ..vits import biased, plain
from .beit import KEPT, heads_of_bias
from .pixels import head, model
from .reading import Reading, Wish, renamed, under

NAME = "SimMIM with a ViT, in the layout of microsoft/SimMIM"


def matches(weights: Weights) -> bool:
    return {"encoder.mask_token", "encoder.cls_token", "decoder.0.weight"} <= set(weights.tensors)


def read(weights: Weights, wish: Wish) -> Reading:
    file, inside = weights.name, under(weights.tensors, "encoder.")
    tensors = {k: v for k, v in renamed(inside, KEPT).items() if not k.endswith("relative_position_index")}
    cells = grid(tensors, file, size=wish_size(weights))
    blocks, guess = stack(tensors, file, heads=wish.heads or heads_of_bias(tensors))
    behind, rest = head(weights.tensors, cells, file)
    found = Finding(
        NAME, file, cells, blocks, behind, "pixels", assumed=(guess,) if guess else (),
        ignored=tuple(k for k in inside if k not in tensors and k != "mask_token"),
    )  # fmt: skip
    made = biased if "blocks.0.attn.qkv.bias" not in tensors else plain
    vit = partial(made, tensors, cells, blocks)
    return Reading(found, tensors, vit, rest | {"how.token": inside["mask_token"]}, partial(model, **masking(weights)))


def wish_size(weights: Weights) -> int | None:
    """The size of the pictures in the options that the training kept beside the weights."""
    value = _data(weights).get("IMG_SIZE")
    return value if isinstance(value, int) else None


def masking(weights: Weights) -> dict[str, float | int]:
    """How the training hid patches, from the same place."""
    data = _data(weights)
    found = {"ratio": data.get("MASK_RATIO"), "unit": data.get("MASK_PATCH_SIZE")}
    return {k: v for k, v in found.items() if isinstance(v, (int, float))}


def _data(weights: Weights) -> dict:
    config = weights.beside.get("config")
    data = config.get("DATA") if isinstance(config, dict) else None
    return data if isinstance(data, dict) else {}
