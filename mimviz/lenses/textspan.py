"""Interpreting CLIP's Image Representation via Text-Based Decomposition. Gandelsman, Efros, Steinhardt. ICLR 2024. arXiv 2310.05916.

TextSpan (algorithm 1): what a head adds, over many pictures, is spanned by texts, greedily: the text along which the outputs vary
most, then the same for what is left of outputs and texts. Seen in yossigandelsman/clip_prs: outputs are centred, texts projected to
the span of the first `rank` (80) singular vectors of the outputs.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .decompose import Decomposition


@dataclass(frozen=True, eq=False)
class HeadTexts:
    """`texts`: the names of the directions that span a head's outputs, the most telling first; `explained`: share of the outputs'
    variance that they span together, 0 … 1, after each of them."""

    texts: tuple[str, ...]
    explained: Tensor


@dataclass(frozen=True)
class TextSpan:
    """The texts that say what a head does. count: how many; rank: how many singular vectors of its outputs count.

    Any directions will do: CLIP's text embeddings, or `class_directions` with the names of classes.
    """

    count: int = 5
    rank: int = 80

    def __call__(self, outputs: Tensor, directions: Tensor, names: Sequence[str]) -> HeadTexts:
        """outputs (n, D) of one head for n pictures, directions (T, D) of the texts `names`."""
        if len(directions) != len(names):
            raise ValueError(f"there are {len(directions)} directions, but {len(names)} names: one for each")
        if len(outputs) < 2:
            raise ValueError("outputs of at least 2 pictures are wanted, or nothing varies")
        basis = torch.linalg.svd(outputs.float(), full_matrices=False).Vh[: self.rank]  # (rank, D)
        left = outputs.float() - outputs.float().mean(0)
        texts = directions.float() @ basis.T @ basis
        whole, chosen, explained = left.square().sum(), [], []
        for _ in range(min(self.count, len(names))):
            best = int((left @ texts.T).std(0).argmax())
            axis = texts[best] / texts[best].norm().clamp_min(1e-12)
            left, texts = left - left @ axis[:, None] * axis, texts - texts @ axis[:, None] * axis
            chosen.append(names[best])
            explained.append(1 - left.square().sum() / whole.clamp_min(1e-12))
        return HeadTexts(tuple(chosen), torch.stack(explained))


def head_texts(
    terms: Decomposition,
    directions: Tensor,
    names: Sequence[str],
    *,
    project: Callable[[Tensor], Tensor] | None = None,
    start_layer: int = 0,
    span: TextSpan = TextSpan(),
) -> dict[tuple[int, int], HeadTexts]:
    """What each head does, by (layer, head), from `start_layer` on (also negative), over the scene's pictures.

    directions (T, D): of texts in the space that `project` brings the terms to, `pair.texts(names)` and `pair.project` of a
    CLIP pair (`mimviz.zoo.load_clip`); without `project`, of the features themselves (`class_directions`).
    """
    _, layers, heads, _ = terms.heads.shape
    if not -layers <= start_layer < layers:
        raise IndexError(f"start_layer is {start_layer}, but there are {layers}: 0..{layers - 1}, or -1 for the last")
    found = terms.heads if project is None else project(terms.heads)
    return {
        (layer, head): span(found[:, layer, head], directions, names)
        for layer in range(start_layer % layers, layers)
        for head in range(heads)
    }


def mean_ablated(terms: Decomposition, heads: Sequence[tuple[int, int]] = (), *, mlps: Sequence[int] = ()) -> Tensor:
    """(B, D): the features if these heads (layer, head) and MLPs added their mean over the scene's pictures (section 3.2)."""
    if len(terms.output) < 2:
        raise ValueError("a mean over pictures is wanted, but the scene has one: give it several")
    found = terms.output.clone()
    for layer, head in heads:
        found += terms.heads[:, layer, head].mean(0) - terms.heads[:, layer, head]
    for layer in mlps:
        found += terms.mlps[:, layer].mean(0) - terms.mlps[:, layer]
    return found
