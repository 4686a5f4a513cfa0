"""What linear probes of tokens share: outliers and normal patches of pictures to fit on and of others to ask about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..vit import Scene
from ._features import features
from .outliers import Outliers


@dataclass(frozen=True)
class Probed:
    """The mean over outliers and over normal patches of pictures that the probe was not fitted on; None without any there.

    unit: what it is, and whether more is better. outliers_seen, normal_seen: how many patches each mean is over.
    """

    outliers: float | None
    normal: float | None
    unit: str
    outliers_seen: int
    normal_seen: int


def read(scene: Scene, layer: int, threshold: float | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Tokens (B, N, C), which of them are outliers (B, N), and N."""
    if len(scene) < 2:
        raise ValueError(f"the scene has {len(scene)} picture, but a probe needs one to be fitted on and one to be asked about")
    tokens, _ = features(scene, "tokens", layer)
    high = Outliers(layer, threshold)(scene).mask.flatten(1)
    return tokens.cpu().numpy(), high.cpu().numpy(), tokens.shape[1]


def split(count: int) -> tuple[slice, slice]:
    return slice(0, count, 2), slice(1, count, 2)


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])


def by_kind(values: np.ndarray, high: np.ndarray, unit: str) -> Probed:
    out, normal = (float(values[kind].mean()) if kind.any() else None for kind in (high, ~high))
    return Probed(out, normal, unit, int(high.sum()), int((~high).sum()))
