"""PixMIM: Rethinking Pixel Reconstruction in Masked Image Modeling. Liu, Zhang, Chen, Yu, Chen, Lin. TMLR 2024. arXiv 2303.02416.

MAE with two small changes: the target has lost what is finer than a radius in the Fourier plane, so no capacity goes into texture;
and crops are gentle, so the object stays in sight. The crop belongs to the data: `batches(…, scale=(1, 1), ratio=(1, 1))` of
square pictures is the paper's Simple Resized Crop. The filter is read beside the authors' LowFreqTargetGenerator and compared
with a slow Fourier sum in the tests; with `radius` beyond every frequency the recipe is MAE.
"""

from __future__ import annotations

from ..grammar import MaskedModel
from ..grammar.targets import LowPass
from ..vit import Encoder
from .mae import mae


def pixmim(encoder: Encoder, *, radius=40.0, ratio=0.75, normalize=True, dim=512, depth=8, heads=None) -> MaskedModel:
    """radius: the finest detail that is left in the target, in periods over 224 pixels. The rest is MAE's."""
    model = mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    model.target = LowPass(encoder.grid, normalize=normalize, radius=float(radius))
    model.name = "pixmim"
    return model
