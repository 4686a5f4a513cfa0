"""Names and files to masked models."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from ..grammar import MaskedModel
from . import hub
from .formats import Wish, masked_model, recognise
from .found import Finding
from .here import WEIGHTS, bundled, here
from .own import HEADER, read_own
from .own_found import own_finding
from .safe import read


def load_mim(
    name_or_path: str | os.PathLike = "tiny",
    *,
    device: str | None = None,
    normalize: bool | None = None,
    heads: int | None = None,
) -> MaskedModel:
    """A masked model with its decoder, in eval mode, from a bundled name ("tiny"), a file, a folder or a Hugging Face id.

    Whose file it is shows in its keys: mimviz, Hugging Face (ViTMAE, ViTForMaskedImageModeling, BEiT, Swin), facebookresearch/mae,
    microsoft/SimMIM, BEiT of microsoft/unilm. What was found is `model.found`.

    normalize: whether a masked autoencoder predicts normalized patches, where its file does not say. heads: of an encoder whose
    width is not that of a published ViT. Both are taken from the file, its name or its config.json where these tell.

    Raises FileNotFoundError with the list of what is here; ValueError for a file that is damaged, that would run code, that is of
    no known layout, or that cannot reconstruct, with the reason and the file to get instead.
    """
    name = os.fspath(name_or_path)
    weights = read(_located(name))
    if HEADER in weights.header:
        model = read_own(weights.file)
        found = own_finding(model, weights.file.name)
    else:
        reading = recognise(weights, Wish(normalize, heads))
        model, found = masked_model(reading), reading.found
        model.name, model.card = Path(name).stem, {"found": str(found)}  # type: ignore[assignment]
    model.found = found  # type: ignore[assignment]
    return model.to(device) if device else model


def inspect(name_or_path: str | os.PathLike) -> Finding:
    """What a file, a folder or a model of the hub holds, also where `load_mim` would refuse it; `found.obstacle` says why."""
    weights = read(_located(os.fspath(name_or_path), encoders=True))
    return own_finding(read_own(weights.file), weights.file.name) if HEADER in weights.header else recognise(weights).found


def _located(name: str, *, encoders: bool = False) -> Path:
    """The file or folder of a name on this machine, fetched from the hub where it must be."""
    if name in bundled():
        return WEIGHTS / f"{name}.safetensors"
    path = Path(name).expanduser()
    if path.exists():
        return path
    if (there := hub.repository(name)) is None:
        close = get_close_matches(name, bundled(), n=1)
        raise FileNotFoundError(
            f"{name!r} is neither a bundled model nor a file" + (f"; did you mean {close[0]!r}? " if close else ". ") + here()
        )
    if "/" not in name and not encoders:
        raise ValueError(
            f"{name!r} is a model of timm, and these are encoders without a decoder, so it cannot reconstruct; "
            "mimviz.load_vit opens it. Masked autoencoders with a decoder are 'facebook/vit-mae-base', -large and -huge"
        )
    try:
        return hub.fetch(there[0], revision=there[1])
    except FileNotFoundError as err:
        raise FileNotFoundError(f"{name!r} is no file or folder here, and {err}") from err
