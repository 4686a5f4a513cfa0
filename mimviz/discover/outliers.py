"""Vision Transformers Need Registers. Darcet, Oquab, Mairal, Bojanowski. ICLR 2024. arXiv 2309.16588.

Outliers are patches with tokens of high L2 norm in front of the final norm (section 2.1). The paper cuts DINOv2-g at 150 by eye;
here the threshold is the valley between two modes of log norms, if there are two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..vit import Scene
from ._two_modes import Modes, two_modes


@dataclass(frozen=True, eq=False)
class NormModes:
    """Norms (B, rows, cols) and where they part.

    threshold: in units of the norm, None where nothing parts them; mask (B, rows, cols) is true above it. confidence 0..1: the
    probability of two modes against one (by BIC) times the mean probability that what is above the threshold belongs to the
    upper one; 1 for a threshold given by hand. why: in words, what was found or why nothing was.
    """

    norms: Tensor
    threshold: float | None
    confidence: float
    why: str

    @property
    def mask(self) -> Tensor:
        return self.norms > (math.inf if self.threshold is None else self.threshold)

    @property
    def share(self) -> float:
        """Of all patches, 0..1."""
        return float(self.mask.float().mean())

    @property
    def ratio(self) -> float:
        """Largest norm : median."""
        median = float(self.norms.median())
        return float(self.norms.max()) / median if median else math.inf


@dataclass(frozen=True)
class Outliers:
    """Which patches of all pictures of a scene have a norm of another kind at block `layer`.

    Two modes count when mixtures of up to three Gaussians explain the log norms better (by BIC) with a valley between, at least
    `dip` of the lower mode deep, than without; and when the upper mode holds at most `most` of the patches: half a picture is not
    an outlier. threshold: a norm to cut at instead.
    """

    layer: int = -1
    threshold: float | None = None
    dip: float = 0.5
    most: float = 0.125

    def __call__(self, scene: Scene) -> NormModes:
        return self.find(scene.trace.maps(self.layer).float().norm(dim=1))

    def find(self, norms: Tensor) -> NormModes:
        """norms (B, rows, cols), not negative."""
        if self.threshold is not None:
            return NormModes(norms, self.threshold, 1.0, f"cut by hand at {self.threshold:.4g}")
        x = np.log(norms.double().clamp_min(1e-12).flatten().cpu().numpy())
        if not np.isfinite(x).all():
            raise ValueError(f"{int((~np.isfinite(x)).sum())} of {x.size} norms are NaN or infinite: the model overflowed")
        if x.size < 8:
            return NormModes(norms, None, 0.0, f"{x.size} patches are too few to tell one mode from two")
        modes = two_modes(x, dip=self.dip)
        why = self._against(modes)
        if modes.two is None or why:
            return NormModes(norms, None, modes.probability, why)
        cut = modes.two.valley[0]
        above = x > cut
        sure = modes.probability * float(modes.two.upper(x[above]).mean())
        times = math.exp(x[above].mean() - x[~above].mean())
        said = f"{int(above.sum())} of {x.size} patches have a norm {times:.1f} times that of the others"
        return NormModes(norms, math.exp(cut), sure, said)

    def _against(self, modes: Modes) -> str:
        """Why these modes are no outliers; "" when they are."""
        if modes.two is None:
            if len(modes.one.means) > 1:
                return "no outliers: the norms are skewed, but no gap parts high ones from the rest"
            return "no outliers: one mode fits better"
        if modes.probability < 0.5:
            return "no outliers: one mode fits better"
        if modes.two.above > self.most:
            held = f"{100 * modes.two.above:.0f} %"
            return f"no outliers: norms have two modes, but the upper one holds {held} of the patches, a part of the picture"
        return ""
