"""UNIP: Rethinking Pre-trained Attention Patterns for Infrared Semantic Segmentation. Zhang, Wen, Chen et al. ICLR 2025. arXiv 2502.02257.

How much a patch's place says about where it looks: the normalized mutual information of query and key, I(q; k) / √(H(q) H(k)) with
p(q) = 1 / N and p(k | q) = A. High is local, low is global (all patches look alike), and in between lies the hybrid pattern whose
layer is the best teacher of attention (NMI-HAD). Confirmed in naver-ai/cl-vs-mim: patches alone, rows made to sum to 1, the mean
over heads and pictures. Confirmed in casiatao/UNIP: the student's last block has the teacher's heads, the loss is the mean over
pictures, heads and queries of KL(teacher ‖ student), AdamW with lr 1.5e-4 and weight decay 0.05, MAE-L teaches with block 18 of 24.
That hybrid is near 0.09 is not confirmed; the limits of the bands are mimviz's.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..vit import Scene, anatomy, evaluating
from .distance import among_patches
from .overfocus import attended


@dataclass(frozen=True, eq=False)
class Patterns:
    """`nmi` (layers,), 0 … 1; `kinds`: "local", "hybrid" or "global" for each; `teacher`: the layer nearest to hybrid attention."""

    nmi: Tensor
    kinds: tuple[str, ...]
    teacher: int


@dataclass(frozen=True)
class AttentionPatterns:
    """NMI of every layer, and what it says. hybrid: the NMI of a good teacher; bands: below is global, above local."""

    hybrid: float = 0.09
    bands: tuple[float, float] = (0.06, 0.12)

    def __call__(self, scene: Scene) -> Patterns:
        nmi = torch.stack([mutual_information(among_patches(scene, maps)).mean() for maps in scene.trace.attention])
        low, high = self.bands
        kinds = tuple("global" if x < low else "local" if x > high else "hybrid" for x in nmi.tolist())
        return Patterns(nmi, kinds, int((nmi - self.hybrid).abs().argmin()))


def mutual_information(attention: Tensor) -> Tensor:
    """(…, N, N), rows summing to 1 → (…): normalized, 1 for a permutation, 0 where all rows are alike."""
    if (attention < 0).any():
        raise ValueError("this attention has negative weights (differential attention), so it is no distribution of keys")
    N = attention.shape[-2]
    keys = attention.mean(-2)  # p(k)
    shared = torch.special.entr(keys).sum(-1) - torch.special.entr(attention).sum((-2, -1)) / N  # H(k) − H(k | q)
    of_queries = torch.tensor(float(N), device=attention.device).log()
    scale = (of_queries * torch.special.entr(keys).sum(-1)).sqrt()
    return torch.where(scale > 0, shared / torch.where(scale > 0, scale, 1.0), 0.0).clamp(0, 1)


def imitation(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher ‖ student), (B, heads, N, N) both: the mean over pictures, heads and queries, with a gradient."""
    if student.shape != teacher.shape:
        raise ValueError(
            f"the student's map is {tuple(student.shape)}, but the teacher's {tuple(teacher.shape)}: "
            "give its last block the teacher's heads, with_heads(student, heads), and both the same pictures"
        )
    tiny = torch.finfo(student.dtype).tiny
    return (teacher * (teacher.clamp_min(tiny).log() - student.clamp_min(tiny).log())).sum(-1).mean()


def with_heads(vit: nn.Module, heads: int) -> nn.Module:
    """The same timm ViT, its last block's attention cut into `heads` heads (in place)."""
    attention: Any = vit.get_submodule(anatomy(vit).attentions[-1])
    width = attention.num_heads * attention.head_dim
    if heads < 1 or width % heads:
        raise ValueError(f"heads is {heads}, but {width} channels do not divide into so many")
    attention.num_heads, attention.head_dim = heads, width // heads
    attention.scale = attention.head_dim**-0.5
    return vit


@dataclass(frozen=True)
class Imitation:
    """One step of a distillation: its number from 1, the loss, and the NMI of the student's last layer."""

    index: int
    loss: float
    nmi: float


def distill(
    student: nn.Module, teacher: nn.Module, batches: Iterable[Tensor], *, layer: int, lr: float = 1.5e-4
) -> Iterator[Imitation]:
    """Trains `student` in place to attend in its last layer as `teacher` does in `layer`; one step for each batch (B, 3, H, W)."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr, weight_decay=0.05, betas=(0.9, 0.95))
    prefix = anatomy(student).prefix
    for index, images in enumerate(batches, start=1):
        with torch.no_grad(), evaluating(teacher):
            wanted = attended(teacher, images)[0][layer]
        made = attended(student, images)[0][-1]
        loss = imitation(made, wanted)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        patches = made.detach()[..., prefix:, prefix:]
        nmi = mutual_information(patches / patches.sum(-1, keepdim=True)).mean()
        yield Imitation(index, float(loss.detach()), float(nmi))
