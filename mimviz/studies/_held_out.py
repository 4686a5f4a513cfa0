"""The loss of a masked model on pictures that keep their masks, so that two asks, or two models, can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Mask, seeded
from ..grammar import MaskedModel
from ..vit import evaluating


@dataclass(frozen=True)
class MaskedLoss:
    """`MaskedLoss(images)(model)` → the mean loss over the patches to be predicted, in eval mode, without further terms.

    images: uint8 (N, 3, H, W) of the model's size. The mask of picture i is drawn by the model's own `where` from seed + i alone,
    so it stays when other pictures come or go. The same model gives the same number, bit for bit on one machine.
    """

    images: Tensor
    seed: int = 0
    batch: int = 128

    @torch.no_grad()
    def __call__(self, model: MaskedModel) -> float:
        mean, std = (torch.tensor(each).view(3, 1, 1) for each in (model.encoder.mean, model.encoder.std))
        masks = self.masks(model)
        total, count, kept = 0.0, 0, (~masks.hidden).sum(1)
        with evaluating(model):
            for same in kept.unique():  # pictures that keep equal numbers of patches go together
                for ids in (kept == same).nonzero()[:, 0].split(self.batch):
                    images = ((self.images[ids].float() / 255 - mean) / std).to(model.device)
                    mask = Mask(masks.hidden[ids], masks.predict[ids], masks.shape).to(model.device)
                    outcome = model(images, mask)
                    wanted = mask.predict.gather(1, outcome.where)
                    total += float((outcome.patch_loss * wanted).sum())
                    count += int(wanted.sum())
        return total / count

    def masks(self, model: MaskedModel) -> Mask:
        """Those of all pictures, on the processor."""
        drawn = [
            model.where(image[None].float(), model.grid, seeded(self.seed + i)) for i, image in enumerate(self.images)
        ]
        shape = drawn[0].shape
        return Mask(torch.cat([each.hidden for each in drawn]), torch.cat([each.predict for each in drawn]), shape)
