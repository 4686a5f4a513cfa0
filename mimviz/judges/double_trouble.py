"""Double Trouble: How to Not Explain a Text Classifier's Decisions. Pham, Bui, Mai, Nguyen. AACL 2022. arXiv 2110.11929.

Leave-one-out takes a patch away and looks what is lost (LOO); input marginalization lets a masked model fill the hole first (IM).
A patch that its surroundings predict gets next to nothing from IM, however much it decides. And a deletion or insertion test that
fills holes with the same model likes IM best, while a grey one does not: so every attribution is judged with every operator. (The
title goes on: "using counterfactuals synthesized by masked language models".)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._agreement import disagreement
from ._asking import Removal, Scale, read, without
from .deletion import Deletion
from .insertion import Insertion


@dataclass(frozen=True)
class RemovalAttribution:
    """Signed, (B, rows, cols): by how much the score falls when one patch is taken away, in log-odds as in the paper.

    With `removal.Fill` this is leave-one-out, with `removal.Inpaint` input marginalization (Kim et al., EMNLP 2020, arXiv
    2010.13984); several `samples` of it, a tuple, are averaged as probabilities before the odds are taken (equation 3).
    """

    removal: Removal | tuple[Removal, ...]
    scale: Scale = "log-odds"

    def __call__(self, scene: Scene) -> Heatmap:
        rows, cols = scene.grid.shape
        one = torch.eye(rows * cols, dtype=torch.bool, device=scene.images.device).reshape(-1, 1, rows, cols)
        hidden = one.expand(-1, len(scene), -1, -1)  # (N, B, rows, cols)
        many = self.removal if isinstance(self.removal, tuple) else (self.removal,)
        whole = read(scene, scene.logits, self.scale)[0]
        left = self._left(scene, hidden, many)  # (N, B)
        return Heatmap((whole - left).T.reshape(-1, rows, cols).float(), by=self, signed=True)

    def _left(self, scene: Scene, hidden: Tensor, many: tuple[Removal, ...]) -> Tensor:
        if len(many) == 1:
            return without(scene, hidden, many[0], self.scale)
        if self.scale != "log-odds":
            return torch.stack([without(scene, hidden, each, self.scale) for each in many]).mean(0)
        p = torch.stack([without(scene, hidden, each, "probability") for each in many]).double().mean(0)
        return (p.clamp_min(1e-30).log() - (1 - p).clamp_min(1e-30).log()).float()


@dataclass(frozen=True)
class Cells:
    """`values[attribution][metric]`: mean over the pictures. `rank[metric]`: attributions, the best first. `disagreement[a, b]`: of
    two metrics, 0 (one order) .. 1 (reversed)."""

    values: dict[str, dict[str, float]]
    rank: dict[str, list[str]]
    disagreement: dict[tuple[str, str], float]


@dataclass(frozen=True)
class DoubleTrouble:
    """All cells of attribution operator × metric operator: each of `maps` judged by deletion and insertion with each of `removals`.

    removals: {name: removal}. Called with a scene and {name: Heatmap}; without maps, those of `RemovalAttribution` by the same
    operators.
    """

    removals: Mapping[str, Removal]
    steps: int = 32

    def __call__(self, scene: Scene, maps: Mapping[str, Heatmap] | None = None) -> Cells:
        judged: Any = maps or {name: RemovalAttribution(removal)(scene) for name, removal in self.removals.items()}
        judges = {
            f"{kind} {name}": word(removal=removal, steps=self.steps)
            for name, removal in self.removals.items()
            for kind, word in (("deletion", Deletion), ("insertion", Insertion))
        }
        values = {a: {m: judge(scene, heat).mean for m, judge in judges.items()} for a, heat in judged.items()}
        good = {
            m: [values[a][m] * (1 if judge.better == "higher" else -1) for a in values] for m, judge in judges.items()
        }
        rank = {m: [a for _, a in sorted(zip(good[m], values, strict=True), key=lambda pair: -pair[0])] for m in judges}
        pairs = {(a, b): disagreement(good[a], good[b]) for a in judges for b in judges}
        return Cells(values, rank, pairs)
