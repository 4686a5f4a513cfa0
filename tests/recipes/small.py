"""Small recipes for the tests of all of them."""

import torch

import mimviz as mv
from mimviz import recipes

GRID = mv.Grid(4, 4, 8)

SMALL: dict[str, dict] = {
    "mae": {"dim": 32, "depth": 1},
}
"""Keywords that make a recipe small; none where its defaults are."""

EXCEPT: dict[str, dict[str, str]] = {}
"""{recipe: {test of test_invariants.py: why the paper does not promise it}}."""


def made(name: str):
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3)
    return getattr(recipes, name)(encoder, **SMALL.get(name, {}))
