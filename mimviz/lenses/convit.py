"""ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases. d'Ascoli, Touvron et al. ICML 2021. arXiv 2103.10697.

Each head of a gated layer mixes what patches say with where they lie, A = (1 − σ(λ)) content + σ(λ) position (equation 7).
Non-locality (equation 8): the mean distance of attention, D = 1 / N · Σ A_ij ‖δ_ij‖, tells how far heads have escaped from their
place. Gates and the strength α of the positions can be overridden to see what they do.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Heatmap
from ..vit import Scene
from ..vit.attention.convit import Gated
from ..vit.edit import edited
from ..vit.rules import replaced
from ._tokens import on_grid
from .distance import among_patches, distances


@dataclass(frozen=True, eq=False)
class Gating:
    """`share` (gated layers, heads): σ(λ), 0 content … 1 position. `nonlocality` (layers, heads) in patches. `logits` (B, classes).

    Of the gated layer that was asked for, (B, heads, N, N): `content`, `position` and `mixed`.
    """

    share: Tensor
    nonlocality: Tensor
    logits: Tensor
    content: Tensor
    position: Tensor
    mixed: Tensor
    scene: Scene
    by: Gates

    def heatmap(self, query: int, head: int, *, part: Literal["content", "position", "mixed"] = "mixed") -> Heatmap:
        """(B, rows, cols): where patch `query` looks in one head."""
        return Heatmap(on_grid(self.scene, getattr(self, part)[:, head, query]), by=self.by)


@dataclass(frozen=True)
class Gates:
    """Gates, non-locality and the maps of one gated layer of a ConViT.

    layer: the gated layer whose maps are wanted. gate: σ(λ) 0..1 for all heads of all gated layers, instead of what was learnt;
    strength: a factor on the learnt positional scores, for α of the paper. With either, everything is of a pass with them.
    """

    layer: int = 0
    gate: float | None = None
    strength: float | None = None

    def __call__(self, scene: Scene) -> Gating:
        gated = [i for i, entry in enumerate(scene.trace.layers) if isinstance(entry.mixing, Gated)]
        if not gated:
            raise TypeError(f"{scene.anatomy.family} has no gated positional attention: only ConViT has")
        if not -len(gated) <= self.layer < len(gated):
            raise IndexError(f"layer is {self.layer}, but {len(gated)} layers are gated: 0..{len(gated) - 1}")
        if self.gate is not None and not 0 <= self.gate <= 1:
            raise ValueError(f"gate is {self.gate}, but a share of position, 0..1, is wanted")
        if self.gate is None and self.strength is None:
            return self._read(scene, gated)
        with ExitStack() as overrides:
            if self.gate is not None:
                overrides.enter_context(edited(scene.model, gates=dict.fromkeys(gated, self.gate)))
            if self.strength is not None:
                projections = [scene.trace.layers[i].module.pos_proj for i in gated]
                strengthen = partial(_stronger, projections=projections, factor=self.strength)
                overrides.enter_context(replaced(scene.model, strengthen))
            return self._read(Scene(scene.model, scene.images, target=scene.target), gated)

    @torch.no_grad()
    def _read(self, scene: Scene, gated: list[int]) -> Gating:
        apart = distances(scene.grid).to(scene.images.device)
        reach = [(among_patches(scene, maps) * apart).sum(-1).mean((0, 2)) for maps in scene.trace.attention]
        mixings: list[Any] = [scene.trace.layers[i].mixing for i in gated]
        asked = mixings[self.layer]
        learnt = torch.stack([each.share for each in mixings])
        share = learnt if self.gate is None else torch.full_like(learnt, self.gate)
        content, mixed = asked.content(), asked.weights()
        position = asked.positional().expand_as(content)
        return Gating(share, torch.stack(reach), scene.logits, content, position, mixed, scene, self)


def _stronger(module: nn.Module, *, projections: list[Any], factor: float) -> Callable[[Tensor], Tensor] | None:
    """For a projection of relative positions to scores: the same, times `factor`."""
    if not any(module is each for each in projections):
        return None
    linear: Any = module
    return lambda x: F.linear(x, linear.weight, linear.bias) * factor
