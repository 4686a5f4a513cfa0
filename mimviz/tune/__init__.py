"""A model in, a model out: adapt an encoder that a masked model has learnt."""

from .classes import read_classes
from .classifier import Classifier, Prediction, classifier
from .layer_decay import layer_decay
from .scores import logits_of, top

__all__ = ["Classifier", "Prediction", "classifier", "layer_decay", "logits_of", "read_classes", "top"]
