"""A timm conv net, opened."""

from .layer_masking import masked_outputs
from .sparse import enlarged, on_cells, pyramid, sparse
from .stages import FAMILIES, Stages, stages

__all__ = ["FAMILIES", "Stages", "masked_outputs", "enlarged", "on_cells", "pyramid", "sparse", "stages"]
