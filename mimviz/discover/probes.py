"""Vision Transformers Need Registers. Darcet, Oquab, Mairal, Bojanowski. ICLR 2024. arXiv 2309.16588.

Section 2.1, table 1 and figure 5: what a linear model reads off an outlier and off a normal patch. Outliers know little of their
place and their pixels, and much of the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..vit import Scene
from ._probing import Probed, by_kind, flat, read, split


@dataclass(frozen=True)
class PositionProbe:
    """Top-1 accuracy of a linear classifier that reads a patch's place off its token. Fitted on every other picture."""

    layer: int = -1
    threshold: float | None = None

    def __call__(self, scene: Scene) -> Probed:
        x, high, N = read(scene, self.layer, self.threshold)
        place = np.tile(np.arange(N), (len(x), 1))
        fit, test = split(len(x))
        model = make_pipeline(StandardScaler(), RidgeClassifier())
        model.fit(flat(x[fit]), place[fit].ravel())
        right = model.predict(flat(x[test])) == place[test].ravel()
        return by_kind(right, high[test].ravel(), "accuracy, more is better")


@dataclass(frozen=True)
class PixelProbe:
    """Root mean square error, RGB 0..1, of a linear model that reads pixels off a patch's token. Fitted on every other picture."""

    layer: int = -1
    threshold: float | None = None

    def __call__(self, scene: Scene) -> Probed:
        x, high, N = read(scene, self.layer, self.threshold)
        if scene.grid.count != N:
            raise ValueError(f"block {self.layer} has {N} cells, but the grid has {scene.grid.count}: ask a later block")
        pixels = np.stack([scene.grid.patchify(each.tensor())[0].numpy() for each in scene.pictures])  # (B, N, patch² · 3)
        fit, test = split(len(x))
        model = make_pipeline(StandardScaler(), Ridge())
        model.fit(flat(x[fit]), flat(pixels[fit]))
        error = np.sqrt(((model.predict(flat(x[test])) - flat(pixels[test])) ** 2).mean(1))
        return by_kind(error, high[test].ravel(), "RMSE in RGB 0..1, less is better")


@dataclass(frozen=True)
class ClassProbe:
    """Accuracy of a linear classifier that reads a picture's class off one of its tokens, drawn with `seed`.

    `probe(scene, classes)`: a class for each picture. One classifier is fitted for outliers, one for normal patches, on every other
    picture that has any.
    """

    layer: int = -1
    threshold: float | None = None
    seed: int = 0

    def __call__(self, scene: Scene, classes: Sequence[Any]) -> Probed:
        x, high, _ = read(scene, self.layer, self.threshold)
        if len(classes) != len(x):
            raise ValueError(f"there are {len(classes)} classes, but {len(x)} pictures: one for each is wanted")
        (out, outs), (normal, normals) = (self._accuracy(x, kind, np.asarray(classes)) for kind in (high, ~high))
        return Probed(out, normal, "accuracy, more is better", outs, normals)

    def _accuracy(self, x: np.ndarray, kind: np.ndarray, classes: np.ndarray) -> tuple[float | None, int]:
        draw = np.random.default_rng(self.seed)
        has = np.flatnonzero(kind.any(1))
        one = np.stack([x[i, draw.choice(np.flatnonzero(kind[i]))] for i in has]) if len(has) else np.empty((0, x.shape[-1]))
        fit, test = has[::2], has[1::2]
        if not len(test) or len(set(classes[fit])) < 2:
            return None, 0
        model = make_pipeline(StandardScaler(), RidgeClassifier())
        model.fit(one[::2], classes[fit])
        return float((model.predict(one[1::2]) == classes[test]).mean()), len(test)
