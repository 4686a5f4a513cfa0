"""What mimviz's own file held, in the words used for the files of others."""

from __future__ import annotations

from typing import Any

from ..grammar import MaskedModel
from ..grammar.targets import Pixels
from .found import Finding, Stack, Target


def own_finding(model: MaskedModel, file: str) -> Finding:
    target: Target = "unknown"
    if isinstance(model.target, Pixels):
        target = "normalized patches" if model.target.normalize else "pixels"
    blocks: Any = getattr(model.encoder.vit, "blocks", ())
    first, front = next(iter(blocks), None), None
    attn, mlp = getattr(first, "attn", None), getattr(first, "mlp", None)
    if hasattr(attn, "num_heads") and hasattr(mlp, "fc1"):
        front = Stack(model.encoder.width, len(blocks), attn.num_heads, mlp.fc1.out_features)  # type: ignore[union-attr]
    return Finding("mimviz's own file", file, model.grid, front, type(model.decoder).__name__, target)
