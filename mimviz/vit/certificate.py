"""How well a recomputed attention agrees with what the module itself made of the very same input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
"""Of the largest value, by the type the module computes in. In half precision the fused kernel keeps more digits of A than a map of
that type can hold, so rounding A and A · V makes a few units in the last place: 2⁻¹¹ in float16, 2⁻⁸ in bfloat16."""


@dataclass(frozen=True)
class Certificate:
    """`error`: the largest |recomputed − module| of A · V; `scale`: the largest |module| there. `through`: the same of what the
    module put out, after norm, gate and projection, as a share of its largest value. `tolerance`: the share that is rounding.
    """

    name: str
    error: float
    scale: float
    through: float
    tolerance: float

    @property
    def relative(self) -> float:
        """The larger of both, as a share of the largest value."""
        return max(self.error / self.scale if self.scale else self.error, self.through)

    @property
    def exact(self) -> bool:
        """Whether the difference is rounding only. NaN is never exact."""
        return self.relative <= self.tolerance

    def __str__(self) -> str:
        verdict = "exact" if self.exact else "NOT exact"
        return f"{verdict}: recomputed attention · V differs by {self.relative:.1e} of its range, rounding is {self.tolerance:.0e}"


def certify(name: str, mixed: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> Certificate:
    """Both pairs are (recomputed, the module's own), of A · V and of the module's output."""
    error, scale = _difference(*mixed)
    through, range_ = _difference(*output)
    return Certificate(name, error, scale, through / range_ if range_ else through, TOLERANCE.get(mixed[1].dtype, 1e-5))


def worst(certificates: Iterable[Certificate]) -> Certificate:
    return max(certificates, key=lambda each: (not each.exact, each.relative / each.tolerance))


def _difference(recomputed: Tensor, module: Tensor) -> tuple[float, float]:
    kind = torch.promote_types(module.dtype, torch.float32)
    recomputed, module = recomputed.detach().to(kind), module.detach().to(kind)
    return float((recomputed - module).abs().max()), float(module.abs().max())
