"""keyu-tian/SparK (Tian et al., ICLR 2023): a conv net that is masked by sparse convolutions, and a decoder of several scales."""

from __future__ import annotations

import re
from functools import partial

from torch import Tensor

from ...core import Grid
from ..found import Finding
from ..safe import Weights
from ..vits import resnet
from .reading import Reading, Wish, under

STRIDE = 32  # pixels: the side of SparK's patches, cells of the last of its feature maps
OBSTACLE = (
    "SparK fills a conv net at several scales, and this version has no recipe for its sparse convolutions, so it cannot "
    "reconstruct. {0}"
)
RESNET = "mimviz.zoo.load_encoder opens its ResNet"
OTHER = "Its encoder, under sparse_encoder.sp_cnn, is a plain {0}: save these tensors alone to open it with mimviz.load_vit"


def matches(weights: Weights) -> bool:
    return all(any(k.startswith(part) for k in weights.tensors) for part in ("sparse_encoder.", "dense_decoder."))


def read(weights: Weights, wish: Wish) -> Reading:
    inside = under(weights.tensors, "sparse_encoder.sp_cnn.")
    family = "ResNet" if "layer1.0.conv1.weight" in inside else "ConvNeXt"
    arch, canvas = weights.beside.get("arch"), weights.tensors.get("norm_black")  # a black picture, (1, 3, height, width)
    size = canvas.shape[-1] if canvas is not None and canvas.ndim == 4 and canvas.shape[-1] % STRIDE == 0 else 224
    found = Finding(
        f"SparK with a {family}" + (f" ({arch})" if isinstance(arch, str) else ""), weights.name, Grid.of(size, size, STRIDE),
        decoder="dense, of several scales", target="normalized patches",
        obstacle=OBSTACLE.format(RESNET if family == "ResNet" else OTHER.format(family)),
    )  # fmt: skip
    if family != "ResNet":
        return Reading(found, {})
    return Reading(found, inside, partial(resnet, inside, _layers(inside), size))


def _layers(tensors: dict[str, Tensor]) -> tuple[int, ...]:
    """Blocks in each of the four stages."""
    return tuple(
        len({m[1] for k in tensors if (m := re.match(rf"layer{stage}\.(\d+)\.", k))}) for stage in range(1, 5)
    )
