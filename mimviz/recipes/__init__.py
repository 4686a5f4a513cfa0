"""One file, one paper: a recipe turns an encoder into a masked model."""

from .mae import mae
from .simmim import simmim

__all__ = ["mae", "simmim"]
