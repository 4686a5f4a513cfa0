"""Whatever a lens, a judge or a model says of pictures, of a whole dataset: computed once, stored, looked through."""

from .embedding import pca
from .inspect import Inspection, Progress, inspect
from .store import Store, open_store

__all__ = ["Inspection", "Progress", "Store", "inspect", "open_store", "pca"]
