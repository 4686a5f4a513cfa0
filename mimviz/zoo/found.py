"""What a checkpoint turned out to hold, in words that a person can check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..core import Grid

Target = Literal["normalized patches", "pixels", "tokens", "unknown"]


@dataclass(frozen=True)
class Stack:
    """A stack of transformer blocks: `width` channels, `depth` blocks, `heads`, `hidden` channels inside the MLP.

    A decoder of one linear layer has depth 0 and no heads.
    """

    width: int
    depth: int
    heads: int
    hidden: int

    def __str__(self) -> str:
        if not self.depth:
            return f"one linear layer to {self.width} numbers"
        return f"width {self.width}, {self.depth} blocks, {self.heads} heads, MLP of {self.hidden}"


@dataclass(frozen=True)
class Finding:
    """What `load_mim` found in a file.

    format: whose layout it is. target: what the model predicts, of which the keys say nothing for MAE; `assumed` tells where this
    and other facts come from that are not in the tensors. gan: trained with a GAN loss; None where nothing tells. ignored: tensors
    that the model does not need. obstacle: why no masked model can be made of it; empty where one can.
    """

    format: str
    file: str
    grid: Grid | None = None
    encoder: Stack | None = None
    decoder: Stack | str | None = None
    target: Target = "unknown"
    gan: bool | None = None
    assumed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    obstacle: str = ""

    def __str__(self) -> str:
        lines = [f"{self.file}: {self.format}"]
        if self.grid:
            p, grid = self.grid.patch, self.grid
            lines.append(f"pictures of {grid.height} x {grid.width} pixels in {grid.rows} x {grid.cols} patches of {p}")
        if self.encoder:
            lines.append(f"encoder: {self.encoder}")
        lines.append(f"decoder: {self.decoder or 'none'}")
        if self.decoder:
            lines.append(f"predicts: {self.target}{', trained with a GAN loss' if self.gan else ''}")
        lines += [f"taken from elsewhere: {text}" for text in self.assumed]
        if self.ignored:
            more = f" and {len(self.ignored) - 4} more" if len(self.ignored) > 4 else ""
            lines.append(f"not needed: {', '.join(self.ignored[:4])}{more}")
        return "; ".join(lines)

    def __repr__(self) -> str:
        return f"Finding({self})"
