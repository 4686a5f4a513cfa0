"""A copy of a ViT of which only the singular values can be trained."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..vit import Scene, Trace, evaluating
from ..vit.recording import recording


class SingularValues:
    """W = U diag(S + e) Vᵀ of values, projections and MLPs of every block; only the e are trained, and `model` always has them.

    Queries and keys stay, so attention moves only as far as its input does.
    """

    def __init__(self, scene: Scene, *, rate: float, momentum: float = 0.9):
        self.model = copy.deepcopy(scene.subject.vit).requires_grad_(False)
        self._anatomy = scene.anatomy
        self._parts: dict[str, Part] = {}
        for index, name in enumerate(scene.anatomy.blocks):
            self._read(self.model.get_submodule(name), name, index)
        self._optimizer = torch.optim.SGD([part.change for part in self._parts.values()], lr=rate, momentum=momentum)

    def run(self, images: Tensor) -> Trace:
        """One pass whose blocks have a gradient by the singular values."""
        weights = {name: part.weight() for name, part in self._parts.items()}
        with evaluating(self.model), recording(self.model, self._anatomy) as trace:
            functional_call(self.model, weights, (images,))
        return trace

    def step(self, loss: Tensor, layers: Iterable[int]) -> None:
        """Train those of the blocks `layers`."""
        chosen = [part.change for part in self._parts.values() if part.layer in set(layers)]
        for change, grad in zip(chosen, torch.autograd.grad(loss, chosen, allow_unused=True), strict=True):
            change.grad = grad
        self._optimizer.step()
        self._optimizer.zero_grad()
        with torch.no_grad():
            for name, part in self._parts.items():
                self.model.get_parameter(name).copy_(part.weight())

    def _read(self, block: Any, name: str, layer: int) -> None:
        for path, linear in block.named_modules():
            if not isinstance(linear, nn.Linear) or path.endswith(("q_proj", "k_proj", "gate")):
                continue
            first = 2 * linear.out_features // 3 if path.endswith("qkv") else 0
            self._parts[f"{name}.{path}.weight"] = Part(linear.weight, first, layer)


class Part:
    """The rows of `weight` from `first` on, by their singular values."""

    def __init__(self, weight: Tensor, first: int, layer: int):
        self.layer, self._first, self._whole = layer, first, weight.detach().clone()
        u, s, vt = torch.linalg.svd(self._whole[first:].float(), full_matrices=False)
        self._u, self._vt = u.to(weight.dtype), vt.to(weight.dtype)
        self.change = torch.zeros_like(s).to(weight.dtype).requires_grad_()

    def weight(self) -> Tensor:
        """W + U diag(e) Vᵀ: exactly W while nothing was trained."""
        rows = self._whole[self._first :] + (self._u * self.change) @ self._vt
        return torch.cat([self._whole[: self._first], rows]) if self._first else rows
