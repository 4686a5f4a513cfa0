"""Massive Activations in Large Language Models. Sun, Chen, Kolter, Liu. COLM 2024. arXiv 2402.17762.

A few channels of a few tokens are thousands of times larger than the rest (section 2), in ViTs too (section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..vit import Scene


@dataclass(frozen=True)
class Channel:
    """A channel at the token where it is largest: `token` counts from 0 with the prefix first; `ratio` is |value| : median."""

    index: int
    value: float
    token: int
    picture: int
    ratio: float
    massive: bool


@dataclass(frozen=True)
class MassiveChannels:
    """The `count` channels of block `layer` with the largest magnitude, largest first.

    One is massive, in the paper's words, when its magnitude is above `least` and above `times` the median of all magnitudes of that
    picture's tokens.
    """

    layer: int = -1
    count: int = 8
    least: float = 100.0
    times: float = 1000.0

    def __call__(self, scene: Scene) -> tuple[Channel, ...]:
        tokens = scene.trace.tokens[self.layer].float()  # (B, T, C)
        size = tokens.abs()
        medians = size.flatten(1).median(1).values  # (B,)
        peak, where = size.flatten(0, 1).max(0)  # (C,) over all tokens of all pictures
        found = []
        for channel in peak.argsort(descending=True, stable=True)[: self.count].tolist():
            picture, token = divmod(int(where[channel]), tokens.shape[1])
            value, median = float(tokens[picture, token, channel]), float(medians[picture])
            ratio = abs(value) / median if median else float("inf")
            massive = abs(value) > self.least and ratio > self.times
            found.append(Channel(channel, value, token, picture, ratio, massive))
        return tuple(found)
