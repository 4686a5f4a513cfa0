"""Teachers: encoders that are looked at and never trained. A slow copy of the student, or a frozen model.

The copy is Mean Teacher's (Tarvainen and Valpola, NeurIPS 2017, arXiv 1703.01780), with the schedules of data2vec
(arXiv 2202.03555: linear) and DINO (arXiv 2104.14294: cosine).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..core import Grid
from ..vit import Encoder, Trace
from ..vit.recording import recording

Schedule = Literal["linear", "cosine"]


class Teacher(nn.Module):
    """Looks at normalized pictures (B, 3, height, width) of a student: eval mode always, no gradients. `grid`: the student's.

    Its weights are in the masked model's `state_dict` and out of its optimizer. A word that asks it keeps a plain reference.
    """

    def __init__(self, encoder: Encoder):
        super().__init__()
        self.encoder = deepcopy(encoder).requires_grad_(False)
        self.grid: Grid = encoder.grid
        self.eval()

    def train(self, mode: bool = True) -> Teacher:
        return super().train(False)

    @property
    def width(self) -> int:
        """Channels of a feature."""
        return self.encoder.width

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B T D"]:
        """All tokens (B, prefix + N, width) behind the last norm."""
        return self._fitted(self._encoded(self._seen(images)), self.encoder.grid)

    def features(self, images: Float[Tensor, "B 3 H W"], *, layer: int | None = None) -> Float[Tensor, "B N D"]:
        """(B, N, width): patch tokens behind block `layer`, before any norm; None: behind the last norm."""
        if layer is None:
            return self(images)[:, self.encoder.prefix :]
        return self.layers(images, [layer])[0]

    @torch.no_grad()
    def layers(self, images: Float[Tensor, "B 3 H W"], layers: Sequence[int], *, prefix: bool = False) -> list[Tensor]:
        """(B, N, width) behind each of these blocks (also negative), from one pass. IndexError for a block that there is not.

        prefix: with the class and register tokens that went through the block in front.
        """
        numbers = [self._number(layer) for layer in layers]
        trace, parts = self._trace(images, numbers), self.encoder.anatomy
        grids = [parts.stages[parts.stage_of[number]] for number in numbers]
        found = [self._fitted(trace.tokens[number], grid) for number, grid in zip(numbers, grids, strict=True)]
        return found if prefix else [tokens[:, -self.grid.count :] for tokens in found]

    @torch.no_grad()
    def attention(self, images: Float[Tensor, "B 3 H W"], *, layer: int = -1) -> Float[Tensor, "B heads N"]:
        """How much the class token looks at each patch in `layer`, per head; of a model without one, the mean of all patches."""
        number, prefix = self._number(layer), self.encoder.prefix
        trace = self._trace(images, [number])
        classes = self.encoder.anatomy.class_tokens
        seen = trace.rows(number, torch.tensor([0])) if classes else trace.attention[number][:, :, prefix:]
        return self._resampled(seen.mean(2)[..., prefix:].float(), self.encoder.grid)

    # --- inside ---

    def _number(self, layer: int) -> int:
        count = len(self.encoder.anatomy.blocks)
        if not -count <= layer < count:
            raise IndexError(
                f"layer is {layer}, but the teacher has {count} blocks: 0..{count - 1}, or -1 for the last"
            )
        return layer % count

    def _seen(self, images: Tensor) -> Tensor:
        """The student's pictures as the teacher takes them."""
        return images

    def _encoded(self, images: Tensor) -> Tensor:
        return self.encoder(self.encoder.embed(images))

    def _trace(self, images: Tensor, layers: Sequence[int]) -> Trace:
        with recording(self.encoder.vit, self.encoder.anatomy, layers=set(layers)) as trace:
            self._encoded(self._seen(images))
        return trace

    def _fitted(self, tokens: Tensor, own: Grid) -> Tensor:
        """(B, prefix + patches of the grid `own`, C) → (B, prefix + N, C), float32."""
        P = tokens.shape[1] - own.count
        patches = self._resampled(tokens[:, P:].transpose(1, 2), own).transpose(1, 2)
        return torch.cat([tokens[:, :P], patches], dim=1).float()

    def _resampled(self, values: Tensor, own: Grid) -> Tensor:
        """(B, C, patches of `own`) → (B, C, N), bilinear where the grids differ."""
        if own.shape == self.grid.shape:
            return values
        return F.interpolate(values.unflatten(2, own.shape), self.grid.shape, mode="bilinear").flatten(2)


class Frozen(Teacher):
    """A copy of any Encoder or timm model, as it is. `student`: whose pictures it is shown.

    Pictures normalized for the student are normalized for the teacher and resized to what it takes; its features are resampled
    to the student's grid.
    """

    def __init__(self, model: nn.Module, *, student: Encoder):
        encoder = model if isinstance(model, Encoder) else Encoder(model)
        super().__init__(encoder)
        self.grid = student.grid
        own, his = ((torch.tensor(e.mean), torch.tensor(e.std)) for e in (encoder, student))
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", (his[1] / own[1])[:, None, None], persistent=False)
        self.register_buffer("shift", ((his[0] - own[0]) / own[1])[:, None, None], persistent=False)

    def _seen(self, images: Tensor) -> Tensor:
        size = self.encoder.anatomy.size
        if tuple(images.shape[2:]) != size:
            images = F.interpolate(images, size, mode="bicubic", antialias=True)
        return images * self.scale + self.shift


class EMA(Teacher):
    """A copy of the student's encoder that follows it: teacher ← m · teacher + (1 − m) · student, once after each step.

    m goes from `momentum` to `end` in `steps` updates, then stays. `others`: further modules that are copied and follow along.
    The number of updates is in the state, so a resumed run goes on exactly.
    """

    def __init__(
        self,
        encoder: Encoder,
        *others: nn.Module,
        momentum: float = 0.996,
        end: float | None = None,
        steps: int = 1000,
        schedule: Schedule = "linear",
    ):
        super().__init__(encoder)
        end = momentum if end is None else end
        if not (0 <= momentum <= 1 and 0 <= end <= 1) or steps < 1 or schedule not in ("linear", "cosine"):
            raise ValueError(
                f"momentum is {momentum}, end {end}, steps {steps} and schedule {schedule!r}, but momenta of 0..1, at least "
                "one step and 'linear' or 'cosine' are wanted"
            )
        self.others = nn.ModuleList(deepcopy(other).requires_grad_(False) for other in others).eval()
        self.start, self.end, self.steps, self.schedule = momentum, end, steps, schedule
        self.updates: Tensor
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @property
    def momentum(self) -> float:
        """m of the next update."""
        part = min(int(self.updates) / self.steps, 1.0)
        if self.schedule == "cosine":
            part = (1 - math.cos(math.pi * part)) / 2
        return self.start + (self.end - self.start) * part

    @torch.no_grad()
    def update(self, encoder: nn.Module, *others: nn.Module) -> None:
        """One update towards the student and the others, in the order in which they were given."""
        own, theirs = (self.encoder, *self.others), (encoder, *others)
        if len(own) != len(theirs):
            raise ValueError(f"{len(others)} other modules are given, but {len(self.others)} were copied")
        weights = [list(zip(a.parameters(), b.parameters(), strict=True)) for a, b in zip(own, theirs, strict=True)]
        for slow, fast in (pair for of_module in weights for pair in of_module):
            slow.lerp_(fast.to(slow), 1 - self.momentum)
        for a, b in zip(own, theirs, strict=True):
            for mine, his in zip(a.buffers(), b.buffers(), strict=True):
                mine.copy_(his)
        self.updates += 1
