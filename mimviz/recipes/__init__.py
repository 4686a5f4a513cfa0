"""One file, one paper: a recipe turns an encoder into a masked model."""

from .a2mim import a2mim
from .adamae import adamae
from .attmask import attmask
from .beit import beit
from .beit_v2 import beit_v2
from .cae import cae
from .capi import capi
from .ccvit import ccvit
from .colormae import colormae
from .context_encoder import context_encoder
from .convmae import convmae
from .crate_mae import crate_mae
from .croco import croco
from .crossmae import crossmae
from .data2vec import data2vec
from .dbot import dbot
from .droppos import droppos
from .dtm import dtm
from .eva02 import eva02
from .fg_mae import fg_mae
from .fsfm import fsfm
from .gmml import gmml
from .hap import hap
from .hpm import hpm
from .ibot import ibot
from .ijepa import ijepa
from .itpn import itpn
from .latent_mim import latent_mim
from .localmim import localmim
from .macrl import macrl
from .mae import mae
from .mage import mage
from .maskalign import maskalign
from .maskdistill import maskdistill
from .maskfeat import maskfeat
from .mff import mff
from .mixedae import mixedae
from .mp3 import mp3
from .mrmae import mrmae
from .msn import msn
from .mto import mto
from .pixmim import pixmim
from .rmae import rmae
from .ropim import ropim
from .selfie import selfie
from .simmim import simmim
from .sit import sit
from .spark import spark
from .tips import tips
from .umd import umd
from .uta import uta

__all__ = [
    "a2mim", "adamae", "attmask", "beit", "beit_v2", "cae", "capi", "ccvit", "colormae", "context_encoder", "convmae",
    "crate_mae", "croco", "crossmae", "data2vec", "dbot", "droppos", "dtm", "eva02", "fg_mae", "fsfm", "gmml", "hap",
    "hpm", "ibot", "ijepa", "itpn", "latent_mim", "localmim", "macrl", "mae", "mage", "maskalign", "maskdistill",
    "maskfeat", "mff", "mixedae", "mp3", "mrmae", "msn", "mto", "pixmim", "rmae", "ropim", "selfie", "simmim", "sit",
    "spark", "tips", "umd", "uta",
]  # fmt: skip
