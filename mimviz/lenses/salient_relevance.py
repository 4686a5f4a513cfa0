"""Beyond saliency: understanding convolutional neural networks from saliency prediction on layer-wise relevance propagation. Li et al. IVC 2019. arXiv 1712.08268.

LRP gives relevance by pixel; context-aware saliency (Goferman, Zelnik-Manor, Tal, CVPR 2010) of that map turns lone pixels into
areas: a place is salient when even the patches most like its own differ from it, at several scales, and counts less far from the
foci. The rule of the relevance is that of the authors' code (Hey1Li/Salient-Relevance-Propagation): z⁺ in fully connected layers,
the plain rule in convolutions and at the pixels, magnitudes of each colour. It is for conv nets; in a ViT, which is made of fully
connected layers, z⁺ everywhere would hardly ask about the class any more, and γ of `LRP` stands for it.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..core import Heatmap
from ..vit import Scene
from ..vit.relevance import relevance
from ._pixels import joined
from ._probing import gradients
from .lrp import LRP


@dataclass(frozen=True)
class SalientRelevance:
    """(B, H, W), 0..1: the areas that stand out of the relevance map.

    gamma: of the LRP below, in all layers; None is the authors' rule in a conv net and 0.25 in a ViT. scales: of the patches.
    cells: places along the longer side, at which patches are compared. like: how many of the most similar patches count. focus:
    the saliency from which a place draws its surroundings along.
    """

    gamma: float | None = None
    scales: tuple[float, ...] = (1.0, 0.8, 0.5, 0.3)
    cells: int = 40
    like: int = 64
    focus: float = 0.8

    def __call__(self, scene: Scene) -> Heatmap:
        found = self.relevance(scene)
        return Heatmap(torch.stack([self.salient(each) for each in found]).to(found), by=self)

    def relevance(self, scene: Scene) -> Tensor:
        """(B, H, W), at least 0: magnitudes of the pixels' relevance, summed over the colours."""
        gamma = 0.25 if self.gamma is None and scene.anatomy.attentions else self.gamma
        if gamma is not None:
            return LRP(gamma=gamma, channels="abs")(scene).values
        scene.score(scene.images)  # the target is chosen by the untouched model
        with relevance(scene.model, gamma=0.0, dense=float("inf")):
            return joined(scene, scene.images * gradients(scene, scene.images)[0], "abs")

    def salient(self, relevance: Tensor) -> Tensor:
        """(H, W) → (H, W), 0..1; a constant map is 0."""
        H, W = relevance.shape
        scale = self.cells / max(H, W)
        size = (max(round(H * scale), 1), max(round(W * scale), 1)) if scale < 1 else (H, W)
        small = F.interpolate(relevance[None, None].double(), size=size, mode="area")[0, 0]
        low, high = small.min(), small.max()
        if high - low <= 1e-12 * max(abs(float(high)), 1e-30):
            return torch.zeros_like(relevance)
        small = (small - low) / (high - low)
        saliency = torch.stack([self._at(small, each) for each in self.scales]).mean(0)
        drawn = _near_foci(saliency, self.focus)
        return F.interpolate(drawn[None, None].float(), size=(H, W), mode="bilinear", align_corners=False)[0, 0]

    def _at(self, small: Tensor, scale: float) -> Tensor:
        """1 − exp(−mean of the smallest distances), with d = d_value / (1 + 3 · d_position) (Goferman's equations 1 and 2)."""
        h, w = small.shape
        half = max(round(3 * scale), 1)
        patches = F.unfold(F.pad(small[None, None], [half] * 4, mode="replicate"), 2 * half + 1)[0].T  # (h · w, patch)
        values = torch.cdist(patches, patches) / patches.shape[1] ** 0.5
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        places = torch.stack([y.flatten(), x.flatten()], 1).to(patches) / max(h, w)
        distance = values / (1 + 3 * torch.cdist(places, places))
        distance.fill_diagonal_(float("inf"))
        nearest = distance.topk(min(self.like, len(distance) - 1), largest=False).values
        return (1 - torch.exp(-nearest.mean(1))).reshape(h, w)


def _near_foci(saliency: Tensor, focus: float) -> Tensor:
    """Saliency · (1 − distance to the nearest focus), distances from 0 to 1; the foci lie above the share `focus` of its range."""
    low, high = float(saliency.min()), float(saliency.max())
    if high <= low:
        return torch.zeros_like(saliency)
    even = (saliency - low) / (high - low)
    far = torch.as_tensor(distance_transform_edt((even <= focus).cpu().numpy())).to(saliency)
    return saliency * (1 - far / max(float(far.max()), 1e-12))
