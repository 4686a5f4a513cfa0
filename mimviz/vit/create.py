"""Names to timm models."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import timm
from timm.models import model_entrypoint
from torch import nn

ANY_SIZE = (
    "naflexvit",
    "resnet",
    "convnext",
)  # modules whose models have no size of their own: it is written into the data config


def create(name: str, *, pretrained: bool = False, **keywords: Any) -> nn.Module:
    """`timm.create_model` whose data config holds the size that was asked for (`img_size`: pixels, or (height, width)).

    Raises ValueError for a name that timm does not know, with close matches, and TypeError for a keyword that the model has not.
    """
    if not timm.is_model(name) and not name.startswith(("hf-hub:", "hf_hub:", "local-dir:")):
        close = get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(
            f"timm knows no model {name!r}" + (f"; did you mean one of {', '.join(close)}?" if close else "")
        )
    size = keywords.get("img_size")
    if timm.is_model(name) and model_entrypoint(name).__module__.rpartition(".")[2] in ANY_SIZE:
        keywords.pop("img_size", None)
    model: Any = timm.create_model(name, pretrained=pretrained, **keywords)
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, height, width)}
        model.default_cfg = model.pretrained_cfg
    return model
