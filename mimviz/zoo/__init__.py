"""Names and checkpoints to models."""

from .here import bundled, cached
from .load import load_mim
from .own import Sentence, read_vit, save_mim, save_vit

__all__ = ["Sentence", "bundled", "cached", "load_mim", "read_vit", "save_mim", "save_vit"]
