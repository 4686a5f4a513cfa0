"""Names to timm models."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import timm
from timm.models import model_entrypoint
from torch import nn

# Modules of timm whose models have no size of their own: what is asked for is written into the data config alone.
ANY_SIZE = {"convnext", "naflexvit", "res2net", "resnest", "resnet", "sknet"}


def create(name: str, *, pretrained: bool = False, **keywords: Any) -> nn.Module:
    """`timm.create_model` whose data config holds the size that was asked for (`img_size`: pixels, or (height, width)).

    Raises ValueError for a name that timm does not know, with close matches; TypeError for a keyword that the model has not;
    FileNotFoundError where weights cannot be fetched.
    """
    check_name(name)
    size = keywords.get("img_size")
    if model_entrypoint(name).__module__.rpartition(".")[2] in ANY_SIZE:
        keywords.pop("img_size", None)
    try:
        model: Any = timm.create_model(name, pretrained=pretrained, **keywords)
    except OSError as err:  # whatever the hub raises
        said = (str(err).splitlines() or [type(err).__name__])[0]
        raise FileNotFoundError(
            f"the weights of {name} cannot be fetched ({said}): is there a network? mimviz.load_vit says what is here"
        ) from err
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        model.pretrained_cfg = {**model.pretrained_cfg, "input_size": (3, height, width)}
        model.default_cfg = model.pretrained_cfg
    return model


def has_patches(name: str) -> bool:
    """Whether a model of this name takes a `patch_size`; conv nets and those of any size do not. ValueError for an unknown name."""
    check_name(name)
    return model_entrypoint(name.partition(".")[0]).__module__.rpartition(".")[2] not in ANY_SIZE


def check_name(name: str) -> None:
    """ValueError for a name, or a tag of weights ("vit_base_patch16_224.mae"), that timm does not know."""
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        close = get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(
            f"timm knows no model {name!r}" + (f"; did you mean one of {', '.join(close)}?" if close else "")
        )
    tags = [each.partition(".")[2] for each in timm.list_models(f"{base}.*", include_tags=True)]
    if tag and tag not in tags:
        raise ValueError(f"timm has no weights {tag!r} of {base}; it has {', '.join(filter(None, tags)) or 'none'}")
