"""Explaining Image Classifiers with Multiscale Directional Image Representation. Kolek et al. CVPR 2023. arXiv 2211.12857.

WaveletX, the wavelet sibling of ShearletX in that paper: a mask over the coefficients of the picture keeps as few as the class
needs while noise stands for the others (equation 5), with a penalty on the mask and on the grey picture that it leaves. The
wavelet is Haar's, whose transform is a few sums and differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ._coefficients import Basis, Left, left
from ._probing import Partial, last, newest
from ._wavelets import restored, transformed


@dataclass(frozen=True)
class WaveletX:
    """(B, H, W), at least 0: the strongest colour of the picture that is left, in 0..1 and a little beyond where wavelets ring.

    steps: of Adam at rate `lr`, `samples` passes each. sparse, spatial: weights of the mean mask and of the mean grey picture
    that is left. levels: of the transform, at most as many as halve the picture evenly.
    """

    steps: int = 60
    samples: int = 4
    sparse: float = 1.0
    spatial: float = 2.0
    distortion: float = 100.0
    levels: int = 4
    lr: float = 0.1
    seed: int = 0

    def __call__(self, scene: Scene) -> Heatmap:
        return last(self.stream(scene))

    def passes(self, scene: Scene) -> int:
        return self.steps * self.samples

    def stream(self, scene: Scene) -> Iterator[Partial]:
        """The picture that is left after each step."""
        for probe, found in left(scene, self, self.basis):
            yield probe.partial(found.picture.abs().amax(1).float(), self)

    def explanation(self, scene: Scene) -> Tensor:
        """(B, 3, H, W) in 0..1 and a little beyond: the picture that is left, in colour."""
        return self.left(scene).picture

    def left(self, scene: Scene) -> Left:
        """The picture that is left with its coefficients, of which the scores of `_artifacts` are made."""
        return newest(left(scene, self, self.basis))[1]

    @property
    def basis(self) -> Basis:
        return Basis(transformed, restored)
