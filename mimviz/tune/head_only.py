"""Train the head alone, by MAE's protocol: a batch norm without scale and shift in front of it.

He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377 (appendix A.1, linear probing).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from ..grammar import MaskedModel
from ._models import only_head
from .classifier import classifier


def head_only(model: MaskedModel | nn.Module, classes: int, *, norm: bool = False) -> Any:
    """A copy as a timm model of which only the head is to be trained: `Classifier(head_only(mim, 10), steps=...)`.

    norm: BatchNorm1d(affine=False, eps=1e-6) before the linear layer, whose weights then begin with a spread of 0.01, as MAE does.
    `LinearProbe` asks the same question in seconds, from features that are computed once.
    """
    vit = only_head(classifier(model, classes))
    if norm:
        nn.init.trunc_normal_(vit.head.weight, std=0.01)
        vit.head = nn.Sequential(nn.BatchNorm1d(vit.head.in_features, affine=False, eps=1e-6), vit.head)
    return vit
