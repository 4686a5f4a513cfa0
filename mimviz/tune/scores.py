"""How often a classifier is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


@torch.no_grad()
def logits_of(model: Callable[[Tensor], Tensor], images: Tensor, *, mean, std, batch: int = 100) -> Tensor:
    """What `model` answers to uint8 pictures (N, 3, H, W), normalized with `mean` and `std`: (N, …), in batches."""
    shift, scale = (torch.tensor(list(x)).view(3, 1, 1) for x in (mean, std))
    return torch.cat([model((part.float() / 255 - shift) / scale) for part in images.split(batch)])


def top(logits: Tensor, labels: Tensor, ks: Sequence[int] = (1, 5)) -> list[float]:
    """For each k the share of pictures whose label is among the k highest logits (N, classes); labels (N,)."""
    order = logits.topk(min(max(ks), logits.shape[-1]), dim=-1).indices
    return [float((order[:, :k] == labels[:, None]).any(-1).float().mean()) for k in ks]
