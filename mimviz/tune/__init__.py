"""A model in, a model out: adapt what a model has learnt to pictures of your own."""

from .answers import Answers, answers
from .augment import Augmented
from .classes import read_classes
from .classifier import Classifier, Prediction, classifier
from .deit_lt import DeiTLT, class_weights, two_tokens
from .distilled import Distilled
from .dmae import DMAE
from .features import Features
from .further import SelfDistilled
from .g2sd import G2SD
from .head_only import head_only
from .hybrid import HybridDistill
from .knn import KNN
from .layer_decay import layer_decay
from .linear_probe import LinearProbe
from .lora import adapted, lora, merged
from .lr import scaled_lr
from .memory import Memory
from .mix import Mix
from .plain import plain
from .scores import logits_of, top
from .supervised_mim import PatchCodes, SupervisedMIM
from .vpt import folded, prompted

__all__ = [
    "LinearProbe", "KNN", "Features",
    "Classifier", "Prediction", "classifier", "head_only", "layer_decay", "scaled_lr", "Mix", "Augmented",
    "lora", "adapted", "merged", "prompted", "folded", "Memory",
    "SupervisedMIM", "PatchCodes", "SelfDistilled", "DMAE", "G2SD", "Distilled", "DeiTLT", "class_weights", "two_tokens",
    "HybridDistill",
    "Answers", "answers", "plain",
    "logits_of", "read_classes", "top",
]  # fmt: skip
