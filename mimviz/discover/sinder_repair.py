"""SINDER: Repairing the Singular Defects of DINOv2. Wang, Zhang, Salzmann. ECCV 2024. arXiv 2407.16826.

At the first block with defective patches, each is drawn to what its neighbours say, by a little training of singular values alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, unfold

from ..vit import Scene
from ._singular import SingularValues
from .sinder import DefectDirections, score

GAUSSIAN = torch.tensor([1.0, 2, 1, 2, 4, 2, 1, 2, 1]) / 16


@dataclass(frozen=True)
class RepairStep:
    """Behind one step: the loss at block `layer` with so many defective patches (None and 0 where this picture had none).

    ratio: largest patch norm of the last block : median; cosine: of the class token (the patches' mean where there is none) to that
    of the unrepaired model; both of this step's picture, before its update. model: the repaired copy, as it is now.
    """

    step: int
    loss: float | None
    layer: int | None
    defective: int
    ratio: float
    cosine: float
    model: nn.Module = field(repr=False)


@dataclass(frozen=True)
class Repair:
    """`for step in Repair()(scene): …` mends a copy of the scene's model on its pictures, one each step, in turn.

    A patch is defective where |cos| is above mean + k · std of its picture and it does not lie on the rim; blocks with fewer than
    `least` are passed over. SGD with momentum 0.9 on the singular values of the values, projections and MLPs of the last `reach`
    blocks up to that one. temperature: how strongly neighbours that are defective themselves are left out. The defaults are the
    authors', but for `steps`: theirs are up to 30,000.
    """

    steps: int = 100
    rate: float = 0.005
    k: float = 4.0
    least: int = 3
    reach: int = 10
    temperature: float = 0.1

    def __call__(self, scene: Scene) -> Iterator[RepairStep]:
        if min(scene.grid.shape) < 3:
            raise ValueError(f"a grid of {scene.grid.rows} x {scene.grid.cols} patches is all rim: there is nothing to repair")
        directions = DefectDirections()(scene.subject.vit)
        before = [_whole(tokens[None], scene) for tokens in scene.trace.tokens[-1]]
        work = SingularValues(scene, rate=self.rate)
        for step in range(self.steps):
            i = step % len(scene)
            with torch.inference_mode(False), torch.enable_grad():
                trace = work.run(scene.images[i : i + 1])
                found = self._first(trace.maps, directions)
                last = trace.maps(-1).detach().float().norm(dim=1)
                ratio = float(last.max() / last.median())
                cosine = float(cosine_similarity(_whole(trace.tokens[-1], scene), before[i]))
                loss = layer = None
                defective = 0
                if found is not None:
                    layer, defective, value = found
                    loss = float(value.detach())
                    work.step(value, range(max(0, layer - self.reach + 1), layer + 1))
            yield RepairStep(step, loss, layer, defective, ratio, cosine, work.model)

    def _first(self, maps: Any, directions: list[Tensor]) -> tuple[int, int, Tensor] | None:
        """(layer, how many, loss) of the first block with enough defective patches."""
        for layer, direction in enumerate(directions):
            found = self.loss(maps(layer), direction)
            if found is not None and found[0] >= self.least:
                return layer, *found
        return None

    def loss(self, maps: Tensor, direction: Tensor) -> tuple[int, Tensor] | None:
        """maps (1, C, rows, cols) → how many are defective, and their mean ‖x − T‖ : mean ‖x‖ inside the rim; None without any."""
        with torch.no_grad():
            cos = score(maps, direction)  # (1, rows, cols)
            mask = (cos > cos.mean() + self.k * cos.std())[:, 1:-1, 1:-1].flatten()
            if not mask.any():
                return None
            weight = unfold(torch.exp(-cos / self.temperature)[None], 3)[0] * GAUSSIAN.to(cos)[:, None]  # (9, n)
            around = unfold(maps, 3)[0].unflatten(0, (-1, 9))  # (C, 9, n)
            smooth = (around * (weight / weight.sum(0))).sum(1)  # (C, n)
            size = maps[0, :, 1:-1, 1:-1].norm(dim=0).mean()
        x = maps[0, :, 1:-1, 1:-1].flatten(1)
        return int(mask.sum()), (x - smooth)[:, mask].norm(dim=0).mean() / size


def _whole(tokens: Tensor, scene: Scene) -> Tensor:
    """(1, T, C) → (1, C): what speaks for the picture."""
    tokens = tokens.detach().float()
    return tokens[:, 0] if scene.anatomy.class_tokens else tokens.mean(1)
