"""What a ViT says of pictures with patches left out of its sequence, at the price of the rest."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from .encoder import Encoder
from .evaluating import evaluating
from .scene import Scene

Remove = Literal["fill", "drop"]
TOKENS = 8 * 196  # of one batch on a processor, where larger ones gain nothing


class Dropping:
    """`Dropping(scene).scores(hidden)`: each picture of the scene once for every mask, with the hidden patches left out.

    The same as the model's own pass with attention to the hidden patches at −∞, and a mean over the patches that are left. For
    plain timm ViTs with a table of positions; raises TypeError or ValueError for others, as `Encoder` does.
    """

    def __init__(self, scene: Scene):
        self._scene = scene
        self._encoder = Encoder(scene.model)

    @torch.no_grad()
    def scores(self, hidden: Tensor) -> Tensor:
        """(K, rows, cols) or (K, N) boolean, True = left out → (K, B). Masks that keep equally many patches share a pass."""
        keep = ~hidden.flatten(1)
        counts = keep.sum(1)
        if int(counts.min()) < 1:
            raise ValueError("a mask hides every patch, but at least one must be left to look at")
        out = self._scene.images.new_zeros(len(keep), len(self._scene))
        with evaluating(self._scene.model):
            content = self._encoder.embed(self._scene.images)  # (B, N, width)
            for count in counts.unique().tolist():
                rows = counts == count
                ids = keep[rows].nonzero()[:, 1].reshape(-1, count)  # (K', kept)
                out[rows] = self._kept(content, ids).to(out)
        return out

    @torch.no_grad()
    def outputs(self, hidden: Tensor) -> Tensor:
        """(K, B, N) boolean, a mask of its own for each picture, True = left out → the model's outputs (K · B, classes)."""
        keep = ~hidden.flatten(0, 1)  # (K · B, N)
        counts = keep.sum(1)
        if int(counts.min()) < 1:
            raise ValueError("a mask hides every patch, but at least one must be left to look at")
        vit, parts, order = self._encoder.vit, [], []
        with evaluating(self._scene.model):
            content = self._encoder.embed(self._scene.images)  # (B, N, width)
            for count in counts.unique().tolist():
                rows = (counts == count).nonzero()[:, 0]
                size = max(TOKENS // count, 1)
                for some in rows.split(size):
                    ids = keep[some].nonzero()[:, 1].reshape(-1, count)
                    mine = content[some % len(content)]
                    seen = mine.gather(1, ids[..., None].expand(-1, -1, mine.shape[-1]))
                    parts.append(vit.forward_head(self._encoder(seen, ids)))
                    order.append(some)
        return torch.cat(parts)[torch.cat(order).argsort()]

    def _kept(self, content: Tensor, ids: Tensor) -> Tensor:
        """content (B, N, width), ids (K, kept) → (K, B)."""
        B, vit = len(content), self._encoder.vit
        seen: Any = content[:, ids].transpose(0, 1).flatten(0, 1)  # (K · B, kept, width)
        logits = vit.forward_head(self._encoder(seen, ids.repeat_interleave(B, 0)))
        return self._scene._scorer(logits).reshape(-1, B)
