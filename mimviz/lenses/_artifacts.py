"""How much an explanation that is a picture makes up, and how concise and precise it is: the two scores of ShearletX's paper.

Kolek et al., Explaining Image Classifiers with Multiscale Directional Image Representation, CVPR 2023, arXiv 2211.12857, section 5;
thresholds as in skmda37/ShearletX, where edges are Sobel's unless CoShREM is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Information = Literal["l1", "entropy"]
Edges = Callable[[Tensor], Tensor]
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))


def sobel_edges(pictures: Tensor, *, threshold: float = 0.1) -> Tensor:
    """(B, C, H, W) in 0..1 → (B, H, W) boolean: where the slope of the grey picture, at most 1/√2, is above the threshold."""
    return slope(pictures) > threshold


def slope(pictures: Tensor) -> Tensor:
    """(B, C, H, W) → (B, H, W): the length of Sobel's gradient of the grey picture, a change per pixel."""
    kernel = torch.tensor(SOBEL).to(pictures) / 8
    grey = F.pad(pictures.mean(1, keepdim=True), [1] * 4, mode="replicate")
    return F.conv2d(grey, torch.stack([kernel, kernel.T])[:, None]).square().sum(1).sqrt()


def hallucination(pictures: Tensor, explanations: Tensor, *, edges: Edges = sobel_edges) -> Tensor:
    """(B,), at least 0: edges of the explanation that the picture has not within a pixel, as a share of the picture's edges.

    pictures, explanations (B, 3, H, W): in 0..1; what lies beyond is cut. edges: (B, 3, H, W) → (B, H, W) boolean. A picture
    without edges counts as one with a single pixel of them.
    """
    own, made = edges(pictures.clamp(0, 1)), edges(explanations.clamp(0, 1))
    near = F.max_pool2d(own[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0
    return (made & ~near).flatten(1).sum(1) / own.flatten(1).sum(1).clamp_min(1)


def information(parts: Sequence[Tensor] | Tensor, *, measure: Information = "l1") -> Tensor:
    """(B,): what a representation holds, pixels (B, 3, H, W) or a list of bands: Σ|c|, or the entropy of c² / Σc², in nats."""
    flat = torch.cat([each.flatten(1) for each in ([parts] if isinstance(parts, Tensor) else parts)], 1)
    if measure == "l1":
        return flat.abs().sum(1)
    if measure != "entropy":
        raise ValueError(f"measure is {measure!r}, but 'l1' or 'entropy' is wanted")
    share = flat.square() / flat.square().sum(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return torch.special.entr(share).sum(1)


def conciseness_preciseness(
    told: Tensor,
    wanted: Tensor,
    kept: Sequence[Tensor] | Tensor,
    whole: Sequence[Tensor] | Tensor,
    *,
    measure: Information = "l1",
) -> Tensor:
    """(B,): the share of the probability that is kept over the share of the information that is kept (section 5.2).

    told, wanted (B,): probability of the class for the explanation and for the picture. kept, whole: explanation and picture,
    both as pixels or both as bands. An explanation that is the whole picture scores 1; an empty one 0.
    """
    share = information(kept, measure=measure) / information(whole, measure=measure)
    return torch.where(share > 0, told / wanted / torch.where(share > 0, share, 1.0), 0.0)
