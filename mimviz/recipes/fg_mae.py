"""Feature Guided Masked Autoencoder for Self-supervised Learning in Remote Sensing. Wang et al. JSTARS 2024. arXiv 2310.18653.

MAE for pictures from above, where pixels are noise before they are things: the light decoder predicts histograms of oriented
gradients, which keep structure, and for pictures of several bands normalized-difference indices too, which keep what a surface is
made of whatever the light. 70 % are hidden; each has its own linear layer and its own mean squared error, and the two are added.
Read beside zhu-xlab/FGMAE (models_mae.py, models_mae_2.py), whose histograms are weighted by a Gaussian window over each 16 pixels,
as here over each patch; its switch that normalizes targets patch by patch is left out (`targets.Normed`). Encoders of this library
see three bands, so the indices are of colours. indices=0 is the paper's recipe for radar, histograms alone.
"""

from __future__ import annotations

from ..grammar import MaskedModel
from ..grammar.decoders import Transformer
from ..grammar.how import Drop
from ..grammar.losses import OfScales
from ..grammar.targets import HOG, NDI, Joined
from ..grammar.where import Highest
from ..vit import Encoder


def fg_mae(encoder: Encoder, *, ratio=0.7, indices=1.0, bins=9, dim=512, depth=8, heads=None) -> MaskedModel:
    """indices: weight of their error, 0 leaves them out. bins: directions told apart. dim, depth, heads: of the decoder."""
    grid = encoder.grid
    parts = (HOG(grid, bins, window=True), NDI(grid, encoder.mean, encoder.std))
    target = Joined(parts if indices else parts[:1])
    decoder = Transformer(encoder.width, target.width, grid, prefix=encoder.prefix, dim=dim, depth=depth, heads=heads)
    loss = OfScales(target.widths, (1.0, float(indices))[: len(target.widths)])
    return MaskedModel(
        encoder, where=Highest(ratio), how=Drop(), target=target, decoder=decoder, loss=loss, name="fg_mae"
    )
