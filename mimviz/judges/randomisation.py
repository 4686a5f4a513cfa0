"""Sanity Checks for Saliency Maps. Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim. NeurIPS 2018. arXiv 1810.03292.

Model parameter randomization (section 4): weights are drawn anew from the head downwards, and the map is made again each time. A
map that stays the same shows the picture, not the model. The value is the mean |rank correlation| over the cascade.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from ..core import Heatmap, seeded
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ._agreement import spearman
from ._asking import lens_of
from ._scenes import anew


@dataclass(frozen=True)
class Randomisation:
    """Mean |Spearman| between the map and those of a cascade of `steps` ever more random models; lower is better.

    The head is the first to go, then equal shares of the blocks from the last to the first, then all that is left. A map that has
    become flat counts as unlike.
    """

    steps: int = 4
    seed: int = 0
    better: ClassVar[Better] = "lower"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}, but at least 1 is wanted")
        lens, model = lens_of(heat, self), copy.deepcopy(scene.model)
        likeness, shares = [], []
        done = 0
        cascade = _cascade(scene)
        generator = seeded(self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a random model's map is flat is no news
            for step in range(1, self.steps + 1):
                upto = max(round(step / self.steps * len(cascade)), done + 1 if done < len(cascade) else done)
                for names in cascade[done:upto]:
                    for name in names:
                        _redraw(model.get_parameter(name), generator)
                done = min(upto, len(cascade))
                likeness.append(spearman(heat, lens(anew(scene, model=model))).abs().nan_to_num(0.0))
                shares.append(done / len(cascade))
        y = torch.stack(likeness, 1)  # (B, steps)
        curve = Curve(torch.tensor(shares), y, x_label="share of parts drawn anew", y_label="|rank correlation|")
        return Score(y.mean(1), self, curve)


def _cascade(scene: Scene) -> list[list[str]]:
    """Names of the parameters, in groups: what comes after the blocks, the blocks from last to first, what comes before."""
    names = [name for name, _ in scene.model.named_parameters()]
    blocks = [[name for name in names if name.startswith(f"{block}.")] for block in scene.anatomy.blocks]
    inside = {name for block in blocks for name in block}
    first = names.index(blocks[0][0]) if blocks and blocks[0] else 0
    outside = [(index, name) for index, name in enumerate(names) if name not in inside]
    after = [name for index, name in outside if index > first]
    before = [name for index, name in outside if index < first]
    return [group for group in (after, *blocks[::-1], before) if group]


@torch.no_grad()
def _redraw(weights: nn.Parameter, generator: torch.Generator) -> None:
    """Numbers of the same mean and spread, so that only what was learnt is lost; a constant becomes noise of its own size."""
    many: Any = weights.numel()
    spread = weights.std() if many > 1 else weights.abs().mean()
    noise = torch.randn(weights.shape, generator=generator).to(weights)
    weights.copy_(weights.mean() + noise * spread)
