"""Fine-tune the encoder of a masked model as a classifier, on a random part of the patches where time is short.

He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377 (appendix A.1: mean pooling, layer decay);
Liu et al., PatchDropout: Economizing Vision Transformers Using Patch Dropout, WACV 2023, arXiv 2208.07220 (patches left out).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..grammar import MaskedModel
from ..grammar.how import Drop
from ..grammar.where import Highest
from ..vit import Encoder


@dataclass(frozen=True)
class Prediction:
    """What a classifier made of a batch: `logits` (B, classes) and the `labels` (B,) it should have found."""

    logits: Tensor
    labels: Tensor
    smoothing: float = 0.0

    @property
    def loss(self) -> Tensor | float:
        """Cross entropy with smoothed labels: a scalar tensor while it carries a gradient, else a float."""
        loss = F.cross_entropy(self.logits.float(), self.labels, label_smoothing=self.smoothing)
        return loss if loss.requires_grad else float(loss)

    @property
    def accuracy(self) -> float:
        """The share of pictures whose highest logit is the label's."""
        return float((self.logits.argmax(-1) == self.labels).float().mean())

    def __len__(self) -> int:
        return len(self.labels)

    def detached(self) -> Prediction:
        """The same without the graph behind it."""
        return replace(self, logits=self.logits.detach())


class Classifier(nn.Module):
    """A timm ViT that learns classes: `fit` gives it pictures with labels. `vit(images)` are its logits, before and after.

    keep: share of the patches seen in a step of training, drawn anew for each picture.
    whole, steps: the last share `whole` of all `steps` sees every patch, as the model will when it is used.
    """

    wants_labels = True

    def __init__(self, vit: Any, *, steps: int, keep: float = 1.0, whole: float = 0.15, smoothing: float = 0.1) -> None:
        super().__init__()
        if not 0 < keep <= 1 or not 0 <= whole <= 1 or not 0 <= smoothing < 1:
            raise ValueError(f"keep={keep}, whole={whole} and smoothing={smoothing}, but shares from 0 to 1 are wanted")
        self.encoder = Encoder(vit)
        self.where, self.how = Highest(1 - keep), Drop()
        self.keep, self.smoothing = keep, smoothing
        self.parted = round(steps * (1 - whole)) if keep < 1 else 0
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))  # a run that goes on must know where it is

    @property
    def vit(self) -> Any:
        """The timm model itself."""
        return self.encoder.vit

    def forward(self, images: Float[Tensor, "B 3 H W"], labels: Int[Tensor, " B"]) -> Prediction:
        """Normalized pictures (B, 3, height, width) and class numbers (B,) → Prediction with a gradient."""
        content, ids = self.encoder.embed(images), None
        if self.training and int(self.done) < self.parted:
            content, ids = self.how(content, self.where(images, self.encoder.grid))  # (B, K, width), (B, K)
        return Prediction(self.vit.forward_head(self.encoder(content, ids)), labels, self.smoothing)

    def after_step(self) -> None:
        """Counts the steps: the last ones see the whole picture."""
        self.done += 1


def classifier(mim: MaskedModel, classes: int) -> Any:
    """The encoder of a masked model as a timm ViT with a fresh head: final norm, mean over the patches, linear.

    A copy: `mim` stays as it is. Every parameter is to be trained, fixed positions too, as in MAE's fine-tuning. The head begins
    near zero, so that the first steps do not shake the encoder.
    """
    if classes < 2:
        raise ValueError(f"there are {classes} classes, but a classifier needs at least 2")
    vit = deepcopy(mim.encoder.vit).requires_grad_(True)
    vit.reset_classifier(classes, global_pool="avg")
    nn.init.trunc_normal_(vit.head.weight, std=2e-5)
    nn.init.zeros_(vit.head.bias)
    grid = mim.grid
    vit.pretrained_cfg = {**vit.pretrained_cfg, "input_size": (3, grid.height, grid.width), "crop_pct": 1.0}
    return vit
