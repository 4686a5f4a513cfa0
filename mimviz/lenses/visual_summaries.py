"""Understanding Deep Architectures by Visual Summaries. Carletti et al. BMVC 2018. arXiv 1801.09103.

The mask that, taken out of the picture, kills the probability: as small as possible (λ1), smooth (λ2, Fong and Vedaldi, ICCV
2017), and crisp, as m(1 − m) (λ3) drives every cell to one of its ends: the paper's first half, of which
`discover.VisualSummaries` groups the regions over pictures. The paper's weights are not to be
had; these are ours. Cells are squares with sharp edges, so that no rest of a mark stays at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._coefficients import probability
from ._learning import descend, enlarged, frozen
from ._pixels import Baseline, blank
from ._probing import Partial, Probe, last

START = 1.5  # of the mask's logits: all but gone, so that what the model needs comes back last


@dataclass(frozen=True)
class CrispMask:
    """(B, rows, cols), 0..1: what must be taken away.

    steps: of Adam at rate `lr`, one pass there and back each: 3 s of one core for the bundled classifier at 64 pixels. cells:
    places along the longer side at most, the model's own grid where it has fewer. sparse, smooth, crisp: λ1 of the mean area, λ2
    of the mean slope to the power of `beta`, λ3 of the mean of 4 m(1 − m), which is 1 where m is 0.5 and grows
    from 0 with the steps, as a crisp mask moves no more. The probability counts as a share of the whole picture's.
    away: what comes instead; the paper's "blur" leaves large marks their colour.
    """

    steps: int = 80
    cells: int = 16
    sparse: float = 0.3
    smooth: float = 0.2
    crisp: float = 0.1
    beta: float = 3.0
    lr: float = 0.1
    away: Baseline = "mean"

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The mask after each step."""
        probe, (H, W) = Probe(scene, self.steps, batch=1), scene.images.shape[-2:]
        scale = min(self.cells, max(scene.grid.shape)) / max(H, W)
        rows, cols = (max(round(each * scale), 1) for each in (H, W))
        with torch.inference_mode(False):
            logits = torch.full((len(scene), rows, cols), START, device=scene.images.device, requires_grad=True)
            away = blank(scene, self.away)
        optimizer = torch.optim.Adam([logits], lr=self.lr)

        with torch.no_grad():
            whole = probability(scene, scene.images).abs().clamp_min(1e-12)

        def ask(step: int, _: int) -> Tensor:
            with torch.inference_mode(False), torch.enable_grad(), frozen(scene.model):
                gone = torch.sigmoid(logits)
                told = probability(scene, without(scene, gone, away)) / whole
                descend(optimizer, (told + self.penalty(gone, crisp=self.crisp * step / self.steps)).sum())
            return torch.sigmoid(logits.detach())

        for _, _, gone in probe(ask):
            yield probe.partial(gone.float(), self)

    @torch.no_grad()
    def falls(self, scene: Scene, gone: Tensor) -> Tensor:
        """(B,): the share of the probability that goes where `gone` (B, rows, cols) is taken away."""
        left = probability(scene, without(scene, gone, blank(scene, self.away)))
        return 1 - left / probability(scene, scene.images)

    def penalty(self, gone: Tensor, *, crisp: float) -> Tensor:
        """(B, rows, cols) → (B,): what the mask costs, whatever the model says."""
        down, right = (gone.diff(dim=dim).abs().pow(self.beta).flatten(1).sum(1) for dim in (1, 2))
        vague = (4 * gone * (1 - gone)).flatten(1).mean(1)
        slope = (down + right) / gone[0].numel()
        return self.sparse * gone.flatten(1).mean(1) + self.smooth * slope + crisp * vague


def without(scene: Scene, gone: Tensor, away: Tensor) -> Tensor:
    """The scene's pictures with `away` where `gone` (B, rows, cols) is 1."""
    gone = enlarged(gone, (scene.images.shape[-2], scene.images.shape[-1]), "nearest")
    return scene.images + gone * (away - scene.images)
