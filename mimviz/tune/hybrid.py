"""Hybrid Distillation: Connecting Masked Autoencoders with Contrastive Learners. Shi et al. ICLR 2024. arXiv 2306.15876.

Two teachers for one student: a masked model gives the relations between tokens (queries with keys, values with values) of a layer
in the middle, which keeps attention diverse; a supervised or contrastive one the features at the end, which tell classes apart.
On the way, the student drops the tokens that are most like all others. Layers and shares are settings here: the paper's are those
of a ViT-B with 12 blocks. Checked against the sums written slowly (tests/tune/test_hybrid.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..core import Mask, Outcome
from ..grammar.teacher import Frozen
from ..vit import Encoder
from ..vit.attention import read
from ._models import vit_of
from ._taps import inputs

Relations = tuple[Tensor, Tensor]


class HybridDistill(nn.Module):
    """`HybridDistill(encoder, mim, classifier)` for `fit`: an Outcome whose hidden patches are those that were dropped.

    relations: the teacher of relations, on the student's grid, with as many heads (e.g. a masked autoencoder).
    features: that of features. layers: blocks of the student whose relations are compared, with those of the teacher at the same
    share of its depth.
    ratio: share of the patches that is dropped in all, a third of it in front of each of the blocks 0, L/3 and 2 L/3.
    """

    def __init__(
        self,
        encoder: Encoder,
        relations: nn.Module,
        features: nn.Module,
        *,
        layers: Sequence[int] = (-2,),
        ratio: float = 0.3,
        weights: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        self.encoder, self.weights = encoder, weights
        self.relating, self.featuring = (Frozen(vit_of(each), student=encoder) for each in (relations, features))
        if self.relating.encoder.grid.shape != encoder.grid.shape or not 0 <= ratio < 1:
            raise ValueError(
                f"ratio={ratio} and a teacher of relations with {self.relating.encoder.grid}: 0 ≤ ratio < 1 and the student's grid "
                "are wanted"
            )
        depth, theirs = len(encoder.anatomy.blocks), len(self.relating.encoder.anatomy.blocks)
        self.layers = [layer % depth for layer in layers]
        self.of = [min((layer + 1) * theirs // depth, theirs) - 1 for layer in self.layers]
        each = round(encoder.grid.count * ratio / 3)
        self.drops = Counter()
        for at in (0, depth // 3, 2 * depth // 3):
            self.drops[at] += each
        self.head = nn.Linear(encoder.width, self.featuring.width)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Outcome:
        """patch_loss: smooth L1 to the features, of the kept patches (B, K). terms: "relations"."""
        names = [self.encoder.anatomy.attentions[layer] for layer in self.layers]
        with dropping(self.encoder, self.drops) as kept, inputs(self.encoder.vit, names) as found:
            tokens = self.encoder(self.encoder.embed(images))[:, self.encoder.prefix :]  # (B, K, width)
        guess, ids = self.head(tokens), kept[len(self.encoder.anatomy.blocks) - 1]
        truth = rows(F.layer_norm(self.featuring.features(images), (self.featuring.width,)), ids)
        term = self._relations(images, found, kept)
        seen = torch.zeros(len(images), self.encoder.grid.count, dtype=torch.bool, device=images.device).scatter(
            1, ids, True
        )
        mask = Mask(~seen, seen, self.encoder.grid.shape)
        losses = self.weights[1] * F.smooth_l1_loss(guess, truth, reduction="none").mean(-1)
        return Outcome(mask, guess, truth, losses, ids, None, {"relations": self.weights[0] * term})

    def _relations(self, images: Tensor, found: dict[str, Tensor], kept: dict[int, Tensor]) -> Tensor:
        """Mean Kullback-Leibler divergence of the student's relations from the teacher's, of both kinds, over all layers."""
        encoder, theirs = self.encoder, self.relating.encoder
        names = [theirs.anatomy.attentions[layer] for layer in self.of]
        with torch.no_grad(), inputs(theirs.vit, names) as seen:
            self.relating(images)
        losses = []
        for layer, name in zip(self.layers, names, strict=True):
            own = encoder.anatomy.attentions[layer]
            ours = relations_of(encoder.vit.get_submodule(own), found[own], encoder.prefix, None)
            with torch.no_grad():
                wanted = relations_of(theirs.vit.get_submodule(name), seen[name], theirs.prefix, kept[layer])
            losses += [divergence(a, b) for a, b in zip(ours, wanted, strict=True)]
        return torch.stack(losses).mean()


def redundant(tokens: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
    """How alike a token is to the others: the mean cosine to each of them."""
    unit = F.normalize(tokens, dim=-1)
    return ((unit @ unit.transpose(1, 2)).sum(-1) - 1) / max(tokens.shape[1] - 1, 1)


def relations_of(module: Any, x: Tensor, prefix: int, ids: Int[Tensor, "B K"] | None) -> Relations:
    """log softmax(q kᵀ / √d) and log softmax(v vᵀ / √d) between patches, (B, heads, K, K) each; `ids`: of these alone."""
    mixing = read(module, x, {})
    q, k, v = (rows(each[:, :, prefix:], ids) for each in (mixing.q, mixing.k, mixing.v))
    return tuple((a @ b.transpose(-2, -1) / a.shape[-1] ** 0.5).log_softmax(-1) for a, b in ((q, k), (v, v)))  # type: ignore[return-value]


def divergence(ours: Tensor, theirs: Tensor) -> Tensor:
    """KL(theirs ‖ ours) of rows of log probabilities, averaged over pictures, heads and rows."""
    if ours.shape != theirs.shape:
        raise ValueError(
            f"the student's relations are {tuple(ours.shape)}, the teacher's {tuple(theirs.shape)}: as many heads are wanted"
        )
    return (theirs.exp() * (theirs - ours)).sum(-1).mean()


def rows(x: Tensor, ids: Tensor | None) -> Tensor:
    """(…, N, D) → its rows `ids` (B, K), the same for every head."""
    if ids is None:
        return x
    at = ids[:, None, :, None] if x.ndim == 4 else ids[..., None]
    return x.gather(-2, at.expand(*x.shape[:-2], -1, x.shape[-1]))


@contextmanager
def dropping(encoder: Encoder, drops: Mapping[int, int]) -> Iterator[dict[int, Tensor]]:
    """While inside, in front of block i the `drops[i]` patches go that are most like the others; yields who is left."""
    kept: dict[int, Tensor] = {}

    def enter(_: nn.Module, args: tuple, index: int) -> tuple:
        x, P = args[0], encoder.prefix
        ids = kept.get(index - 1)
        if ids is None:
            ids = torch.arange(encoder.grid.count, device=x.device).expand(len(x), -1)
        if count := drops.get(index, 0):
            stay = redundant(x[:, P:]).argsort(dim=1, stable=True)[:, : ids.shape[1] - count].sort(1).values
            ids, x = ids.gather(1, stay), torch.cat([x[:, :P], rows(x[:, P:], stay)], 1)
        kept[index] = ids
        return x, *args[1:]

    with ExitStack() as hooks:
        for index, name in enumerate(encoder.anatomy.blocks):
            hook = partial(enter, index=index)
            hooks.callback(encoder.vit.get_submodule(name).register_forward_pre_hook(hook).remove)
        yield kept
