"""A model in, a model out: adapt what a model has learnt to pictures of your own."""

from .augment import Augmented
from .classes import read_classes
from .classifier import Classifier, Prediction, classifier
from .features import Features
from .head_only import head_only
from .knn import KNN
from .layer_decay import layer_decay
from .linear_probe import LinearProbe
from .lora import adapted, lora, merged
from .lr import scaled_lr
from .memory import Memory
from .mix import Mix
from .scores import logits_of, top
from .vpt import folded, prompted

__all__ = [
    "LinearProbe", "KNN", "Features",
    "Classifier", "Prediction", "classifier", "head_only", "layer_decay", "scaled_lr", "Mix", "Augmented",
    "lora", "adapted", "merged", "prompted", "folded", "Memory",
    "logits_of", "read_classes", "top",
]  # fmt: skip
