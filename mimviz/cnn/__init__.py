"""A timm conv net, opened."""

from .stages import FAMILIES, Stages, stages

__all__ = ["FAMILIES", "Stages", "stages"]
