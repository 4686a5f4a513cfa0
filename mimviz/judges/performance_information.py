"""XRAI: Better Attributions Through Regions. Kapishnikov, Bolukbasi, Viégas, Terry. ICCV 2019. arXiv 1906.02825.

Performance information curves (section 4): a picture blurred beyond recognition gets its own pixels back where the map is highest.
The curve holds what the model then says against how much information came back, the size of the compressed picture. Equal to PyPI's
`saliency.metrics.pic` on the same pixels (tests/parity/test_judges.py).
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from scipy.interpolate import LinearNDInterpolator

from ..core import Heatmap, Picture
from ..core.score import Better, Curve, Score
from ..vit import Scene
from ._asking import cells, rank, read
from .removal.painting import passed

SHARES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)


@dataclass(frozen=True)
class PerformanceInformation:
    """Area under the curve, 0..1; higher is better. NaN where the blurred picture is as good as the whole, as the authors skip it.

    kind: "SIC" reads the target's probability, "AIC" whether the target is the best class. kept: share of pixels, drawn by `seed`,
    from which the blurred picture is interpolated. points: on the curve.
    """

    kind: Literal["SIC", "AIC"] = "SIC"
    shares: tuple[float, ...] = SHARES
    kept: float = 0.01
    points: int = 100
    seed: int = 0
    better: ClassVar[Better] = "higher"

    def __call__(self, scene: Scene, heat: Heatmap) -> Score:
        if self.kind not in ("SIC", "AIC"):
            raise ValueError(f"kind is {self.kind!r}, but 'SIC' or 'AIC' is wanted")
        places = rank(cells(scene, heat, "pixel"), seed=self.seed).cpu().numpy()
        x = np.append(np.linspace(0, 1, self.points, endpoint=False), 1.0)
        drawn = [self._drawn(picture.array, place) for picture, place in zip(scene.pictures, places, strict=True)]
        said = self._said(scene, [each for each, _ in drawn])
        curves = torch.tensor(np.stack([_curve(size, s, x) for (_, size), s in zip(drawn, said, strict=True)])).float()
        curve = Curve(torch.tensor(x).float(), curves, x_label="information", y_label=f"performance ({self.kind})")
        skipped = int(torch.isnan(curves[:, 0]).sum())
        note = (
            f"{skipped} of {len(scene)} pictures are no worse when blurred, so nothing can be measured"
            if skipped
            else ""
        )
        return Score(curve.area(), self, curve, note)

    def _drawn(self, picture: np.ndarray, place: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """(blurred, ever more revealed, whole) as uint8, and the bytes each takes."""
        whole = (picture * 255).round().astype(np.uint8)
        first = np.zeros(place.shape, bool)
        chosen = np.random.default_rng(self.seed).choice(first.size, int(first.size * self.kept), replace=False)
        first.flat[chosen] = True
        counts = [
            place.size - math.ceil((1 - share) * (place.size - 1)) for share in self.shares
        ]  # as their quantile has it
        shown = [first] + [first | (place < count) for count in counts]
        pictures = [blurred(whole, each) for each in shown] + [whole]
        return pictures, np.array([_bytes(each) for each in pictures])

    def _said(self, scene: Scene, pictures: list[list[np.ndarray]]) -> np.ndarray:
        """(B, steps): what the model says of each."""
        parts, found = scene.anatomy, []
        for many in zip(*pictures, strict=True):  # step by step, all pictures of the scene
            tensors = [Picture(each / 255.0).tensor(mean=parts.mean, std=parts.std) for each in many]
            outputs = passed(scene, torch.cat(tensors).to(scene.images))
            if self.kind == "SIC":
                found.append(read(scene, outputs, "probability")[0])
            else:
                best = outputs.max(-1).values
                found.append((read(scene, outputs, "logit")[0] >= best.float()).float())
        return torch.stack(found, 1).cpu().numpy()


def blurred(picture: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with all pixels but those of `shown` (H, W) interpolated linearly between them; outside, the mean colour."""
    if shown.all():
        return picture
    shown, mean = shown.copy(), picture.reshape(-1, 3).mean(0)
    shown[[0, 0, -1, -1], [0, -1, 0, -1]] = True  # the corners, so that every pixel lies between some
    at, colours = np.argwhere(shown), picture[shown].astype(float)
    found = picture.astype(float)
    found[~shown] = LinearNDInterpolator(at, colours, fill_value=np.nan)(np.argwhere(~shown))
    empty = np.isnan(found)
    found[empty] = np.broadcast_to(mean, found.shape)[empty]
    return found.round().astype(np.uint8)


def _bytes(picture: np.ndarray) -> int:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="webp", lossless=True, quality=100)
    return buffer.tell()


def _curve(size: np.ndarray, said: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Both from 0 (blurred) to 1 (whole), never falling, read off at x; NaN where the blurred picture is no worse."""
    if size[0] >= size[-1] or said[0] >= said[-1]:
        return np.full(len(x), np.nan)
    information = np.clip((size - size[0]) / (size[-1] - size[0]), 0, 1)
    performance = np.maximum.accumulate(np.clip((said - said[0]) / (said[-1] - said[0]), 0, 1))
    points = np.array([*np.stack([information, performance], 1)[1:-1].tolist(), [0.0, 0.0], [1.0, 1.0]])
    points = points[points[:, 0].argsort(kind="stable")]
    return np.interp(x, points[:, 0], points[:, 1])
