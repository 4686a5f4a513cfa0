"""The explainer of LTX, and what trains it on many pictures."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vit import Scene, anatomy
from ..vit.evaluating import evaluating
from ..vit.layout import block_layout
from ._learning import Learnt, enlarged, frozen, surprise, veiled


class Explainer(nn.Module):
    """(B, 3, H, W) → (B, rows, cols) in 0..1: a copy of the model without its head, and a small one for every patch."""

    def __init__(self, model: nn.Module, *, start: float = 2.0) -> None:
        """start: the mask's logit in the beginning, the same for all patches but for faint noise."""
        super().__init__()
        self.parts = anatomy(model)
        self.trunk = copy.deepcopy(model).requires_grad_(True).eval()
        device, width = next(model.parameters()).device, self.parts.width
        self.pooler, self.patch = nn.Linear(width, width).to(device), nn.Linear(width, 1).to(device)
        with torch.no_grad():
            self.patch.weight.mul_(0.1)
            self.patch.bias.fill_(start)

    def forward(self, images: Tensor) -> Tensor:
        with evaluating(self.trunk):
            output = self.trunk.forward_features(images)  # type: ignore[operator]
        layout = block_layout(self.trunk, len(self.parts.blocks) - 1, output, self.parts)
        maps = layout.map(layout.tokens(output)).movedim(1, -1)  # (B, rows, cols, C)
        maps = F.layer_norm(maps, maps.shape[1:])  # all places alike, or how strong one is would be lost
        return torch.sigmoid(self.patch(torch.tanh(self.pooler(maps))))[..., 0]


def objective(scene: Scene, mask: Tensor, *, keep: float, sparse: float, counter: float) -> tuple[Tensor, Tensor]:
    """Loss (B,) of a mask (B, rows, cols), and how much less sure the model is of the target than with all of the picture."""
    seen = enlarged(mask, (scene.images.shape[-2], scene.images.shape[-1]))
    told = surprise(scene, veiled(scene, seen))
    loss = keep * told - sparse * torch.log1p(-mask.clamp_max(1 - 1e-6)).flatten(1).mean(1)  # BCE with an empty mask
    if counter:
        loss = loss - counter * surprise(scene, veiled(scene, 1 - seen))
    with torch.no_grad():
        return loss, told.detach() - surprise(scene, scene.images)


class LTXLearner(nn.Module):
    """The first stage: `mv.fit(LTXLearner(model), batches, lr=2e-3)`; then `LTX(explainer=learner.explainer, steps=0)` is one pass,
    and with steps the explainer goes on learning on the picture.

    The target is what the model itself says of each picture. Weights of the loss as LTX has them.
    """

    def __init__(self, model: nn.Module, *, keep: float = 1.0, sparse: float = 1.0, counter: float = 0.0) -> None:
        super().__init__()
        self.explainer = Explainer(model)
        self._explained = (model,)  # not to be trained, so no part of this module
        self.weights = {"keep": keep, "sparse": sparse, "counter": counter}

    def forward(self, images: Tensor) -> Learnt:
        scene = Scene(self._explained[0], images)
        scene.images = images
        scene.logits  # noqa: B018  the target is the model's own answer
        mask = self.explainer(images)
        with frozen(scene.model):
            loss, gap = objective(scene, mask, **self.weights)
        return Learnt(loss.mean(), mask, gap)
