"""SiT: Self-supervised vIsion Transformer. Atito, Awais, Kittler. arXiv 2021. arXiv 2104.03602.

An autoencoder of spoilt pictures before MAE: groups of patches turn grey, are blurred, become noise or another picture's, and the
whole picture is recovered (L1), while one token tells by how many quarter turns it was turned and another tells views of one
picture from other pictures' (NT-Xent, τ 0.5). Learned uncertainties weigh the three: e^−s · L + s / 2, half of e^−s for L1.
Tasks, weights and heads are read beside the authors' code (Sara-Ahmed/SiT); here blocks are whole patches. The paper's two
tokens are encoder(..., reg_tokens=1); of fewer, one serves both. `tasks=False` is the autoencoder alone.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar.contrast import nt_xent
from ..grammar.corrupted import Corrupted
from ..grammar.decoders import Linear
from ..grammar.how import Corrupt
from ..grammar.losses import absolute
from ..grammar.targets import Pixels
from ..grammar.where import Groups
from ..vit import Encoder


class SiT(Corrupted):
    """In training two views of each picture, each turned and spoilt its own way; else the picture as it is."""

    def add_tasks(self, out: int = 512) -> SiT:
        self.turns, self.views = nn.Linear(self.encoder.width, 4), nn.Linear(self.encoder.width, out)
        self.uncertainty = nn.Parameter(torch.ones(3))  # of pixels, turns, views
        return self

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        given = self._mask(images, mask)
        mask = Mask(given.hidden, torch.ones_like(given.hidden), given.shape)  # the whole picture is recovered
        if not (self.training and hasattr(self, "turns")):
            return self.compare(self.predict(images, mask), images, mask)
        first, *one = self._look(images, mask)
        second, *two = self._look(images, self._mask(images, None))
        turned, seen = (torch.cat(pair) for pair in zip(one, two, strict=True))
        patches, turns, views = self.uncertainty
        terms = {
            "turns": (-turns).exp() * F.cross_entropy(self.turns(seen[:, 0]), turned) + turns / 2,
            "views": (-views).exp() * nt_xent(*self.views(seen[:, self.encoder.prefix - 1]).chunk(2)) + views / 2,
            "uncertainty of pixels": patches / 2,
        }
        outcome, other = self.compare(first, images, mask, **terms), self.compare(second, images, mask)
        return replace(outcome, patch_loss=(-patches).exp() / 2 * (outcome.patch_loss + other.patch_loss) / 2)

    def _look(self, images: Tensor, mask: Mask) -> tuple[Tensor, Tensor, Tensor]:
        """The guess, turned back; by how many quarters each picture was turned; its tokens."""
        by = torch.randint(4, (len(images),), device=images.device)
        hidden = turn(mask.hidden.unflatten(1, self.grid.shape)[:, None], by).flatten(1)
        turned = Mask(hidden, hidden, self.grid.shape)
        seen = self.encode(turn(images, by), turned)
        guess = self.grid.unpatchify(self.decoder(seen, turned))
        return self.grid.patchify(turn(guess, -by)), by, seen


def turn(images: Tensor, by: Tensor) -> Tensor:
    """Each picture (B, C, H, W) by its own number of quarter turns."""
    return torch.stack([image.rot90(int(k), (1, 2)) for image, k in zip(images, by, strict=True)])


def sit(encoder: Encoder, *, kinds=("grey", "blur", "noise", "alien"), ratio=0.6, largest=0.25, tasks=True) -> SiT:
    """ratio: the most that is spoilt. largest: side of a block, as a share of the grid's. tasks: turns and views beside pixels."""
    if tasks and (encoder.grid.rows != encoder.grid.cols or not encoder.prefix):
        raise ValueError("quarter turns want square pictures, and the tasks a class token: or give tasks=False")
    target = Pixels(encoder.grid, normalize=False)
    decoder = Linear(encoder.width, target.width, prefix=encoder.prefix)
    where, how = Groups(ratio, least=0.0, largest=largest), Corrupt(encoder.grid, tuple(kinds))
    model = SiT(encoder, where=where, how=how, target=target, decoder=decoder, loss=absolute, name="sit")
    return model.add_tasks() if tasks else model
