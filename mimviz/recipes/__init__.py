"""One file, one paper: a recipe turns an encoder into a masked model."""

from .mae import mae
from .simmim import simmim
from .spark import spark

__all__ = ["mae", "simmim", "spark"]
