"""The gates of Vision DiffMask, and what trains them on many pictures."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core import Grid
from ..vit import Encoder, Scene
from ._learning import Learnt, frozen
from ._tokens import one_grid

TEMPERATURE, LOW, HIGH = 0.2, -0.2, 1.0  # of the hard concrete distribution
CEILING = 200.0  # of the multiplier


def hard_concrete(logits: Tensor) -> Tensor:
    """Numbers from 0 to 1, both ends included, with a gradient (Louizos et al., 2018, arXiv 1712.01312)."""
    u = torch.rand_like(logits).clamp(1e-6, 1 - 1e-6)
    soft = torch.sigmoid((u.log() - (-u).log1p() + logits) / TEMPERATURE)
    return (soft * (HIGH - LOW) + LOW).clamp(0, 1)


def log_open(logits: Tensor) -> Tensor:
    """log of the probability that such a number is not 0."""
    return F.logsigmoid(logits - TEMPERATURE * math.log(-LOW / HIGH))


class DiffMaskLearner(nn.Module):
    """`mv.fit(DiffMaskLearner(model), batches, lr=1e-3)`; then `DiffMask(explainer=learner)` is one pass.

    A gate for each of the hidden states h (patch embedding, input of every block, output of the last) looks at (h, embedding) of a
    patch; a patch is open after `layer` where all gates up to it are. Minimized: the expected share of open patches +
    α · (KL(answer ‖ answer with closed patches replaced) − budget), with one α for each layer, which rises while the budget, in
    nats, is exceeded. placeholder: what stands for closed patches; one that learns must see several classes, or it learns to
    say the answer itself. layer: whose gates learn; None draws one for each step. Raises TypeError where there are no tokens.
    """

    alpha: Tensor

    def __init__(
        self,
        model: nn.Module,
        *,
        budget: float = 0.1,
        layer: int | None = None,
        alpha: float = 20.0,
        lr_alpha: float = 0.3,
        placeholder: Literal["learnt", "zero"] = "learnt",
    ) -> None:
        super().__init__()
        encoder = Encoder(model)
        self._explained = (encoder,)  # not to be trained, so no part of this module
        if encoder.whole or len(encoder.anatomy.stages) > 1 or encoder.content_width != encoder.width:
            raise TypeError(
                f"{encoder.anatomy.family} has not one token for each patch from the first block on, to put a gate at"
            )
        states, width = len(encoder.anatomy.blocks) + 2, encoder.width
        device = next(model.parameters()).device
        self.gates = nn.ModuleList(
            nn.Sequential(
                nn.Linear(2 * width, max(width // 4, 1)), nn.Tanh(), nn.Linear(max(width // 4, 1), 1), nn.Tanh()
            )
            for _ in range(states)
        ).to(device)
        start = torch.randn(width) * (2 / (width + 1)) ** 0.5 if placeholder == "learnt" else torch.zeros(width)
        self.placeholder = nn.Parameter(start.to(device), requires_grad=placeholder == "learnt")
        self.budget, self.layer, self.lr_alpha = budget, layer, lr_alpha
        self.scale, self.shift = 4.0, 2.5
        self.register_buffer("alpha", torch.full((states,), alpha, device=device))
        self._gap: tuple[int, float] = (0, budget)

    @property
    def grid(self) -> Grid:
        return self._explained[0].grid

    def logits(self, images: Tensor, layer: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(gates' logits (B, N, up to layer + 1), contents of the patches (B, N, C), the model's own answer (B, classes))."""
        encoder = self._explained[0]
        scene = Scene(encoder.vit, images)
        scene.images = images
        one_grid(scene, "there is no gate for each patch in each of them")
        answer, trace = scene.logits, scene.trace
        assert trace.embedded is not None
        with torch.no_grad():
            content = encoder.embed(images)
        inputs = [content, *(t[:, encoder.prefix :] for t in (trace.embedded, *trace.tokens))]
        stop = len(inputs) if layer is None else layer % len(inputs) + 1
        first, *hidden = (F.layer_norm(each, each.shape[-1:]) for each in inputs[:stop])
        found = [gate(torch.cat([first, h], -1)) for gate, h in zip(self.gates, (first, *hidden), strict=False)]
        return self.scale * torch.cat(found, -1) + self.shift, content, answer

    def mask(self, images: Tensor, layer: int | None = None) -> Tensor:
        """(B, rows, cols): the probability that a patch is open."""
        return log_open(self.logits(images, layer)[0]).sum(-1).exp().unflatten(1, self.grid.shape)

    def seen(self, content: Tensor, z: Tensor) -> Tensor:
        """The model's answer with z (B, N) of every patch's content and the placeholder for the rest."""
        encoder, z = self._explained[0], z[..., None]
        return encoder.vit.forward_head(encoder(z * content + (1 - z) * self.placeholder))

    def forward(self, images: Tensor) -> Learnt:
        layer = int(torch.randint(len(self.gates), ())) if self.layer is None else self.layer % len(self.gates)
        with frozen(self._explained[0].vit):
            logits, content, answer = self.logits(images, layer)
            told = self.seen(content, hard_concrete(logits).prod(-1))
        gap = F.kl_div(told.log_softmax(-1), answer.log_softmax(-1), reduction="none", log_target=True).sum(-1)
        open_ = log_open(logits).sum(-1).exp()  # (B, N)
        self._gap = layer, float(gap.detach().mean())
        loss = open_.mean() + self.alpha[layer] * (gap.mean() - self.budget)
        return Learnt(loss, open_.unflatten(1, self.grid.shape), gap)

    def after_step(self) -> None:
        """The multiplier climbs along its gradient, KL − budget."""
        layer, gap = self._gap
        self.alpha[layer] = (self.alpha[layer] + self.lr_alpha * (gap - self.budget)).clamp(0, CEILING)
