"""A small convolutional network that is asked how well pictures tell classes apart; trained by `fit`, in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..train import fit
from ..tune import Prediction
from ..vit import evaluating


class ConvNet(nn.Module):
    """Three convolutions, each halving the size, and the largest answer of every channel."""

    wants_labels = True

    def __init__(self, classes: int, width: int):
        super().__init__()
        dims = (3, width, 2 * width, 4 * width)
        blocks = [
            part
            for a, b in pairwise(dims)
            for part in (nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
        ]
        self.layers = nn.Sequential(*blocks, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(dims[-1], classes))

    def forward(self, images: Tensor, labels: Tensor) -> Prediction:
        return Prediction(self.layers(images), labels)


def evened(images: Tensor) -> Tensor:
    """Each picture over its own spread, so that no part is weak for its small numbers alone."""
    return images / (images.flatten(1).std(1)[:, None, None, None] + 1e-6)


def trained(
    images: Tensor, labels: Tensor, *, classes: int, width: int, steps: int, batch: int, lr: float, seed: int
) -> ConvNet:
    """From pictures (N, 3, H, W) on any scale and their classes (N,); repeats itself for one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ConvNet(classes, width)
    batches = _batches(images, labels, min(batch, len(images)), seed)
    for _ in fit(net, batches, steps=steps, lr=lr, seed=seed, weight_decay=1e-3):
        pass
    return net


def _batches(images: Tensor, labels: Tensor, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    draw: Any = np.random.default_rng(seed)
    while True:
        order = torch.from_numpy(draw.permutation(len(images)))
        for ids in order.split(size):
            if len(ids) == size:
                yield images[ids], labels[ids]


@torch.no_grad()
def accuracy(net: ConvNet, images: Tensor, labels: Tensor) -> float:
    """The share of the pictures that is named right."""
    with evaluating(net):
        said = torch.cat([net.layers(part).argmax(1) for part in images.split(256)])
    return float((said == labels).float().mean())
