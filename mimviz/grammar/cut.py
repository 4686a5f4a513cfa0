"""Other views of pictures: parts of them, enlarged (DINO, Caron et al., ICCV 2021, section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Generator, Tensor


def cut(
    images: Float[Tensor, "B 3 H W"],
    count: int,
    scale: tuple[float, float],
    *,
    flip: bool = False,
    generator: Generator | None = None,
) -> Float[Tensor, "C 3 H W"]:
    """(count · B, 3, height, width): parts of `scale` of each picture's area, anywhere in it, all pictures once, then again.

    flip: half of them mirrored, left and right.
    """
    draw = torch.rand(4 if flip else 3, count * len(images), generator=generator).to(images)
    side = (scale[0] + draw[0] * (scale[1] - scale[0])).sqrt()
    shift = (2 * draw[1:3] - 1) * (1 - side)  # (2, count · B), in halves of the picture
    zero, mirrored = torch.zeros_like(side), 1 - 2 * (draw[3] < 0.5).to(side) if flip else 1.0
    views = torch.stack(
        [torch.stack([side * mirrored, zero, shift[0]], -1), torch.stack([zero, side, shift[1]], -1)], 1
    )
    pictures = images.repeat(count, 1, 1, 1)
    return F.grid_sample(pictures, F.affine_grid(views, list(pictures.shape), align_corners=False), align_corners=False)
