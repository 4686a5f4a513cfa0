"""A model of either kind, by its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from .here import WEIGHTS, bundled
from .load import load_mim
from .load_vit import load_vit
from .own import holds_vit


def opened(model: Any) -> nn.Module:
    """A masked model where the name or file is one's with its decoder, else a timm model; a model as it is.

    TypeError for what is none of these; other errors as of `load_vit`.
    """
    if isinstance(model, nn.Module):
        return model
    if not isinstance(model, (str, os.PathLike)):
        raise TypeError(
            f"model is {type(model).__name__}, but a timm model, a masked model, or a name of one is wanted"
        )
    name = os.fspath(model)
    path = WEIGHTS / f"{name}.safetensors" if name in bundled() else Path(name)
    if path.exists() and not (path.is_file() and holds_vit(path)):
        try:
            return load_mim(name)
        except ValueError:
            pass  # no masked model, or one without its decoder: what it has of a ViT is opened
    return load_vit(name)
