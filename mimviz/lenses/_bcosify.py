"""B-cosification: Transforming Deep Neural Networks to be Inherently Interpretable. Arya et al. NeurIPS 2024. arXiv 2411.00715.

A trained ViT or conv net as a B-cos network, and what fine-tunes it for a short while. Confirmed in shrebox/B-cosification: weights
are copied as they are, every bias goes, attention's q, k and v stay plain linear maps, batch norm subtracts nothing, the stem sees
[x, −x] with half the weights, logits get log(1 / (classes − 1)); BCE with 1 / classes off the label, Adam at 1e-4, mixup 0.2.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..vit import anatomy
from ..vit.bcos import BCos, BCosConv2d, BCosLinear, UncenteredBatchNorm2d


def bcosify(model: nn.Module, *, b: float = 2.0) -> Any:
    """A copy of a timm ViT or conv net with B-cos layers of exponent `b`: takes the same pictures, gives logits of its own.

    Its logits are others than the model's, so that it must learn again for a while (`BCosTuning`); with b = 1 it is the model
    without its biases. Raises TypeError for layers that cannot be linear in their input.
    """
    parts, made = anatomy(model), copy.deepcopy(model).requires_grad_(True)
    head = next((name for name, each in reversed([*made.named_modules()]) if isinstance(each, nn.Linear)), "")
    for name, module in [*made.named_modules()]:
        if (new := _converted(name, module, parts.attentions, b)) is not None:
            _put(made, name, new.train(module.training).to(next(module.parameters()).device))
        elif isinstance(getattr(module, "bias", None), nn.Parameter):
            module.bias = None  # type: ignore[assignment]
    classes = getattr(made, "num_classes", 0)
    last: Any = made.get_submodule(head)
    if classes > 1 and isinstance(last, BCosLinear) and last.out_features == classes:
        last.shift = -math.log(classes - 1)
    return made


def exponent(model: nn.Module, b: float) -> None:
    """Sets B of all B-cos layers: from 1, plain linear, upwards."""
    layers = [each for each in model.modules() if isinstance(each, BCos)]
    if not layers or b < 1:
        raise ValueError(
            f"b is {b} and there are {len(layers)} B-cos layers, but at least 1 of either is wanted: see bcosify"
        )
    for each in layers:
        each.b = float(b)


def _converted(name: str, module: nn.Module, attentions: tuple[str, ...], b: float) -> nn.Module | None:
    inside = any(name.startswith(f"{each}.") for each in attentions)
    if type(module) is nn.Linear:
        return None if inside and not name.endswith(".proj") else BCosLinear(module.weight.detach(), b=b)
    if type(module) is nn.Conv2d:
        return BCosConv2d(module, b=b, six=module.in_channels == 3)
    if type(module) is nn.BatchNorm2d:
        return UncenteredBatchNorm2d(module)
    if isinstance(module, (nn.Conv2d, nn.modules.batchnorm._BatchNorm)):
        raise TypeError(
            f"{name} is a {type(module).__name__}, which bcosify cannot convert: nn.Conv2d and nn.BatchNorm2d it can"
        )
    return None


def _put(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)


@dataclass(frozen=True)
class Marked:
    """`logits` (B, classes) beside the `marks` (B, classes) that they should have: 1 at the label, 1 / classes elsewhere, mixed."""

    logits: Tensor
    marks: Tensor
    labels: Tensor

    @property
    def loss(self) -> Tensor | float:
        """Binary cross entropy; a scalar tensor while it carries a gradient, else a float."""
        loss = F.binary_cross_entropy_with_logits(self.logits.float(), self.marks)
        return loss if loss.requires_grad else float(loss)

    @property
    def accuracy(self) -> float:
        return float((self.logits.argmax(-1) == self.labels).float().mean())

    def __len__(self) -> int:
        return len(self.labels)

    def detached(self) -> Marked:
        return replace(self, logits=self.logits.detach())


class BCosTuning(nn.Module):
    """The short fine-tuning: `mv.fit(BCosTuning(bcosify(model)), batches, lr=1e-4, betas=(0.9, 0.999), weight_decay=0)`.

    batches: (pictures, labels). mixup: of Beta(mixup, mixup) two pictures are mixed while it trains; 0 is none.
    """

    wants_labels = True

    def __init__(self, model: nn.Module, *, mixup: float = 0.2) -> None:
        super().__init__()
        self.model, self.mixup = model, mixup

    def forward(self, images: Tensor, labels: Tensor) -> Marked:
        marks = F.one_hot(labels, int(self.model.num_classes)).to(images)  # type: ignore[arg-type]
        marks = marks.clamp_min(1 / marks.shape[1])
        if self.training and self.mixup:
            share = torch.distributions.Beta(self.mixup, self.mixup).sample().to(images)
            order = torch.randperm(len(images), device=images.device)
            images, marks = (share * each + (1 - share) * each[order] for each in (images, marks))
        return Marked(self.model(images), marks, labels)
