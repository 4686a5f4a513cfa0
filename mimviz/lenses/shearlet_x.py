"""Explaining Image Classifiers with Multiscale Directional Image Representation. Kolek et al. CVPR 2023. arXiv 2211.12857.

ShearletX: the mask of WaveletX over shearlets, waves that lie at a place and along a direction, so that what is kept is edges,
textures and smooth parts of the picture itself, and the mask needs no smoothness that would wash details together. The shearlets
are a Parseval frame of our own (`_shearlets`), 13 bands for two scales, of which pyshearlab's four have 49; mixed coefficients are
not cut to 0..1 as the public code does, because coefficients of a band have either sign.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._coefficients import Basis
from ._shearlets import restored, transformed
from .wavelet_x import WaveletX


@dataclass(frozen=True)
class ShearletX(WaveletX):
    """(B, H, W), at least 0: the strongest colour of the picture that is left.

    Fields as WaveletX has them; levels: scales, each with frequencies four times as high as the one before. 180 passes there and
    back by default: 9 s of one core for the bundled classifier at 64 pixels.
    """

    samples: int = 3
    levels: int = 2

    @property
    def basis(self) -> Basis:
        return Basis(transformed, restored)
