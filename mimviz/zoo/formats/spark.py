"""keyu-tian/SparK (Tian et al., ICLR 2023): a conv net that is masked by sparse convolutions, and a decoder of several scales."""

from __future__ import annotations

from ..found import Finding
from ..safe import Weights
from .reading import Reading, Wish

OBSTACLE = (
    "SparK fills a conv net at several scales, and this version has no recipe for its sparse convolutions, so it cannot "
    "reconstruct. "
    "The tensors under sparse_encoder.sp_cnn are those of a plain {0}: load them into timm's model of that name to look into it"
)


def matches(weights: Weights) -> bool:
    return any(k.startswith("sparse_encoder.") for k in weights.tensors) and any(
        k.startswith("dense_decoder.") for k in weights.tensors
    )


def read(weights: Weights, wish: Wish) -> Reading:
    family = "ConvNeXt" if any(".stages." in k for k in weights.tensors) else "ResNet"
    arch = weights.beside.get("arch")
    said = f"{family} ({arch})" if isinstance(arch, str) else family
    found = Finding(
        f"SparK with a {said}", weights.name, decoder="dense, of several scales", target="normalized patches",
        obstacle=OBSTACLE.format(said),
    )  # fmt: skip
    return Reading(found, {})
