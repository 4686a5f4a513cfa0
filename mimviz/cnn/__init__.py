"""A timm conv net, opened."""

from .layer_masking import masked_outputs
from .sparse import enlarged, on_cells, pyramid, sparse
from .stages import FAMILIES, Stages, stages
from .stem import ConvStem

__all__ = ["FAMILIES", "ConvStem", "Stages", "masked_outputs", "enlarged", "on_cells", "pyramid", "sparse", "stages"]
