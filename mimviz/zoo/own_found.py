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
    blocks: Any = getattr(model.encoder.vit, "blocks", None)
    front = None
    if blocks is not None and hasattr(blocks[0], "attn") and hasattr(blocks[0].mlp, "fc1"):
        heads, hidden = blocks[0].attn.num_heads, blocks[0].mlp.fc1.out_features
        front = Stack(model.encoder.width, len(blocks), heads, hidden)
    return Finding("mimviz's own file", file, model.grid, front, type(model.decoder).__name__, target)
