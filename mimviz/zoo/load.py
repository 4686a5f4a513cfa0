"""Names and files to masked models."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from ..grammar import MaskedModel
from ..vit import Encoder
from . import hub
from .formats import Wish, encoder, masked_model, recognise
from .found import Finding
from .here import ENDINGS, WEIGHTS, bundled, here
from .own import HEADER, holds_vit, read_own, read_vit
from .own_found import own_finding
from .safe import Weights, read


def load_mim(
    name_or_path: str | os.PathLike = "tiny",
    *,
    device: str | None = None,
    normalize: bool | None = None,
    heads: int | None = None,
    decoder_heads: int | None = None,
) -> MaskedModel:
    """A masked model with its decoder, in eval mode, from a bundled name ("tiny"), a file, a folder or a Hugging Face id.

    Whose file it is shows in its keys: mimviz, Hugging Face (ViTMAE, ViTForMaskedImageModeling, BEiT, Swin), facebookresearch/mae,
    microsoft/SimMIM, BEiT of microsoft/unilm, keyu-tian/SparK. What was found is `model.found`.

    normalize: whether a masked autoencoder predicts normalized patches. heads, decoder_heads: how many, where a fused qkv does not
    show them and the sizes are not those of a published model. All three are taken from the file, its published name or its
    config.json where these tell; what is said here goes before.

    Raises FileNotFoundError with the list of what is here; ValueError for a file that is damaged, that would run code, that is of
    no known layout, or that cannot reconstruct, with the reason and the file to get instead.
    """
    name = os.fspath(name_or_path)
    weights = _weights(name)
    if HEADER in weights.header:
        model = read_own(weights.file)
        found = own_finding(model, weights.name)
    else:
        reading = recognise(weights, Wish(normalize, heads, decoder_heads))
        model, found = masked_model(reading), reading.found
        stem = Path(name).stem if name.endswith(ENDINGS) else Path(name).name
        model.name, model.card = stem, {"found": str(found)}  # type: ignore[assignment]
    model.found = found  # type: ignore[assignment]
    return model.to(device) if device else model


def inspect(name_or_path: str | os.PathLike) -> Finding:
    """What a file, a folder or a model of the hub holds, also where `load_mim` would refuse it; `found.obstacle` says why."""
    weights = _weights(os.fspath(name_or_path), encoders=True)
    if HEADER not in weights.header:
        return recognise(weights).found
    if holds_vit(weights.file):
        return Finding("mimviz's own classifier", weights.name, obstacle="it has no decoder; mimviz.load_vit opens it")
    return own_finding(read_own(weights.file), weights.name)


def load_encoder(name_or_path: str | os.PathLike, *, device: str | None = None, heads: int | None = None) -> Encoder:
    """The encoder alone, in eval mode, of whatever `load_mim` recognises, also of files that have no decoder; `.vit` is timm's.

    Raises as `load_mim` does.
    """
    weights = _weights(os.fspath(name_or_path), encoders=True)
    if HEADER not in weights.header:
        model = Encoder(encoder(recognise(weights, Wish(heads=heads))))
    else:
        model = Encoder(read_vit(weights.file)) if holds_vit(weights.file) else read_own(weights.file).encoder
    return model.eval().to(device) if device else model.eval()


def _weights(name: str, *, encoders: bool = False) -> Weights:
    """What a name stands for, fetched from the hub where it must be."""
    if name in bundled():
        return read(WEIGHTS / f"{name}.safetensors")
    path = Path(name).expanduser()
    if path.exists():
        return read(path)
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
        folder = hub.fetch(there[0], revision=there[1])
    except FileNotFoundError as err:
        raise FileNotFoundError(f"{name!r} is no file or folder here, and {err}") from err
    return read(folder, called=name)
