"""Names and checkpoints to models."""

from .clip import ClipPair, load_clip
from .export import export_own, export_timm, export_transformers
from .here import bundled, cached
from .load import inspect, load_encoder, load_mim
from .load_vit import load_vit
from .opened import opened
from .own import Sentence, read_vit, save_mim, save_vit

__all__ = [
    "ClipPair", "Sentence", "bundled", "cached", "export_own", "export_timm", "export_transformers", "inspect", "load_clip",
    "load_encoder", "load_mim", "load_vit", "opened", "read_vit", "save_mim", "save_vit",
]  # fmt: skip
