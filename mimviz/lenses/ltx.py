"""Learning to Explain: A Model-Agnostic Framework for Explaining Black Box Models. Barkan et al. ICDM 2023. arXiv 2310.16584.

An explainer network, a copy of the model with a small head, gives a mask from 0 to 1 for every patch; it learns to keep the
model's answer for the picture that the mask leaves, and to leave little. Stage one learns from many pictures (`LTXLearner`), stage
two goes on with the one picture, and of all steps the mask counts whose deletion curve is the lowest. Confirmed in LTX-Code/LTX:
head of two layers with tanh, black as baseline, cross entropy · 1, 25 steps at 2e-3. There the mask's BCE, weighted 50, takes the
sigmoid for a logit; here it is the paper's, −log(1 − m), which for m near 0.5 pulls three times as hard.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Grid, Heatmap
from ..vit import Scene
from ._learning import deletion, descend, frozen, learning
from ._ltx import Explainer, objective
from ._probing import Partial, Probe, last


@dataclass(frozen=True)
class LTX:
    """(B, rows, cols), 0..1: which patches the answer needs; of a conv net, the cells of its last stage.

    explainer: what learnt from many pictures; None begins with the model's own features and a fresh head. steps: on this picture,
    0 takes the explainer as it is. keep, sparse, counter: weights of the answer for what is left, of an empty mask, and of
    another answer for what is hidden (the counterfactual term). select: whether the step with the lowest deletion curve counts
    (with a fresh head, of the second half), or the last. A step is three passes, one back, and four more where it may be selected.
    """

    steps: int = 40
    keep: float = 1.0
    sparse: float = 1.0
    counter: float = 0.0
    lr: float = 5e-3
    select: bool = True
    seed: int = 0
    explainer: Explainer | None = field(default=None, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return max(self.steps, 1)

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The best mask so far, after each step."""
        if self.steps:
            scene.logits  # noqa: B018  says why where there are no classes
            yield from learning(scene, self, self.steps, self._begin, seed=self.seed)
            return
        if self.explainer is None:
            raise ValueError("steps is 0 and there is no explainer, but one or the other must learn: see LTXLearner")
        probe, explainer = Probe(scene, 1), self.explainer
        with torch.no_grad():
            for _, _, mask in probe(lambda *_: explainer(scene.images)):
                yield probe.partial(mask.float(), self)

    def _begin(self, scene: Scene) -> Callable[[], Tensor]:
        explainer = Explainer(scene.model) if self.explainer is None else copy.deepcopy(self.explainer)
        optimizer, best = torch.optim.AdamW(explainer.parameters(), lr=self.lr), [float("inf"), torch.empty(0)]
        weights = {"keep": self.keep, "sparse": self.sparse, "counter": self.counter}

        done, first = 0, self.steps // 2 if self.explainer is None else 0

        def step() -> Tensor:
            nonlocal done
            done += 1
            with frozen(scene.model):
                mask = explainer(scene.images)
                loss, _ = objective(scene, mask, **weights)
                descend(optimizer, loss.sum())
                with torch.no_grad():
                    found = explainer(scene.images)
                if not self.select or done <= first:
                    return found[0]
                rows, cols = found.shape[1:]
                area = deletion(scene, found, Grid(rows, cols, scene.anatomy.grid.patch))
            if area <= best[0]:
                best[:] = area, found[0]
            return best[1]

        return step
