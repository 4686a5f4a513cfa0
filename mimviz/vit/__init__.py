"""A timm ViT, opened."""

from .adding import adding
from .anatomy import Anatomy, anatomy
from .edit import edited
from .encoder import Encoder, encoder, with_parts
from .evaluating import evaluating
from .guards import explain_flat
from .positions import sincos
from .redraw import redraw
from .registers import Neuron, extra_registers, neuron_activations
from .rotary import rope_bias
from .scene import Scene
from .target import Target, class_index, class_names
from .trace import Certificate, Trace

__all__ = [
    "Anatomy", "Certificate", "Encoder", "Neuron", "Scene", "Target", "Trace",
    "adding", "anatomy", "class_index", "class_names", "edited", "encoder", "evaluating", "explain_flat",
    "extra_registers", "neuron_activations", "redraw", "rope_bias", "sincos", "with_parts",
]  # fmt: skip
