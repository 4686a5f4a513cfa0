"""B-cosification: Transforming Deep Neural Networks to be Inherently Interpretable. Arya et al. NeurIPS 2024. arXiv 2411.00715.

A B-cos network is a linear map that depends on its input: with the scales of its layers, the gates of its activations, its
attention and the deviations of its norms held fixed, pixels × slope is what each pixel gives the logit, and with the few constants
that the network adds (positions, class token, the logit bias) the shares sum to the logit exactly. `bcosify` makes such a network
of a trained one. A plain model is read in the same way; there biases take a share, and `shares` says how much.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from ..core import Heatmap
from ..vit import Scene
from ..vit.relevance import relevance
from ._pixels import Channels, joined
from ._probing import gradients

ADDED = re.compile(r"(bias|token|pos_embed\w*)$")  # names of parameters that timm's models add and never multiply with


@dataclass(frozen=True)
class BCos:
    """(B, H, W), signed: what each pixel gives the score, the colours and what they lack together. One pass there and back."""

    channels: Channels = "sum"

    def __call__(self, scene: Scene) -> Heatmap:
        return Heatmap(joined(scene, self.attributions(scene), self.channels), by=self, signed=self.channels == "sum")

    def attributions(self, scene: Scene) -> Tensor:
        """(B, 3, H, W): of each colour, its own part and that of its lack: as the stem sees [x, −x], x · W + (−x) · W′."""
        scene.score(scene.images)  # the target is chosen by the untouched model
        with relevance(scene.model, attention="fixed"):
            return scene.images * gradients(scene, scene.images)[0]

    def shares(self, scene: Scene) -> dict[str, Tensor]:
        """{"pixels", the name of each constant, "rest": (B,)}, which sum to the score.

        A constant is what is added and not multiplied: positions, class tokens, biases; its share is gradient · value. The rest
        of a B-cos network is its logit bias, to rounding; of a plain model, the biases of its norms too.
        """
        score = scene.score(scene.images).detach()  # the target is chosen by the untouched model
        held = {name: p.detach().clone() for name, p in scene.model.named_parameters() if ADDED.search(name)}
        values = [scene.images.detach().clone(), *held.values()]
        for each in values:
            each.requires_grad_()
        with torch.enable_grad(), relevance(scene.model, attention="fixed"):
            told = scene._scorer(functional_call(scene.model, held, (values[0],)))
            found = [torch.autograd.grad(each, values, retain_graph=True, allow_unused=True) for each in told]
        names, shares = ["pixels", *held], {}
        for name, value, grads in zip(names, values, zip(*found, strict=True), strict=True):
            parts = [value.new_zeros(()) if grad is None else (grad * value.detach()).sum() for grad in grads]
            shares[name] = torch.stack(parts)
        return shares | {"rest": score - torch.stack([*shares.values()]).sum(0)}
