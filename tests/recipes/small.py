"""Small recipes for the tests of all of them."""

import torch

import mimviz as mv
from mimviz import recipes

GRID = mv.Grid(4, 4, 8)

SMALL: dict[str, dict] = {
    "mae": {"dim": 32, "depth": 1},
    "spark": {"dim": 32},
    "itpn": {"width": 32, "dim": 32, "depth": 1},
    "tips": {"prototypes": 16, "hidden": 32, "crops": 2, "momentum": 1.0},  # one that moves keeps the loss up
    "beit_v2": {"count": 16, "steps": 8},
    "droppos": {"dim": 32, "depth": 1, "sigma": 0.0},  # a bell keeps a loss from falling to 0
    "capi": {"clusters": 16, "dim": 32, "depth": 1, "balance": "batch", "momentum": 1.0},  # one that moves keeps the loss up
    "fg_mae": {"dim": 32, "depth": 1},
    "mage": {"dim": 32, "depth": 1, "count": 16, "smoothing": 0.0},  # smoothing keeps a loss from falling to 0
    "umd": {"dim": 32, "depth": 1},
    "convmae": {"dim": 32, "depth": 1, "depths": (1, 1)},
    "ijepa": {"dim": 32, "depth": 1, "momentum": 0.9},
    "data2vec": {"momentum": 0.9},
    "pixmim": {"dim": 32, "depth": 1},
    "hpm": {"dim": 32, "depth": 1},
    "colormae": {"dim": 32, "depth": 1},
    "fsfm": {"dim": 32, "depth": 1, "hidden": 32, "projection": 16},
    "hap": {"dim": 32, "depth": 1},
    "adamae": {"dim": 32, "depth": 1, "sampler": 32},
    "attmask": {"momentum": 0.9},
    "croco": {"dim": 32, "depth": 1},
    "cae": {"count": 16, "regress": 2, "depth": 1},
    "macrl": {"dim": 32, "depth": 1, "out": 16, "contrast": 0.1, "views": False},
    "msn": {"prototypes": 2, "hidden": 32, "dim": 16, "focal": 1, "views": False, "equal": False, "momentum": 0.9},
    "selfie": {"dim": 32},
    "localmim": {"dim": 32, "heads": 4},
    "crossmae": {"dim": 32, "depth": 1},
    "mff": {"dim": 32, "depth": 1},
    "context_encoder": {"dim": 32},
    "gmml": {"kinds": ("zeros",)},  # noise takes more than 25 steps to see through
    "mrmae": {"dim": 32, "depth": 1},
    "dbot": {"dim": 32, "depth": 1},
    "latent_mim": {"dim": 32, "depth": 1, "hidden": 64, "ratio": 0.75},
    "ibot": {"prototypes": 16, "hidden": 32, "dim": 16, "momentum": 1.0, "centre": 1.0},  # what moves keeps the loss up
    "rmae": {"dim": 32, "depth": 1, "region_dim": 32, "region_depth": 1},
    "mixedae": {"dim": 32, "depth": 1},
}
"""Keywords that make a recipe small; none where its defaults are."""

FEATURES = {"test_one_value_for_every_view": "it predicts features of a teacher, which are no picture"}

EXCEPT: dict[str, dict[str, str]] = {
    "maskdistill": FEATURES,
    "eva02": FEATURES,
    "uta": FEATURES,
    "maskalign": FEATURES,
    "dbot": FEATURES,
    "dtm": FEATURES,
    "latent_mim": FEATURES,
    "ibot": {"test_one_value_for_every_view": "it predicts prototypes of a teacher, which are no picture"},
    "tips": {
        "test_one_value_for_every_view": "it predicts prototypes of a teacher, which are no picture",
    },
    "mage": {
        "test_the_gradient_is_zero_at_what_it_predicts": "codes are whole numbers, which carry no gradient to any pixel",
    },
    "capi": {
        "test_one_value_for_every_view": "it predicts clusters of a teacher's features, which are no picture",
    },
    "fg_mae": {
        "test_one_value_for_every_view": "it predicts histograms and indices, which are no picture",
    },
    "droppos": {
        "test_one_value_for_every_view": "it predicts places, which are no picture",
    },
    "mp3": {
        "test_no_leak": "a hidden patch is asked by its own looks where it lies; nobody else looks at it",
        "test_the_gradient_is_zero_at_what_it_predicts": "the same",
        "test_one_value_for_every_view": "it predicts places, which are no picture",
    },
    "beit_v2": {
        "test_one_value_for_every_view": "it predicts codes of a teacher's features, which are no picture",
    },
    "data2vec": FEATURES,
    "ijepa": FEATURES,
    "maskfeat": {
        "test_one_value_for_every_view": "it predicts histograms, which are no picture",
    },
    "attmask": FEATURES,
    "localmim": {
        "test_one_value_for_every_view": "it predicts histograms, which are no picture",
    },
    "msn": {
        "test_one_value_for_every_view": "it predicts prototypes of a teacher, which are no picture",
    },
    "selfie": {
        "test_no_leak": "the hidden patches are the answers that it chooses among",
        "test_the_gradient_is_zero_at_what_it_predicts": "the hidden patches are the answers that it chooses among",
    },
    "sit": {
        "test_no_leak": "grey and blurred patches are half visible: it is a denoising autoencoder",
        "test_the_gradient_is_zero_at_what_it_predicts": "it predicts the whole picture, visible patches too",
    },
}
"""{recipe: {test of test_invariants.py: why the paper does not promise it}}."""


VIT = ("vit_tiny_patch16_224", {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3})
RESNET = ("resnet18", {"layers": (1, 1, 1, 1), "channels": (8, 16, 24, 32), "output_stride": 8})
UNIT = {"q_pool": 2, "mask_unit_size": (4, 4), "mask_unit_attn": (True, True, False)}
STEM = {"patch_kernel": (3, 3), "patch_stride": (2, 2), "patch_padding": (1, 1)}
HIERA = ("hiera_tiny_224", {"embed_dim": 24, "num_heads": 1, "stages": (1, 1, 1), **UNIT, **STEM})
EVA = (
    "eva02_tiny_patch14_224",
    {"patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3, "global_pool": "token"},
)
ENCODERS: dict[str, tuple[str, dict]] = {
    "itpn": HIERA,
    "eva02": EVA,
    "context_encoder": RESNET,
    "spark": RESNET,
}
"""{recipe: (name, keywords) of its encoder}, of 4 x 4 patches of 8 pixels, where its paper is not about a plain ViT."""


def encoder(name: str) -> mv.Encoder:
    family, keywords = ENCODERS.get(name, VIT)
    return mv.encoder(family, img_size=32, **keywords)


def made(name: str):
    torch.manual_seed(0)
    return getattr(recipes, name)(encoder(name), **SMALL.get(name, {}))
