"""What a model said of batches of pictures, to be found again by their content: who asks the same twice need not wait twice."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from .evaluating import evaluating
from .only_read import only_read
from .scene import Scene

LIMIT = 4096
"""Batches that are kept, a few numbers each."""


class Answers:
    """`Answers().ask(scene, images)`: the model's outputs (M, classes) for normalized pictures (M, 3, H, W), without a gradient.

    A batch is found again only whole, so what is found is what was computed, bit for bit. For as long as nothing in the model
    changes: a board makes one for the scene of each picture, whose judges and methods ask for the same occlusions, the same draws
    and the same end points, of one class or of another.
    """

    def __init__(self):
        self._held: dict[bytes, Tensor] = {}

    def ask(self, scene: Scene, images: Tensor) -> Any:
        key = _content(images)
        if key in self._held:
            return self._held[key]
        said = _asked(scene, images)
        if isinstance(said, Tensor) and len(self._held) < LIMIT:
            self._held[key] = said
        return said


@torch.no_grad()
def answer(scene: Scene, images: Tensor) -> Any:
    """The same, from `scene.answers` where it has any."""
    return _asked(scene, images) if scene.answers is None else scene.answers.ask(scene, images)


def _asked(scene: Scene, images: Tensor) -> Any:
    with evaluating(scene.model), only_read(scene.model):
        return scene.subject.run(images)


def _content(images: Tensor) -> bytes:
    found = hashlib.blake2b(f"{tuple(images.shape)} {images.dtype}".encode(), digest_size=16)
    found.update(images.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.digest()
