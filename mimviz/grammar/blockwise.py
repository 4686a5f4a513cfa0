"""What single blocks of the encoder put out while it encodes what is visible."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ..core import Mask
from ..vit.recording import recording
from .model import MaskedModel


def blockwise(
    model: MaskedModel, images: Float[Tensor, "B 3 H W"], mask: Mask, layers: Sequence[int]
) -> list[Float[Tensor, "B T C"]]:
    """(B, prefix + K, width) behind each of these blocks, before any norm and with a gradient; −1 is what goes into the first."""
    with recording(model.encoder.vit, model.encoder.anatomy, layers={*layers}) as trace:
        trace.ids = mask.keep_ids
        model.encode(images, mask)
    found = [trace.embedded if layer < 0 else trace.blocks[layer].output for layer in layers]
    assert all(each is not None for each in found)
    return found  # type: ignore[return-value]
