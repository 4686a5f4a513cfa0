"""The grammar of masked image modelling: where → how → encoder → decoder | target → loss."""

from . import decoders, how, losses, targets, where
from .model import MaskedModel
from .teacher import EMA, Frozen, Teacher

__all__ = ["EMA", "Frozen", "MaskedModel", "Teacher", "decoders", "how", "losses", "targets", "where"]
