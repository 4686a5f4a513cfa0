"""DeiT-LT Distillation Strikes Back for Vision Transformer Training on Long-Tailed Datasets. CVPR 2024. arXiv 2404.02900.

Rangwani, Mondal, Mishra, Asokan, Babu.

Where most classes have few pictures, one token learns from the labels and becomes an expert on the head; the other learns what a
convolutional teacher says of strongly augmented pictures, with rare classes weighing more towards the end, and becomes an expert on
the tail. Weights are those of the effective number of samples (Cui et al., CVPR 2019, arXiv 1901.05555), switched on late (Cao et
al., NeurIPS 2019, arXiv 1906.07413). Checked against the sums written slowly (tests/tune/test_deit_lt.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.models.deit import VisionTransformerDistilled
from torch import Tensor, nn

from ..grammar import MaskedModel
from ._models import vit_of
from ._shape import shape_of
from .distilled import Distilled


class DeiTLT(Distilled):
    """`DeiTLT(two_tokens(mim, 10), teacher, counts, steps=...)` for `fit`: ½ CE(cls, label) + ½ weighted CE(dist, teacher's word).

    counts: training pictures of each class. start: share of the steps after which rare classes weigh more (1100 of 1200 epochs in
    the paper). Give it strong augmentation (`mix=Mix(...)`, `Augmented`) and a teacher that was trained with a weak one.
    """

    def __init__(
        self,
        vit: Any,
        teacher: nn.Module,
        counts: Sequence[int],
        *,
        steps: int,
        start: float = 11 / 12,
        beta: float = 0.9999,
        **options: Any,
    ) -> None:
        if getattr(vit, "dist_token", None) is None:
            raise TypeError(
                f"this {type(vit).__name__} has no distillation token: make one with tune.two_tokens(model, classes)"
            )
        super().__init__(vit, teacher, steps=steps, kind="hard", alpha=0.5, **options)
        if len(counts) != vit.num_classes:
            raise ValueError(
                f"counts has {len(counts)} entries, but there are {vit.num_classes} classes: one for each is wanted"
            )
        self.rare: Tensor
        self.register_buffer("rare", class_weights(counts, beta=beta))
        self.late = round(steps * start)

    def follow(self, logits: Tensor, theirs: Tensor) -> Tensor:
        """Cross entropy with what the teacher says; classes weigh alike at first, rare ones more from `late` on."""
        weight = self.rare if int(self.done) >= self.late else None
        return F.cross_entropy(logits.float(), theirs.argmax(-1), weight=weight)

    @torch.no_grad()
    def experts(self, images: Float[Tensor, "B 3 H W"]) -> dict[str, Tensor]:
        """Probabilities (B, classes) of the class token, of the distillation token, and their mean, which is the model's answer."""
        cls, dist = (logits.softmax(-1) for logits in self.both(images))
        return {"cls": cls, "dist": dist, "mean": (cls + dist) / 2}


def class_weights(counts: Sequence[int], *, beta: float = 0.9999) -> Tensor:
    """(1 − β) / (1 − βⁿ) for a class of n pictures, scaled to a mean of 1: all 1 where counts are equal. β = 0 weighs all alike."""
    n = torch.tensor(list(counts), dtype=torch.float64)
    if n.min() < 1 or not 0 <= beta < 1:
        raise ValueError(
            f"counts from {int(n.min())} on and beta={beta}, but at least 1 picture for each class and 0 ≤ beta < 1 are wanted"
        )
    weights = (1 - beta) / (1 - beta**n)
    return (weights / weights.mean()).float()


def two_tokens(model: MaskedModel | nn.Module, classes: int) -> Any:
    """A copy of a plain ViT as timm's distilled one: a second token, which starts as the class token, and a head for each.

    Raises TypeError for a model without a class token or of another family.
    """
    vit = vit_of(model)
    shape = shape_of(vit)
    if vit.cls_token is None or shape["reg_tokens"]:
        raise TypeError(
            "a plain ViT with a class token and no registers is wanted, beside which a second token can stand"
        )
    for name in ("class_token", "reg_tokens", "global_pool", "fc_norm"):
        shape.pop(name)
    made: Any = VisionTransformerDistilled(**{**shape, "num_classes": classes}).to(vit.pos_embed.device)
    own = {k: v for k, v in vit.state_dict().items() if not k.startswith(("head", "fc_norm", "norm"))}
    norm = vit.norm if isinstance(vit.norm, nn.LayerNorm) else vit.fc_norm  # before the pool or behind it
    own |= {f"norm.{k}": v for k, v in norm.state_dict().items()}
    own["dist_token"] = vit.cls_token.detach().clone()
    if not vit.no_embed_class:
        own["pos_embed"] = torch.cat([vit.pos_embed[:, :1], vit.pos_embed], 1).detach().clone()
    missing = made.load_state_dict(own, strict=False).missing_keys
    assert all(key.startswith("head") for key in missing), missing
    made.pretrained_cfg = {
        **vit.pretrained_cfg,
        "num_classes": classes,
        "architecture": "deit_tiny_distilled_patch16_224",
    }
    return made
