"""Names and checkpoints to models."""

from .load import bundled, load_mim
from .own import Sentence, save_mim

__all__ = ["Sentence", "bundled", "load_mim", "save_mim"]
