"""The grammar of masked image modelling: where → how → encoder → decoder | target → loss."""

from . import decoders, how, losses, targets, where
from .model import MaskedModel

__all__ = ["MaskedModel", "decoders", "how", "losses", "targets", "where"]
