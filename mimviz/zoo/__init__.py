"""Names and checkpoints to models."""

from .here import bundled, cached
from .load import inspect, load_encoder, load_mim
from .load_vit import load_vit
from .own import Sentence, read_vit, save_mim, save_vit

__all__ = ["Sentence", "bundled", "cached", "inspect", "load_encoder", "load_mim", "load_vit", "read_vit", "save_mim", "save_vit"]
