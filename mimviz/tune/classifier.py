"""Fine-tune a model as a classifier: all of it or what is left trainable, on a random part of the patches where time is short.

He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377 (appendix A.1: mean pooling, layer decay);
Liu et al., PatchDropout: Economizing Vision Transformers Using Patch Dropout, WACV 2023, arXiv 2208.07220 (patches left out).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..grammar import MaskedModel
from ..grammar.how import Drop
from ..grammar.where import Highest
from ..vit import Encoder
from ._models import heads, vit_of

BLR = 1e-3  # MAE's fine-tuning, appendix A.1, table 9: with AdamW and layer decay 0.75


@dataclass(frozen=True)
class Prediction:
    """What a classifier made of a batch: `logits` (B, classes) and the `labels` it should have found.

    labels: (B,), or the share of every class (B, classes) where pictures are mixed. `terms` holds what a method adds to the
    loss, by name, each already times its weight; `weight` is that of the cross entropy itself.
    """

    logits: Tensor
    labels: Tensor
    smoothing: float = 0.0
    terms: dict[str, Tensor] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def loss(self) -> Tensor | float:
        """Cross entropy with smoothed labels plus all `terms`: a scalar tensor while it carries a gradient, else a float."""
        loss = F.cross_entropy(self.logits.float(), self.labels, label_smoothing=self.smoothing)
        whole = sum(self.terms.values(), loss if self.weight == 1 else self.weight * loss)
        return whole if whole.requires_grad else float(whole)

    @property
    def accuracy(self) -> float:
        """The share of pictures whose highest logit is the label's, or that of the class with the largest share."""
        labels = self.labels if self.labels.ndim == 1 else self.labels.argmax(-1)
        return float((self.logits.argmax(-1) == labels).float().mean())

    def __len__(self) -> int:
        return len(self.labels)

    def detached(self) -> Prediction:
        """The same without the graph behind it."""
        terms = {name: term.detach() for name, term in self.terms.items()}
        return replace(self, logits=self.logits.detach(), labels=self.labels.detach(), terms=terms)


class Classifier(nn.Module):
    """A timm model that learns classes: `fit` gives it pictures with labels. `vit(images)` are its logits, before and after.

    keep: share of the patches seen in a step of training, drawn anew for each picture.
    whole, steps: the last share `whole` of all `steps` sees every patch, as the model will when it is used.
    mix: (pictures, labels) → (pictures, shares of classes), in training alone, e.g. `tune.Mix(classes)`.
    blr: the base learning rate that `fit` shall keep to, else it warns; "paper": MAE's for fine-tuning, so lr = 1e-3 · batch / 256.
    """

    wants_labels = True

    def __init__(
        self,
        vit: Any,
        *,
        steps: int,
        keep: float = 1.0,
        whole: float = 0.15,
        smoothing: float = 0.1,
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        blr: float | Literal["paper"] | None = None,
    ) -> None:
        super().__init__()
        if not 0 < keep <= 1 or not 0 <= whole <= 1 or not 0 <= smoothing < 1:
            raise ValueError(f"keep={keep}, whole={whole} and smoothing={smoothing}, but shares from 0 to 1 are wanted")
        self.encoder = Encoder(vit)
        self.where, self.how = Highest(1 - keep), Drop()
        self.keep, self.smoothing, self.mix = keep, smoothing, mix
        self.blr = BLR if blr == "paper" else blr
        self.parted = round(steps * (1 - whole)) if keep < 1 else 0
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))  # a run that goes on must know where it is

    @property
    def vit(self) -> Any:
        """The timm model itself."""
        return self.encoder.vit

    def forward(self, images: Float[Tensor, "B 3 H W"], labels: Int[Tensor, " B"]) -> Prediction:
        """Normalized pictures (B, 3, height, width) and class numbers (B,) → Prediction with a gradient."""
        if self.training and self.mix is not None:
            images, labels = self.mix(images, labels)
        return self.learn(images, labels)

    def learn(self, images: Float[Tensor, "B 3 H W"], labels: Tensor) -> Prediction:
        """What is said of pictures that are mixed already; methods that add to the loss do it here."""
        if not self.parts:
            return Prediction(self.vit(images), labels, self.smoothing)
        return Prediction(self.vit.forward_head(self.tokens(images)), labels, self.smoothing)

    @property
    def parts(self) -> bool:
        """Whether this step sees a part of the patches only."""
        return self.training and int(self.done) < self.parted

    def tokens(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B K W"]:
        """Tokens (B, prefix + K, width) behind the last norm, of the patches that this step sees."""
        content, ids = self.encoder.embed(images), None
        if self.parts:
            content, ids = self.how(content, self.where(images, self.encoder.grid))  # (B, K, width), (B, K)
        return self.encoder(content, ids)

    def after_step(self) -> None:
        """Counts the steps: the last ones see the whole picture."""
        self.done += 1


def classifier(model: MaskedModel | nn.Module, classes: int, *, pool: Literal["avg", "token"] | None = None) -> Any:
    """A timm model with a fresh head: of a masked model its encoder with final norm, mean over the patches, linear.

    A model of timm keeps its own way of pooling, unless `pool` says "avg" or "token" (the class token). A copy: `model` stays as it
    is. Every parameter is to be trained, fixed positions too, as in MAE's fine-tuning. The head begins near zero, so that the first
    steps do not shake the encoder.
    """
    if classes < 2:
        raise ValueError(f"there are {classes} classes, but a classifier needs at least 2")
    vit = deepcopy(vit_of(model)).requires_grad_(True)
    pool = pool or ("avg" if isinstance(model, MaskedModel) else None)
    vit.reset_classifier(classes, **({"global_pool": pool} if pool else {}))
    for head in heads(vit):
        nn.init.trunc_normal_(head.weight, std=2e-5)
        nn.init.zeros_(head.bias)
    grid = Encoder(vit).grid
    vit.pretrained_cfg = {**vit.pretrained_cfg, "input_size": (3, grid.height, grid.width), "crop_pct": 1.0}
    vit.__dict__.pop("classes", None)
    return vit
