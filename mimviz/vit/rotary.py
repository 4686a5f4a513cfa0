"""What rotary positions alone say about two patches (Su et al., RoFormer, arXiv 2104.09864, section 3.4.3)."""

from __future__ import annotations

import torch

from ..core import Heatmap
from .attention.rope import turned
from .encoder import Encoder
from .encoders.eva import rotations


def rope_bias(encoder: Encoder, patch: int, *, block: int = 0) -> Heatmap:
    """(1, rows, cols): how much the rotations of `block` favour each patch for a query at `patch`, whatever the two hold.

    The logit of q = k = (1, …, 1) over its channels, mean over heads: the mean cosine of the angles between the two, 1 at the
    patch itself. It depends on how far apart they lie and on nothing else. Raises ValueError for an encoder without rotations.
    """
    grid, found = encoder.grid, rotations(encoder.vit, encoder.grid.shape, None) if hasattr(encoder.vit, "rope") else []
    if not found or found[block] is None:
        raise ValueError(
            f"this {encoder.anatomy.family} turns nothing: its positions are {encoder.anatomy.positions!r}"
        )
    if not 0 <= patch < grid.count:
        raise IndexError(f"patch is {patch}, but there are {grid.count}: 0..{grid.count - 1}")
    rope = found[block]
    assert rope is not None
    rope = rope if rope.ndim == 3 else rope[None]  # (heads or 1, N, 2 d or d)
    half = bool(getattr(encoder.vit.blocks[block].attn, "rotate_half", False))
    ones = torch.ones(1, len(rope), grid.count, encoder.width // _heads(encoder, block), device=rope.device)
    q = turned(ones, rope, half)[0].float()  # (heads or 1, N, d)
    values = (q[:, patch, None] * q).mean(-1).mean(0)
    return Heatmap(values.reshape(1, *grid.shape), by=f"rope_bias(patch={patch}, block={block})", signed=True)


def _heads(encoder: Encoder, block: int) -> int:
    return int(encoder.vit.blocks[block].attn.num_heads)
