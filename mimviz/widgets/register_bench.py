"""What a RegisterInspector knows of a model in front of a picture, as it is and treated: computed once, kept, told as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..core import Picture
from ..discover import LOST, Channel, MassiveChannels, NormModes, Outliers, Segment
from ..discover._features import features
from ..discover.pca import principal
from ..vit import Scene

CLS, OUTLIERS = "CLS", "outliers"


class Bench:
    """One model in front of one picture."""

    def __init__(self, model: Any, picture: Picture):
        self.scene = Scene(model, picture)
        self.trace = self.scene.trace
        self.mixings = [layer.mixing for layer in self.trace.layers]  # now: q and k of a register are gone when it is

    @property
    def names(self) -> list[str]:
        """Of the tokens in front of the patches."""
        parts = self.scene.anatomy
        classes = [CLS, "DIST"][: parts.class_tokens]
        return classes + [f"reg {i + 1}" for i in range(parts.registers)]

    @cached_property
    def norms(self) -> Tensor:
        """(layers, prefix + N), float32."""
        return torch.stack([tokens[0].float().norm(dim=-1) for tokens in self.trace.tokens])

    def modes(self, by_hand: dict[int, float]) -> list[NormModes]:
        """Of every layer; automatic, or cut where a person has put the threshold."""
        return [self.found(layer, by_hand.get(layer)) for layer in range(len(self.norms))]

    def found(self, layer: int, threshold: float | None = None) -> NormModes:
        if threshold is not None:
            return Outliers(threshold=threshold).find(self._patches(self.norms)[layer][None])
        return self._automatic[layer]

    @cached_property
    def _automatic(self) -> list[NormModes]:
        return [Outliers().find(norms[None]) for norms in self._patches(self.norms)]

    def _patches(self, rows: Tensor) -> Tensor:
        """(layers, prefix + N) → (layers, rows, cols)."""
        return rows[:, self.scene.prefix :].unflatten(1, self.scene.grid.shape)

    @cached_property
    def segment(self) -> Segment | None:
        """The object that LOST finds by the keys of the last layer; None where there is none."""
        return LOST()(self.scene)[0] if self.mixings else None

    @cached_property
    def channels(self) -> list[list[dict]]:
        """Of every layer, its eight largest, as a browser takes them."""
        return [[self._channel(each) for each in MassiveChannels(layer)(self.scene)] for layer in range(len(self.norms))]

    def _channel(self, c: Channel) -> dict:
        ratio = min(c.ratio, 1e12)  # JSON knows no infinity
        return {"index": c.index, "value": c.value, "ratio": ratio, "massive": c.massive, "token": self._said(c.token)}

    def _said(self, token: int) -> str:
        if token < len(self.names):
            return self.names[token]
        row, col = divmod(token - len(self.names), self.scene.grid.cols)
        return f"row {row + 1}, col {col + 1}"

    def about(self, token: str, by_hand: dict[int, float]) -> np.ndarray:
        """(3, layers, N) float32: every patch's cosine to `token`, what it is given by it, and what it gives to it.

        Attention is the mean over heads; of all outliers together, the mean of what they give and the sum of what they are given.
        NaN where there is nothing: no outliers at a layer, or no attention to read.
        """
        prefix, N = self.scene.prefix, self.scene.grid.count
        out = torch.full((3, len(self.norms), N), float("nan"))
        for layer in range(len(self.norms)):
            ids = self._ids(token, self.found(layer, by_hand.get(layer)))
            if not len(ids):
                continue
            unit = normalize(self.trace.tokens[layer][0].float(), dim=-1)
            out[0, layer] = (unit @ normalize(unit[ids].mean(0), dim=0))[prefix:].cpu()
            weights = self._attention(layer, ids)
            if weights is not None:
                out[1, layer], out[2, layer] = (each.cpu() for each in weights)
        return out.numpy()

    def _attention(self, layer: int, ids: Tensor) -> tuple[Tensor, Tensor] | None:
        """(N,) from the tokens `ids` to every patch, and (N,) from every patch to them."""
        if layer >= len(self.mixings):
            return None
        prefix = self.scene.prefix
        weights = self.mixings[layer].weights()[0].float().mean(0)  # (T, T)
        return weights[ids, prefix:].mean(0), weights[prefix:, ids].sum(1)

    def _ids(self, token: str, found: NormModes) -> Tensor:
        if token == OUTLIERS:
            return found.mask.flatten().nonzero()[:, 0].to(self.norms.device) + self.scene.prefix
        names = self.names
        if token in names:
            return torch.tensor([names.index(token)])
        index = self.scene.prefix + int(token) if token.isdigit() else -1
        return torch.tensor([index] if 0 <= index < self.norms.shape[1] else [])

    @property
    def tokens(self) -> list[str]:
        """All that can be asked about by name."""
        return [*self.names, OUTLIERS]


@dataclass(eq=False)
class Colours:
    """The first three components of one layer's patches, of one or two benches jointly, as bytes."""

    pictures: list[bytes] = field(default_factory=list)
    explained: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, benches: list[Bench], layer: int) -> Colours:
        tokens = [features(bench.scene, "tokens", layer)[0][0] for bench in benches]  # (N, C) each
        axes, mean, explained = principal(torch.cat(tokens), 3)
        values = [(each - mean) @ axes.T for each in tokens]
        low, high = torch.cat(values).amin(0), torch.cat(values).amax(0)
        scaled = [((each - low) / (high - low).clamp_min(1e-12) * 255).round().byte() for each in values]
        return cls([each.cpu().numpy().tobytes() for each in scaled], explained.tolist())


def told(modes: list[NormModes]) -> list[dict]:
    """Thresholds as a browser takes them; confidence of "nothing" is left out, as nothing was found."""
    return [{"threshold": m.threshold, "confidence": m.confidence, "why": m.why, "ratio": min(m.ratio, 1e12)} for m in modes]
