"""A timm ViT, opened."""

from .anatomy import Anatomy, anatomy
from .encoder import Encoder, encoder
from .evaluating import evaluating
from .positions import sincos
from .scene import Scene
from .target import Target, class_index, class_names
from .trace import Certificate, Trace

__all__ = [
    "Anatomy", "Certificate", "Encoder", "Scene", "Target", "Trace",
    "anatomy", "class_index", "class_names", "encoder", "evaluating", "sincos",
]  # fmt: skip
