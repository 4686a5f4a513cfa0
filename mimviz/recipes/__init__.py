"""One file, one paper: a recipe turns an encoder into a masked model."""

from .a2mim import a2mim
from .convmae import convmae
from .crate_mae import crate_mae
from .data2vec import data2vec
from .ijepa import ijepa
from .mae import mae
from .maskfeat import maskfeat
from .pixmim import pixmim
from .simmim import simmim
from .spark import spark

__all__ = ["a2mim", "convmae", "crate_mae", "data2vec", "ijepa", "mae", "maskfeat", "pixmim", "simmim", "spark"]
