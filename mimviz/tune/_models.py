"""The timm model inside whatever is handed over, its parts, and a model that only teaches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..grammar.teacher import Frozen


def vit_of(model: Any) -> Any:
    """The timm model in a masked model, an Encoder, a Classifier, or itself."""
    model = getattr(model, "encoder", model)
    return getattr(model, "vit", model)


def heads(vit: Any) -> list[nn.Linear]:
    """The linear layers that give the logits: one, or two where there is a distillation token. ValueError for any other head."""
    found = vit.get_classifier()
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    if not all(isinstance(each, nn.Linear) for each in found):
        kinds = ", ".join(type(each).__name__ for each in found)
        raise ValueError(
            f"the head of this {type(vit).__name__} is {kinds}, but a linear layer is wanted: tune another model"
        )
    return found


def only_head(vit: Any) -> Any:
    """The same model with everything frozen but its head."""
    vit.requires_grad_(False)
    for head in heads(vit):
        head.requires_grad_(True)
    return vit


class Grader(Frozen):
    """A frozen copy of a model that is asked for its logits, whatever size and normalization its pictures have."""

    def logits(self, images: Tensor) -> Tensor:
        """(B, classes) of pictures that are normalized for the student."""
        with torch.no_grad():
            return self.encoder.vit(self._seen(images))
