"""VISION DIFFMASK: Faithful Interpretation of Vision Transformers with Differentiable Patch Masking. Nalmpantis et al. CVPR Workshops 2023. arXiv 2304.06391.

Gates on the hidden states of a frozen ViT say which patches it needs: the fewest for which its answer, over all classes, stays
within a budget of nats while a placeholder stands for the others, learnt, or zero where there is one picture to learn from, whose
answer it would learn to say. As AngelosNal/Vision-DiffMask: hard concrete samples from
−0.2 to 1, products of the gates up to a layer, Lagrange multipliers; other than there, the expected number of open gates itself is
minimized (the paper's L0; the code takes its logarithm), hidden states are brought to one length, gates lie in a narrower range
(15 · tanh + 8 there, 4 · tanh + 2.5 here, which does not saturate within a hundred steps), and Adam is without lookahead.
It asks about no class: the whole answer is kept.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._diff_mask import DiffMaskLearner
from ._learning import descend, learning
from ._probing import Partial, Probe, last


@dataclass(frozen=True)
class DiffMask:
    """(B, rows, cols), 0..1: the probability that the answer needs a patch.

    The step with the fewest open patches counts among those that kept the budget. budget: in nats, how far the answer may go.
    layer: up to which of the hidden states gates vote, -1 is all of them. steps: on
    this picture alone, one pass there and back each, where no `explainer` brings what it learnt from many (`DiffMaskLearner`): that
    is one pass. alpha, lr_alpha: the multiplier's beginning and rate. For ViTs with global attention.
    """

    steps: int = 100
    budget: float = 0.1
    layer: int = -1
    lr: float = 2e-3
    alpha: float = 1.0
    lr_alpha: float = 0.2
    seed: int = 0
    explainer: DiffMaskLearner | None = field(default=None, repr=False)

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps if self.explainer is None else 1

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The gates after each step."""
        if self.explainer is None:
            yield from learning(scene, self, self.steps, self._begin, seed=self.seed)
            return
        probe, explainer = Probe(scene, 1), self.explainer
        with torch.no_grad():
            for _, _, mask in probe(lambda *_: explainer.mask(scene.images, self.layer)):
                yield probe.partial(mask.float(), self)

    def learner(self, scene: Scene) -> DiffMaskLearner:
        """What learns on a picture: untrained, for one's own loop."""
        return DiffMaskLearner(
            scene.model,
            budget=self.budget,
            layer=self.layer,
            alpha=self.alpha,
            lr_alpha=self.lr_alpha,
            placeholder="zero",
        )

    def _begin(self, scene: Scene) -> Callable[[], Tensor]:
        learner = self.learner(scene)
        free = [each for each in learner.parameters() if each.requires_grad]
        optimizer, best = torch.optim.Adam(free, lr=self.lr, betas=(0.9, 0.95)), [2.0, torch.empty(0)]

        def step() -> Tensor:
            found = learner(scene.images)
            descend(optimizer, found.loss)
            learner.after_step()
            kept, within = float(found.mask.detach().mean()), float(found.gap.detach()) <= self.budget
            if within and kept <= best[0]:
                best[:] = kept, found.mask[0].detach()
            return best[1] if best[0] <= 1 else found.mask[0]

        return step
