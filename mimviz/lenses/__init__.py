"""One file, one lens: `lens(scene) → Heatmap`. `DIAGNOSTICS` are called the same way and return numbers about heads and layers."""

from .attention import Attention
from .chefer import Chefer
from .rollout import Rollout

__all__ = [
    "Attention", "Rollout", "Chefer",
]  # fmt: skip

DIAGNOSTICS: tuple[str, ...] = ()
