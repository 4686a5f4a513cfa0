"""Names and checkpoints to models."""

from .load import bundled, load_mim
from .own import Sentence, read_vit, save_mim, save_vit

__all__ = ["Sentence", "bundled", "load_mim", "read_vit", "save_mim", "save_vit"]
