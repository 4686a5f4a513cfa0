"""Comprehensive Attribution: Inherently Explainable Vision Model with Feature Detector. Zhang et al. ECCV 2024. arXiv 2407.19308.

A selector gives a mask, a predictor must know the class from what is selected, and a frozen detector, trained on whole pictures,
must know it less well from the rest: so everything that tells the class is selected, not only some of it. Confirmed in
Zood123/COMET: L = L_p + 4 · max(L_p − L_d + gap, 0) + 100 · max(mean mask − share, 0), what is not selected has the mean colour.
There the maxima are of batches, here of each picture; the selector is a small U-Net. Its gap is 2 and its share 0.6; here 0.2,
which its comments name as the default.

`CometLearner` is all of it, an explainable classifier that learns from labels. Asked about a model as it is, the lens takes that
model for predictor and detector both (the code's game of one player) and trains a selector on the picture alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._comet import Selector, objective
from ._learning import descend, frozen, learning, surprise
from ._probing import Partial, Probe, last


@dataclass(frozen=True)
class COMET:
    """(B, H, W), 0..1: what is selected.

    selector: what learnt from many pictures (`CometLearner`), which is one pass; None trains one on this picture in `steps`, of
    two passes there and back each. complete, gap: weight and width of the detector's term. area, share: weight of the selected
    area beyond a share of the picture. For a target that is a function, −score stands for the cross entropy.
    """

    steps: int = 60
    complete: float = 4.0
    gap: float = 2.0
    area: float = 100.0
    share: float = 0.2
    lr: float = 3e-3
    seed: int = 0
    selector: Selector | None = field(default=None, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps if self.selector is None else 1

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The mask after each step."""
        if self.selector is None:
            yield from learning(scene, self, self.steps, self._begin, seed=self.seed)
            return
        probe, selector = Probe(scene, 1), self.selector
        with torch.no_grad():
            for _, _, mask in probe(lambda *_: selector(scene.images)):
                yield probe.partial(mask.float(), self)

    def _begin(self, scene: Scene) -> Callable[[], Tensor]:
        selector = Selector().to(scene.images.device)
        optimizer = torch.optim.Adam(selector.parameters(), lr=self.lr)
        weights = {"complete": self.complete, "gap": self.gap, "area": self.area, "share": self.share}

        def step() -> Tensor:
            with frozen(scene.model):
                mask = selector(scene.images)
                both = torch.cat([scene.images * mask[:, None], scene.images * (1 - mask[:, None])])
                taken, left = surprise(scene, both).chunk(2)
                loss, _ = objective(taken, left, mask, **weights)
            descend(optimizer, loss.sum())
            return mask[0]

        return step
