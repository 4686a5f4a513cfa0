"""A Benchmark for Interpretability Methods in Deep Neural Networks. Hooker, Erhan, Kindermans, Kim. NeurIPS 2019. arXiv 1806.10758.

ROAR: remove and retrain. The cells that a method calls important are replaced by the mean picture in training and test set alike,
and a net is trained anew on what is left: only if the information is really gone, its accuracy falls. Retraining needs a net that
learns in a second, so it is done on a task of its own: which of four colours one patch has, at any place, among grey noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Grid, Heatmap, drawing, seeded
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ..vit.create import create
from ._asking import cells, lens_of, rank

GRID = Grid(4, 4, 4)
COLOURS = torch.tensor([[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2], [1.5, 1.5, -1.5]])


@dataclass(frozen=True)
class ROAR:
    """Mean accuracy 0..1 after retraining without the top `shares`; lower is better, 1/4 is chance. The same for every picture.

    count: pictures to train on, and half as many to test. steps: of each training, of which there are 1 + len(shares).
    """

    shares: tuple[float, ...] = (0.1, 0.3, 0.5)
    count: int = 256
    steps: int = 120
    seed: int = 0
    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        lens = lens_of(heat, self)
        images, labels = _pictures(self.count + self.count // 2, self.seed)
        net = self._trained(images, labels)
        maps = [_map(lens, net, part, which) for part, which in zip(images.split(64), labels.split(64), strict=True)]
        place = rank(torch.cat(maps), seed=self.seed)
        accuracies = [self._accuracy(net, images, labels)]
        for share in self.shares:
            gone = place < max(round(share * GRID.count), 1)
            over = gone.repeat_interleave(GRID.patch, 1).repeat_interleave(GRID.patch, 2)[:, None]
            left = torch.where(over, images.mean(0), images)
            accuracies.append(self._accuracy(self._trained(left, labels), left, labels))
        y = torch.tensor(accuracies)
        curve = Curve(torch.tensor([0.0, *self.shares]), y.expand(len(scene), -1), y_label="accuracy after retraining")
        return Score(y[1:].mean().expand(len(scene)).clone(), self, curve)

    def _trained(self, images: Tensor, labels: Tensor) -> nn.Module:
        images, labels = images[: self.count], labels[: self.count]
        size: Any = {"img_size": GRID.height, "patch_size": GRID.patch, "embed_dim": 32, "depth": 2, "num_heads": 2}
        with drawing(self.seed):
            net = create("vit_tiny_patch16_224", num_classes=len(COLOURS), **size).train()
        with torch.enable_grad():
            optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
            for step in range(self.steps):
                some = torch.randperm(len(images), generator=seeded(self.seed + step))[:64]
                loss = F.cross_entropy(net(images[some]), labels[some])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return net.eval()

    def _accuracy(self, net: nn.Module, images: Tensor, labels: Tensor) -> float:
        with torch.no_grad():
            return float((net(images[self.count :]).argmax(1) == labels[self.count :]).float().mean())


def _map(lens, net: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    scene = Scene(net, images, target=labels.tolist())
    return cells(scene, lens(scene), "patch")


def _pictures(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """(M, 3, H, W) normalized and the number of the one colour in each (M,)."""
    generator = seeded(seed)
    labels = torch.randint(len(COLOURS), (count,), generator=generator)
    patches = torch.randn(count, GRID.count, 3, generator=generator) * 0.3
    patches[torch.arange(count), torch.randint(GRID.count, (count,), generator=generator)] = COLOURS[labels]
    pixels = patches.repeat_interleave(GRID.patch**2, 1).reshape(count, GRID.count, GRID.patch**2, 3).flatten(2)
    return GRID.unpatchify(pixels) + 0.1 * torch.randn(count, 3, GRID.height, GRID.width, generator=generator), labels
