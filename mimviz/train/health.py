"""What a step did to each layer: its gradient, its weights, and how far they moved."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BLOCK = re.compile(r"^(.*?(?:^|\.)[a-z_]*(?:blocks|layers|stages|layer)[a-z_]*\.\d+)\.")
EXPLODING = (
    1e-1  # of the weights in one step; healthy trainings move them by about 1e-3 (Karpathy, CS231n, ratio of updates)
)


@dataclass(frozen=True)
class Health:
    """L2 norms of a layer's gradient (before clipping), weights and update; `silent` is the share 0..1 of its weights whose
    gradient is exactly 0, `broken` the number of values that are NaN or infinite."""

    gradient: float
    weights: float
    update: float
    silent: float
    broken: int

    @property
    def ratio(self) -> float:
        """Update over weights."""
        return self.update / self.weights if self.weights else 0.0

    @property
    def state(self) -> str:
        """ "broken" (NaN or infinite), "dead" (no gradient), "exploding" (moved by more than a tenth), or "" where all is well."""
        if self.broken:
            return "broken"
        if self.silent == 1:
            return "dead"
        return "exploding" if self.ratio > EXPLODING else ""


class Checkup:
    """Made before a step, asked after its backward pass (`gradients`) and its update (`finish`); holds a copy of the weights."""

    def __init__(self, model: nn.Module):
        self.seconds = -time.perf_counter()  # that it has taken
        self._layers = layers(model)
        self._before = {name: _flat(parameters) for name, parameters in self._layers.items()}
        self._gradients: dict[str, tuple[float, float, int]] = {}
        self.seconds += time.perf_counter()

    def gradients(self) -> None:
        """Reads every `.grad`; call it before they are clipped or dropped."""
        self.seconds -= time.perf_counter()
        for name, parameters in self._layers.items():
            grads = _flat([p.grad for p in parameters if p.grad is not None])
            silent = sum(p.numel() for p in parameters) - int(grads.count_nonzero())
            self._gradients[name] = _norm(grads), silent / max(1, sum(p.numel() for p in parameters)), _broken(grads)
        self.seconds += time.perf_counter()

    def finish(self) -> dict[str, Health]:
        """{layer: Health}, in the order of the model."""
        self.seconds -= time.perf_counter()
        found = {}
        for name, parameters in self._layers.items():
            now = _flat(parameters)
            gradient, silent, broken = self._gradients.get(name, (0.0, 1.0, 0))
            broken += _broken(now)
            found[name] = Health(gradient, _norm(now), _norm(now - self._before.pop(name)), silent, broken)
        self.seconds += time.perf_counter()
        return found


def layers(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters that learn, by block or, outside of blocks, by the module that holds them."""
    found: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            block = BLOCK.match(name)
            found.setdefault(block[1] if block else name.rpartition(".")[0] or name, []).append(parameter)
    return found


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers in one row, copied."""
    return torch.cat([each.detach().float().flatten() for each in tensors]) if tensors else torch.zeros(0)


def _norm(flat: Tensor) -> float:
    return float(torch.linalg.vector_norm(flat))


def _broken(flat: Tensor) -> int:
    """How many are NaN or infinite; their sum says quickly that none is."""
    return 0 if flat.sum().isfinite() else int((~flat.isfinite()).sum())
