"""A folder of class folders, one of its files broken, and a classifier that knows its classes by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from mimviz.scale import Inspection
from tests.data.files import encoded

NAMES = ("bee", "fox", "owl")
BROKEN = 5


def folder(root: Path, *, count: int = 11, broken: bool = True) -> Path:
    """Pictures of noise by turns in three class folders; in the order of the rows, number BROKEN is no picture."""
    drawn = np.random.default_rng(0)
    for i in range(count):
        place = root / NAMES[i * len(NAMES) // count]
        place.mkdir(parents=True, exist_ok=True)
        data = encoded(Image.fromarray(drawn.integers(0, 256, (20 + i, 24, 3), np.uint8)))
        (place / f"{i:03d}.png").write_bytes(b"no picture" if broken and i == BROKEN else data)
    return root


def classifier(seed: int = 0, **keywords: Any) -> Any:
    torch.manual_seed(seed)
    sizes = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 4}
    vit: Any = timm.create_model("vit_tiny_patch16_224", **{**sizes, **keywords})
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter += torch.randn_like(parameter) * 0.2
    vit.classes = ["owl", "cat, felis", "Fox", "bee"][: vit.num_classes]
    return vit.eval()


def inspection(root: Path, out: Path, **question: Any) -> Inspection:
    settings = {"lenses": ["Rollout"], "batch": 4, "seconds": 0.0}
    return Inspection(root, classifier(), out=out, **{**settings, **question})
