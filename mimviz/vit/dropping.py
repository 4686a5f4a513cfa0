"""What a ViT says of pictures with patches left out of its sequence, at the price of the rest."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .encoder import Encoder
from .evaluating import evaluating
from .packing import Packing, packs
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
        """(K, rows, cols) or (K, N) boolean, True = left out → (K, B)."""
        flat = hidden.flatten(1)
        outputs = self.outputs(flat[:, None].expand(-1, len(self._scene), -1))
        return self._scene._scorer(outputs).reshape(-1, len(self._scene)).to(self._scene.images)

    @torch.no_grad()
    def outputs(self, hidden: Tensor) -> Tensor:
        """(K, B, N) boolean, a mask of its own for each picture, True = left out → the model's outputs (K · B, classes)."""
        keep = ~hidden.flatten(0, 1)  # (K · B, N)
        counts, order = keep.sum(1).sort(stable=True)
        if int(counts[0]) < 1:
            raise ValueError("a mask hides every patch, but at least one must be left to look at")
        with evaluating(self._scene.model):
            content = self._encoder.embed(self._scene.images)  # (B, N, width)
            ask = self._packed(content) if packs(self._encoder.vit) else self._alike(content)
            parts = [ask(some % len(content), keep[some]) for some in _batches(counts, order)]
        return torch.cat(parts)[order.argsort()]

    def _packed(self, content: Tensor):
        return Packing(self._encoder, content).outputs

    def _alike(self, content: Tensor):
        """For any ViT: sequences of one length share a pass."""

        def ask(pictures: Tensor, keep: Tensor) -> Tensor:
            said = []
            for count, many in zip(*keep.sum(1).unique_consecutive(return_counts=True), strict=True):
                start = sum(map(len, said))
                some = slice(start, start + int(many))
                ids = keep[some].nonzero()[:, 1].reshape(-1, int(count))
                mine = content[pictures[some]]
                seen = mine.gather(1, ids[..., None].expand(-1, -1, mine.shape[-1]))
                said.append(self._encoder.vit.forward_head(self._encoder(seen, ids)))
            return torch.cat(said)

        return ask


def _batches(counts: Tensor, order: Tensor) -> list[Tensor]:
    """`order` in parts of about TOKENS tokens, at least one sequence each."""
    parts = (counts.cumsum(0) - 1) // TOKENS
    return list(order.split(parts.unique_consecutive(return_counts=True)[1].tolist()))
