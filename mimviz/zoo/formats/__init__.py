"""One layout of published checkpoints, one file: `matches(weights)` by its keys, `read(weights, wish)` to models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ...grammar import MaskedModel
from ...vit import Encoder
from ..fill import fill
from ..found import Finding
from ..safe import Weights
from . import (
    beit,
    encoder_only,
    hugging_face_mae,
    hugging_face_mim,
    official_mae,
    simmim,
    simmim_swin,
    spark,
)
from .reading import Reading, Wish

FORMATS = (hugging_face_mae, hugging_face_mim, official_mae, simmim_swin, simmim, beit, spark, encoder_only)
"""In the order in which they are asked; the encoder alone last, since others contain one."""


def recognise(weights: Weights, wish: Wish | None = None) -> Reading:
    """Whose layout the tensors are in, and what they hold; raises ValueError for one that is not known, or that is damaged."""
    for each in FORMATS:
        if each.matches(weights):
            with _speaking_of(weights.name):
                return each.read(weights, wish or Wish())
    names, beside = sorted(weights.tensors), weights.file.with_name("model.safetensors")
    own = beside.is_file() and beside != weights.file
    raise ValueError(
        f"{weights.file} holds {len(names)} tensors but does not say which model they belong to, and their names "
        f"({', '.join(names[:3])}{' …' if len(names) > 3 else ''}) are of no layout that mimviz knows "
        "(its own files are safetensors only, with a header that says it)" + (f": open {beside} beside it" if own else "")
    )


def masked_model(reading: Reading) -> MaskedModel:
    """The trained masked model, in eval mode; raises ValueError with the obstacle where there is one, and with what was found."""
    if reading.model is None or reading.vit is None:
        raise ValueError(f"{reading.found.file}: {reading.found.obstacle}. Found: {reading.found}")
    with _speaking_of(reading.found.file):
        model = reading.model(Encoder(reading.vit()))
    front = {f"encoder.vit.{k}": v for k, v in reading.encoder.items()}
    fill(model, front | (reading.rest or {}), reading.found.file)
    return model.eval()


def encoder(reading: Reading) -> nn.Module:
    """The trained encoder alone, a timm model in eval mode with its own normalization; ValueError where it cannot be had."""
    if reading.vit is None:
        raise ValueError(f"{reading.found.file}: the encoder cannot be read. Found: {reading.found}")
    with _speaking_of(reading.found.file):
        vit = reading.vit()
    fill(vit, reading.encoder, reading.found.file)
    return vit.eval()


@contextmanager
def _speaking_of(file: str) -> Iterator[None]:
    """Sizes that contradict each other end in one error or another; each becomes a ValueError that names the file."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, RuntimeError, AssertionError) as err:
        if isinstance(err, ValueError) and file in str(err):
            raise
        said = f"{type(err).__name__}: {err}" if not isinstance(err, ValueError) else str(err)
        raise ValueError(
            f"{file}: its tensors or its configuration do not fit together ({said}): "
            "it is damaged, or of a variant that mimviz does not know"
        ) from err


__all__ = ["FORMATS", "Finding", "Reading", "Wish", "encoder", "masked_model", "recognise"]
