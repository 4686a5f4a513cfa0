"""What SimMIM's files have in common, whoever wrote them (Xie et al., CVPR 2022): one linear layer from a token to its pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core import Grid
from ...grammar import MaskedModel
from ...grammar.decoders import Linear
from ...grammar.how import MaskToken
from ...grammar.losses import absolute
from ...grammar.targets import Pixels
from ...grammar.where import Units
from ...vit import Encoder
from ..found import Stack
from ..shapes import shape

UNIT = 32  # pixels: SimMIM hides squares of this side


def head(tensors: dict[str, Tensor], grid: Grid, file: str) -> tuple[Stack, dict[str, Tensor]]:
    """The decoder of `decoder.0`, a 1 x 1 convolution before PixelShuffle, and its tensors for `Linear`.

    PixelShuffle reads its channels as (colour, row, column), the house as (row, column, colour).
    """
    out, want = shape(tensors, "decoder.0.weight", file, 4)[0], grid.patch**2 * 3
    (biases,) = shape(tensors, "decoder.0.bias", file, 1)
    weight, bias = tensors["decoder.0.weight"], tensors["decoder.0.bias"]
    if (out, biases) != (want, want):
        raise ValueError(
            f"{file}: decoder.0 has {out} rows and {biases} biases, but {want} are wanted: "
            f"one for each of 3 colours of {grid.patch} x {grid.patch} pixels"
        )
    order = torch.arange(want).reshape(3, grid.patch, grid.patch).permute(1, 2, 0).flatten()
    return Stack(want, 0, 0, 0), {"decoder.head.weight": weight[order, :, 0, 0], "decoder.head.bias": bias[order]}


def model(encoder: Encoder, *, ratio: float = 0.6, unit: int = UNIT) -> MaskedModel:
    """The untrained model; `unit` in pixels."""
    target = Pixels(encoder.grid, normalize=False)
    return MaskedModel(
        encoder,
        where=Units(ratio, max(unit // encoder.grid.patch, 1)),
        how=MaskToken(encoder.content_width),
        target=target,
        decoder=Linear(encoder.width, target.width, prefix=encoder.prefix),
        loss=absolute,
        name="simmim",
    )
