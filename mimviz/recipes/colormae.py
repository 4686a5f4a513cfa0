"""ColorMAE: Exploring data-independent masking strategies in Masked AutoEncoders. Hinojosa et al. ECCV 2024. arXiv 2407.13036.

MAE whose mask is drawn from filtered noise: red clumps, blue keeps apart, green makes blobs of one size, purple is what green
leaves. No look at the picture, nothing to learn. Read beside carlosh93/ColorMAE: the strongest noise stays visible there, which
for noise symmetric around zero is the same; the noise comes from a stored bank there and is drawn anew here. The widths of the
filters are in patches and to be chosen; those of the authors' bank are not known here.
"""

from __future__ import annotations

from ..grammar import MaskedModel
from ..grammar.where import Coloured, Highest
from ..grammar.where.coloured import Colour
from ..vit import Encoder
from .mae import mae


def colormae(
    encoder: Encoder,
    *,
    colour: Colour = "green",
    sigma=1.0,
    wide=2.0,
    ratio=0.75,
    normalize=True,
    dim=512,
    depth=8,
    heads=None,
) -> MaskedModel:
    """colour: "red", "green", "blue" or "purple". sigma, wide: of the Gaussians, in patches. The rest is MAE's."""
    model = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    model.where = Highest(ratio, score=Coloured(colour, sigma, wide))
    model.name = "colormae"
    return model
